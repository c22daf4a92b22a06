"""One training run, epoch by epoch, that can be stopped and taken up again."""

from __future__ import annotations

import copy
import hashlib
import io
import logging
import math
import pickle
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pure_nas.data.augment import allowed
from pure_nas.data.image_set import Batch, ImageSet
from pure_nas.devices import computing_on
from pure_nas.files import write_whole
from pure_nas.nn.network import Network
from pure_nas.space.recipe import Recipe
from pure_nas.training.scoring import NORM_BATCH, NORM_IMAGES, Score, evaluate, generator, reestimate_norms
from pure_nas.training.step import Execution, Step, make_optimizer

logger = logging.getLogger(__name__)

_STEPS_BETWEEN_CHECKS = 32
_CHECKPOINT_SCHEMA = 2
_CHECKSUM_BYTES = hashlib.sha256().digest_size


class Divergence(Exception):  # noqa: N818 - an outcome of training, not a fault of the program
    """The loss became NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch, counted from 1; without validation images there is no loss or error of them."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_error: float | None
    learning_rate: float  # of the trunk, at the end
    seconds: float  # validation included


class Training:
    """Trains `network` by `recipe`; an epoch's draws follow from (seed, epoch) alone, so resuming changes nothing.

    Args:
        validation: images to evaluate on after each epoch, or None.
        flip, turns: what labels survive; see `Dataset`.
        parts: of a batch, computed one after the other, where memory is short: each norm then sees one of them.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        *,
        train: ImageSet,
        validation: ImageSet | None,
        flip: bool,
        turns: bool = False,
        device: torch.device,
        seed: int,
        execution: Execution = "auto",
        parts: int = 1,
    ) -> None:
        # Convolutions are fastest in this order of memory, on CPUs and GPUs.
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.recipe = recipe
        self.device = device
        self.seed = seed
        self.epoch = 0
        self.score: Score | None = None  # on the validation images, after the last epoch of this process
        self._train = train
        self._validation = validation
        self._augment = allowed(recipe, flip=flip, turns=turns)
        self._optimizer = make_optimizer(self.network, recipe)
        self._steps = train.n_batches(recipe.batch_size)
        self._step = Step(self.network, self._optimizer, recipe, device, execution, parts)
        self._on_device = computing_on(device)

    @property
    def execution(self) -> str:
        return self._step.kind

    @property
    def finished(self) -> bool:
        return self.epoch >= self.recipe.epochs

    def run_epoch(self) -> EpochMetrics:
        """Train one epoch and evaluate; a loss that is not finite (of validation: the last) is a `Divergence`."""
        start = time.perf_counter()
        with self._on_device(), self._step.compiler():
            loss, accuracy = self._train_epoch()
            self.epoch += 1
            self._step.epoch_done(time.perf_counter() - start, self.recipe.epochs - self.epoch)
            self.score = score = self._validate()
        return EpochMetrics(
            epoch=self.epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=score.loss if score else None,
            validation_error=score.error if score else None,
            learning_rate=self._optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - start,
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = generator(self.seed, "order", epoch)
        return self._train.batches(self.recipe.batch_size, device=self.device, generator=order, augment=self._augment)

    def rehearse(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take a training step on each batch and wait for the device: for measuring time, not for learning."""
        with self._on_device(), self._step.compiler():
            self.network.train()
            for images, labels in batches:
                loss = self._step(images, labels, 0.0).loss
            loss.item()

    def prepare_scoring(self) -> None:
        """Re-estimate the BatchNorm statistics from the training images, from fewer while the run goes on."""
        images = NORM_IMAGES if self.finished else NORM_BATCH
        with self._step.uncompiled():
            reestimate_norms(self.network, self._train, self.device, self.seed, images)

    def save_checkpoint(self, path: Path, digest: str) -> None:
        """Write the state of the run, behind its checksum: PyTorch reads damaged weights without a word."""
        buffer = io.BytesIO()
        torch.save({"schema": _CHECKPOINT_SCHEMA, "digest": digest, "state": self._state()}, buffer)
        content = buffer.getvalue()
        write_whole(path, hashlib.sha256(content).digest() + content, new_folders=False)

    def restore_checkpoint(self, path: Path, digest: str, *, known_epochs: int | None = None) -> bool:
        """Continue from the checkpoint at `path`; False, with the reason in the log, if it is of no use."""
        if not path.exists():
            return False
        problem = self._restore(path, digest, known_epochs)
        if problem:
            logger.warning("The checkpoint %s %s; training starts from the beginning.", path, problem)
        return not problem

    def _restore(self, path: Path, digest: str, known_epochs: int | None) -> str:
        try:
            data = path.read_bytes()
            checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
            if hashlib.sha256(content).digest() != checksum:
                return "is damaged (its checksum is wrong)"
            stored: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            return f"is damaged ({error})"
        if (stored["schema"], stored["digest"]) != (_CHECKPOINT_SCHEMA, digest):
            return "belongs to something else"
        if known_epochs is not None and stored["state"]["epoch"] > known_epochs:
            return "is of epochs that lack a record"
        before = copy.deepcopy(self._state())
        try:
            self._load_state(stored["state"])
        except (KeyError, ValueError, RuntimeError) as error:
            self._load_state(before)
            return f"does not fit ({error})"
        return ""

    def _state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "network": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def _load_state(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]

    def _train_epoch(self) -> tuple[float, float]:
        self.network.train()
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        seen = 0
        for step, (images, labels) in enumerate(self.batches(self.epoch)):
            score = self._step(images, labels, (self.epoch + step / self._steps) / self.recipe.epochs)
            loss_sum += score.loss * len(labels)
            correct += score.correct
            seen += len(labels)
            # On a GPU, looking would make every step up to here wait.
            if self.device.type == "cpu" and step % _STEPS_BETWEEN_CHECKS == _STEPS_BETWEEN_CHECKS - 1:
                self._require_finite(loss_sum)
        self._require_finite(loss_sum)
        return loss_sum.item() / seen, correct.item() / seen

    def _require_finite(self, loss: Tensor) -> None:
        value = loss.item()
        if not math.isfinite(value):
            raise Divergence(f"training loss became {value} in epoch {self.epoch + 1} of {self.recipe.epochs}")

    def _validate(self) -> Score | None:
        if self._validation is None:
            return None
        self.prepare_scoring()
        score = evaluate(self.network, self._validation, self.device)
        if self.finished and not math.isfinite(score.loss):
            raise Divergence(f"validation loss is {score.loss} after the last epoch")
        return score
