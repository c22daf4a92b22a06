"""One optimisation step: eager, recorded as a CUDA graph, or compiled where experience says that it repays."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.devices import autocast, device_name, precision, telling_out_of_memory
from pure_nas.errors import PureNasError, RunError, nearest
from pure_nas.files import write_whole
from pure_nas.nn.network import Network, parameter_kinds
from pure_nas.paths import cache_folder
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS

logger = logging.getLogger(__name__)

Execution = Literal["auto", "eager", "recorded", "compiled"]
"""auto: eager on a CPU, where a step has no launches to save and results must not depend on a clock; recorded on a GPU,
and compiled there as soon as measurements say that the epochs that are left repay it."""

_WARMUP = 3
"""Batches that are computed eagerly before the recording, so that libraries choose kernels and allocate workspaces."""
_BEFORE, _COMPILING, _AFTER = 2, 3, 4
"""Epochs (the first is 1, and warms up) that are timed before compiling, with it, and after it."""
_SHARE_FOR_TRYING = 0.05
_SECONDS_OF_AN_UNKNOWN_BLOCK = 20.0
_LEAST_SPEEDUP = 1.03
_EXPERIENCE = "compilation.json"


def make_optimizer(network: Network, recipe: Recipe) -> torch.optim.SGD:
    """SGD over the trainable parameters of `network`, with one parameter group per kind, named by its "kind"."""
    kinds = parameter_kinds(network)
    by_kind: dict[str, list[nn.Parameter]] = {kind: [] for kind in PARAMETER_KINDS}
    for name, parameter in network.named_parameters():
        if (kind := kinds[name]) not in by_kind:
            raise PureNasError(f'The parameter "{name}" is of the kind "{kind}"; {nearest(kind, by_kind)}.')
        if parameter.requires_grad:
            by_kind[kind].append(parameter)
    groups = [{"params": found, "kind": kind} for kind, found in by_kind.items() if found]
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
    """Forward, loss, backward, clipping and update, which is never recorded. Nothing in it waits for the device."""

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.SGD,
        recipe: Recipe,
        device: torch.device,
        execution: Execution,
        parts: int = 1,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._recipe = recipe
        self._device = device
        self._parts = parts  # of a batch, computed one after the other, which takes less memory
        self._auto = execution == "auto" and device.type == "cuda"
        self._recorded = execution == "recorded" or (device.type == "cuda" and execution != "eager")
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._seconds: list[float] = []
        self._begin(compiled=execution == "compiled")

    def _begin(self, *, compiled: bool) -> None:
        if compiled:
            compile_blocks(self._network)
        self._compiled = compiled
        self._mode = "recorded" if self._recorded else "eager"
        self._shape: torch.Size | None = None
        self._warmup = _WARMUP
        self._recording: _Recording | None = None

    @property
    def kind(self) -> str:
        """How steps are carried out, for records."""
        how = f"compiled, {self._mode}" if self._compiled else self._mode
        return how if self._parts == 1 else f"{how}, batches in {self._parts} parts"

    def uncompiled(self) -> AbstractContextManager[None]:
        """A context in which the network runs eagerly: what occurs once per epoch is not worth compiling."""
        return torch.compiler.set_stance("force_eager") if self._compiled else nullcontext()

    def compiler(self) -> AbstractContextManager[None]:
        return compiler_settings() if self._compiled else nullcontext()

    def epoch_done(self, seconds: float, epochs_left: int) -> None:
        """Take note of the training time of an epoch, and compile, or stop it, if that pays."""
        if not self._auto:
            return
        self._seconds.append(seconds)
        blocks = sum(1 for _ in self._network.architecture.distinct_blocks())
        if len(self._seconds) == _BEFORE:
            if repays(epochs_left * seconds, blocks, remembered().get(self._make)):
                self._begin(compiled=True)
        elif len(self._seconds) == _AFTER and self._compiled:
            before, compiling, after = (self._seconds[epoch - 1] for epoch in (_BEFORE, _COMPILING, _AFTER))
            found = Experience(seconds_per_block=max(compiling - after, 0.0) / blocks, speedup=before / after)
            remember(self._make, found)
            if found.speedup < 1:
                undo_compilation(self._network)
                self._begin(compiled=False)

    @property
    def _make(self) -> str:
        """What networks that compiling speeds up equally have in common."""
        architecture = self._network.architecture
        units = "+".join(sorted(architecture.unit_set))
        work = f"{units}, {architecture.image_size} px, batch {self._recipe.batch_size}"
        return f"{work}, {device_name(self._device)}, {precision(self._device)}, torch {torch.__version__}"

    def __call__(self, images: Tensor, labels: Tensor, progress: float) -> BatchScore:
        """Learn from one batch, at the fraction `progress` (0 to 1) of the training steps."""
        self._shape = self._shape or images.shape
        apply_schedules(self._optimizer, self._recipe, progress)
        score = self._compute_or_replay(images, labels)
        self._optimizer.step()
        return score

    def _compute(self, images: Tensor, labels: Tensor) -> BatchScore:
        self._optimizer.zero_grad()
        odd = images.shape != self._shape
        with self.uncompiled() if odd else nullcontext():
            scores = [
                self._gradients(*part, share=len(part[1]) / len(labels))
                for part in zip(images.chunk(self._parts), labels.chunk(self._parts), strict=True)
            ]
        for parameter in self._parameters:
            if parameter.grad is None:
                # A layer that was skipped; the fused update takes all parameters of a kind or none.
                parameter.grad = torch.zeros_like(parameter)
        if self._recipe.gradient_clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._recipe.gradient_clip_norm)
        if len(scores) == 1:
            return scores[0]
        losses, correct = zip(*scores, strict=True)
        return BatchScore(torch.stack(losses).sum(), torch.stack(correct).sum())

    def _gradients(self, images: Tensor, labels: Tensor, share: float) -> BatchScore:
        """Add the gradients of a part of a batch, by its share of it."""
        with autocast(self._device):
            logits = self._network(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        loss = loss if share == 1 else loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return BatchScore(loss.detach(), (logits.detach().argmax(1) == labels).sum())

    def _compute_or_replay(self, images: Tensor, labels: Tensor) -> BatchScore:
        recorded = self._mode == "recorded"
        if recorded and images.shape != self._shape:
            return self._compute_odd(images, labels)
        if recorded and self._recording is None and self._warmup == 0:
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
        self._mode = "eager (no memory beside the recording)"
        logger.warning("There is no memory for a batch of another size next to a recorded step. It runs eagerly.")
        self._recording = None
        self._optimizer.zero_grad()
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
            self._mode = f"eager (recording failed: {reason})"
            logger.warning("The training step cannot be recorded as a graph: %s. It runs eagerly.", reason)
            return None
        return _Recording(images, labels, replay, score, [parameter.grad for parameter in self._parameters])


def record_cuda_graph(work: Callable[[], BatchScore]) -> tuple[Callable[[], None], BatchScore]:
    """Capture `work` on the current stream, not the default one; returns its replay and the tensors of its result."""
    graph = torch.cuda.CUDAGraph()
    # Threads that pin memory for a streamed dataset go on while this one captures.
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        score = work()
    return graph.replay, score


class Experience(BaseModel):
    """What compiling networks of one make brought on one device: seconds per distinct block, time before / after."""

    seconds_per_block: float
    speedup: float


class _ExperienceFile(BaseModel):
    schema_version: Literal[1] = Field(default=1, alias="schema")
    makes: dict[str, Experience] = {}


def remembered() -> dict[str, Experience]:
    """What earlier runs, also of other processes, found, by make; a missing or damaged file holds nothing."""
    try:
        return _ExperienceFile.model_validate_json((cache_folder() / _EXPERIENCE).read_bytes()).makes
    except (OSError, ValueError):
        return {}


def remember(make: str, experience: Experience) -> None:
    """Keep `experience` for other processes; a file that cannot be written is reported in the log."""
    file = _ExperienceFile(makes={**remembered(), make: experience})
    try:
        write_whole(cache_folder() / _EXPERIENCE, file.model_dump_json(by_alias=True, indent=2) + "\n")
    except RunError as error:
        logger.warning("What compiling brought cannot be kept: %s", error)


def repays(seconds_left: float, distinct_blocks: int, experience: Experience | None) -> bool:
    """Whether compiling saves more training time than it takes; without experience, whether trying it costs little."""
    if experience is None:
        return _SECONDS_OF_AN_UNKNOWN_BLOCK * distinct_blocks <= _SHARE_FOR_TRYING * seconds_left
    if experience.speedup < _LEAST_SPEEDUP:
        return False
    return seconds_left * (1 - 1 / experience.speedup) > experience.seconds_per_block * distinct_blocks


@contextmanager
def compiler_settings() -> Iterator[None]:
    """What compiled blocks need while they run, which is when they are compiled; the caller's is put back."""
    # Importing dynamo takes seconds, which only those pay who compile.
    from torch._dynamo import config

    name = "TORCHINDUCTOR_CACHE_DIR"
    named = name in os.environ
    # Inductor's own place is emptied with every restart of the machine.
    os.environ.setdefault(name, str(cache_folder() / "inductor"))
    # Past the limit dynamo runs a block eagerly without a word; networks have a dozen kinds of blocks. And a machine
    # without a compiler still trains.
    limit = max(config.recompile_limit, 256)
    try:
        with config.patch(recompile_limit=limit, suppress_errors=True):
            yield
    finally:
        if not named:
            os.environ.pop(name, None)


def compile_blocks(network: Network, backend: str = "inductor") -> None:
    """Compile every residual block on its own, in place: equal blocks, also of other networks, share their code."""
    for block in _blocks(network):
        block.compile(backend=backend, dynamic=False)


def undo_compilation(network: Network) -> None:
    """Let every residual block run eagerly again."""
    for block in _blocks(network):
        block._compiled_call_impl = None


def _blocks(network: Network) -> Iterator[nn.Module]:
    return (block for stage in network.stages for block in stage.children())
