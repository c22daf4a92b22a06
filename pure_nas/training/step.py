"""One optimisation step on a batch, and the ways in which a device can carry it out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.devices import autocast, telling_out_of_memory
from pure_nas.nn import Network
from pure_nas.space.recipe import Recipe
from pure_nas.training.optimizer import apply_schedules

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchScore:
    """How a batch was classified before the network learnt from it, on the device.

    Attributes:
        loss: (), float32, the mean over its images.
        correct: (), int64, images that were classified correctly.
    """

    loss: Tensor
    correct: Tensor


Recorder = Callable[[Callable[[], BatchScore]], tuple[Callable[[], None], BatchScore]]
"""Records what a function does to tensors. Returns what does it again, and the tensors that then hold its result."""


class Step:
    """Forward, loss, backward, clipping and update. Nothing in it waits for the device.

    Args:
        optimizer: over the trainable parameters of `network`; its rates follow `recipe`.
        compiled: whether blocks of `network` are compiled.

    Attributes:
        kind: how steps are carried out, for records.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        *,
        compiled: bool = False,
    ) -> None:
        self.kind = "eager"
        self._network = network
        self._optimizer = optimizer
        self._recipe = recipe
        self._device = device
        self._compiled = compiled
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._shape: torch.Size | None = None

    def __call__(self, images: Tensor, labels: Tensor, progress: float) -> BatchScore:
        """Learn from one batch, at the fraction `progress` (0 to 1) of the training steps."""
        self._shape = self._shape or images.shape
        apply_schedules(self._optimizer, self._recipe, progress)
        score = self._compute(images, labels)
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
        """A context in which a batch of an odd size runs eagerly: one batch an epoch is not worth compiling."""
        odd = self._compiled and images.shape != self._shape
        return torch.compiler.set_stance("force_eager") if odd else nullcontext()


@dataclass(frozen=True, eq=False)
class _Recording:
    images: Tensor
    labels: Tensor
    replay: Callable[[], None]
    score: BatchScore
    gradients: list[Tensor | None]


class RecordedStep(Step):
    """A step whose gradients are recorded once and then replayed: one launch instead of thousands.

    The update stays outside of the recording, because learning rates and weight decays change with every step. Batches
    of another size than the first are computed as they come.

    Args:
        record: such as `record_cuda_graph`.
        warmup: batches that are computed as they come before the recording, so that libraries choose their kernels
            and allocate their workspaces outside of it.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        *,
        record: Recorder,
        warmup: int = 3,
        compiled: bool = False,
    ) -> None:
        super().__init__(network, optimizer, recipe, device, compiled=compiled)
        self.kind = "recorded"
        self._record = record
        self._warmup = warmup
        self._recording: _Recording | None = None

    def _compute(self, images: Tensor, labels: Tensor) -> BatchScore:
        if self.kind != "recorded":
            return super()._compute(images, labels)
        if images.shape != self._shape:
            return self._compute_odd(images, labels)
        if self._warmup:
            self._warmup -= 1
            return super()._compute(images, labels)
        self._recording = self._recording or self._try_to_record(images.clone(), labels.clone())
        if self._recording is None:
            return super()._compute(images, labels)
        return self._replayed(self._recording, images, labels)

    def _compute_odd(self, images: Tensor, labels: Tensor) -> BatchScore:
        """A batch of another size: the memory that the recording keeps for itself must not cost the trial."""
        try:
            with telling_out_of_memory():
                return super()._compute(images, labels)
        except torch.OutOfMemoryError:
            if self._recording is None:
                raise
        self.kind = "eager (no memory beside the recording)"
        logger.warning("There is no memory for a batch of another size beside a recorded step. It runs eagerly.")
        self._recording = None
        for parameter in self._parameters:
            parameter.grad = None
        torch.cuda.empty_cache()
        return super()._compute(images, labels)

    def _replayed(self, recording: _Recording, images: Tensor, labels: Tensor) -> BatchScore:
        recording.images.copy_(images)
        recording.labels.copy_(labels)
        # A batch of another size leaves gradients of its own in their place.
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        recording.replay()
        return recording.score

    def _try_to_record(self, images: Tensor, labels: Tensor) -> _Recording | None:
        try:
            replay, score = self._record(lambda: super(RecordedStep, self)._compute(images, labels))
        except RuntimeError as error:
            # Ending the capture fails as well, and says less than what made it fail. Nor is a recording worth a trial
            # whose memory suffices without one.
            reason = str(_innermost(error)).partition("\n")[0]
            self.kind = f"eager (recording failed: {reason})"
            logger.warning("The training step cannot be recorded as a graph: %s. It runs eagerly.", reason)
            return None
        return _Recording(images, labels, replay, score, [parameter.grad for parameter in self._parameters])


def _innermost(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def record_cuda_graph(work: Callable[[], BatchScore]) -> tuple[Callable[[], None], BatchScore]:
    """Capture `work` as a CUDA graph on the current stream, which must not be the default one.

    Raises:
        RuntimeError: something in it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    # Threads that pin memory for a streamed dataset go on while this one captures.
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        score = work()
    return graph.replay, score
