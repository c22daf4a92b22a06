"""One optimisation step on a batch: its optimizer and schedules, computed eagerly or recorded as a CUDA graph."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.devices import autocast, telling_out_of_memory
from pure_nas.nn import Network, parameter_kinds
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind

logger = logging.getLogger(__name__)

_WARMUP = 3
"""Batches that are computed eagerly before the recording, so that libraries choose kernels and allocate workspaces."""


def make_optimizer(network: Network, recipe: Recipe) -> torch.optim.SGD:
    """SGD over the trainable parameters of `network`, with one parameter group per kind, named by its "kind"."""
    kinds = parameter_kinds(network)
    by_kind: defaultdict[ParameterKind, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            by_kind[kinds[name]].append(parameter)
    groups = [{"params": by_kind[kind], "kind": kind} for kind in PARAMETER_KINDS if by_kind[kind]]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)
    apply_schedules(optimizer, recipe, 0.0)
    return optimizer


def apply_schedules(optimizer: torch.optim.Optimizer, recipe: Recipe, progress: float) -> None:
    """Set each group's learning rate and weight decay for the fraction `progress` (0 to 1) of the steps."""
    factor = recipe.learning_rate_factor(progress)
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate[group["kind"]] * factor
        group["weight_decay"] = recipe.weight_decay[group["kind"]].at(progress)


class BatchScore(NamedTuple):
    """Mean loss (), float32, and correct images (), int64, of a batch before the network learnt from it."""

    loss: Tensor
    correct: Tensor


class _Recording(NamedTuple):
    images: Tensor
    labels: Tensor
    replay: Callable[[], None]
    score: BatchScore
    gradients: list[Tensor | None]


class Step:
    """Forward, loss, backward, clipping and update. Nothing in it waits for the device.

    A recorded step replays its gradients: one launch instead of thousands. The update stays outside of the recording,
    because learning rates and weight decays change with every step, and batches of another size than the first are
    computed eagerly. `kind` says how steps are carried out, for records.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        *,
        recorded: bool = False,
        compiled: bool = False,
    ) -> None:
        self.kind = "recorded" if recorded else "eager"
        self._network = network
        self._optimizer = optimizer
        self._recipe = recipe
        self._device = device
        self._compiled = compiled
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._shape: torch.Size | None = None
        self._warmup = _WARMUP
        self._recording: _Recording | None = None

    def __call__(self, images: Tensor, labels: Tensor, progress: float) -> BatchScore:
        """Learn from one batch, at the fraction `progress` (0 to 1) of the training steps."""
        self._shape = self._shape or images.shape
        apply_schedules(self._optimizer, self._recipe, progress)
        score = self._compute_or_replay(images, labels)
        self._optimizer.step()
        return score

    def _compute(self, images: Tensor, labels: Tensor) -> BatchScore:
        """Compute the gradients of a batch."""
        for parameter in self._parameters:
            parameter.grad = None
        with self._uncompiled(images), autocast(self._device):
            logits = self._network(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter in self._parameters:
            if parameter.grad is None:
                # A layer that was skipped; the fused update takes all parameters of a kind or none.
                parameter.grad = torch.zeros_like(parameter)
        if self._recipe.gradient_clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._recipe.gradient_clip_norm)
        return BatchScore(loss.detach(), (logits.detach().argmax(1) == labels).sum())

    def _uncompiled(self, images: Tensor) -> AbstractContextManager[None]:
        """A context in which a batch of an odd size runs eagerly: one batch per epoch is not worth compiling."""
        odd = self._compiled and images.shape != self._shape
        return torch.compiler.set_stance("force_eager") if odd else nullcontext()

    def _compute_or_replay(self, images: Tensor, labels: Tensor) -> BatchScore:
        if self.kind == "recorded" and images.shape != self._shape:
            return self._compute_odd(images, labels)
        if self.kind == "recorded" and self._recording is None and self._warmup == 0:
            self._recording = self._try_to_record(images.clone(), labels.clone())
        self._warmup = max(self._warmup - 1, 0)
        if self._recording is None:
            return self._compute(images, labels)
        self._recording.images.copy_(images)
        self._recording.labels.copy_(labels)
        # A batch of another size leaves gradients of its own in their place.
        for parameter, gradient in zip(self._parameters, self._recording.gradients, strict=True):
            parameter.grad = gradient
        self._recording.replay()
        return self._recording.score

    def _compute_odd(self, images: Tensor, labels: Tensor) -> BatchScore:
        """A batch of another size: the memory that the recording keeps for itself must not cost the trial."""
        try:
            with telling_out_of_memory():
                return self._compute(images, labels)
        except torch.OutOfMemoryError:
            if self._recording is None:
                raise
        self.kind = "eager (no memory beside the recording)"
        logger.warning("There is no memory for a batch of another size beside a recorded step. It runs eagerly.")
        self._recording = None
        for parameter in self._parameters:
            parameter.grad = None
        torch.cuda.empty_cache()
        return self._compute(images, labels)

    def _try_to_record(self, images: Tensor, labels: Tensor) -> _Recording | None:
        try:
            replay, score = record_cuda_graph(lambda: self._compute(images, labels))
        except RuntimeError as error:
            # Ending the capture fails as well, and says less than what made it fail. Nor is a recording worth a trial
            # whose memory suffices without one.
            first: BaseException = error
            while first.__context__ is not None:
                first = first.__context__
            reason = str(first).partition("\n")[0]
            self.kind = f"eager (recording failed: {reason})"
            logger.warning("The training step cannot be recorded as a graph: %s. It runs eagerly.", reason)
            return None
        return _Recording(images, labels, replay, score, [parameter.grad for parameter in self._parameters])


def record_cuda_graph(work: Callable[[], BatchScore]) -> tuple[Callable[[], None], BatchScore]:
    """Capture `work` on the current stream, not the default one; returns its replay and the tensors of its result.

    Raises:
        RuntimeError: something in it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    # Threads that pin memory for a streamed dataset go on while this one captures.
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        score = work()
    return graph.replay, score
