"""How the steps of a run are carried out: eagerly, recorded as a CUDA graph, or compiled where that pays."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from pydantic import BaseModel, Field
from torch import nn

from pure_nas.devices import device_name, precision
from pure_nas.errors import RunError
from pure_nas.files import write_whole
from pure_nas.nn import Network
from pure_nas.paths import cache_folder
from pure_nas.space.recipe import Recipe
from pure_nas.training.step import Step

logger = logging.getLogger(__name__)

Execution = Literal["auto", "eager", "recorded", "compiled"]
"""auto: eager on a CPU, where a step has no launches to save and results must not depend on a clock; recorded on a GPU,
and compiled there as soon as measurements say that the epochs that are left repay it."""

_BEFORE, _COMPILING, _AFTER = 2, 3, 4
"""Epochs (the first is 1, and warms up) that are timed before compiling, with it, and after it."""
_SHARE_FOR_TRYING = 0.05
_SECONDS_OF_AN_UNKNOWN_BLOCK = 20.0
_LEAST_SPEEDUP = 1.03
_FILE = "compilation.json"


class StepChoice:
    """Chooses how a step is carried out, `step`, and revises the choice between epochs."""

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        execution: Execution,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._recipe = recipe
        self._device = device
        self._auto = execution == "auto" and device.type == "cuda"
        self._recorded = execution == "recorded" or (device.type == "cuda" and execution != "eager")
        self._seconds: list[float] = []
        self._use(compiled=execution == "compiled")

    def _use(self, *, compiled: bool) -> None:
        if compiled:
            compile_blocks(self._network)
        self._compiled = compiled
        arguments = (self._network, self._optimizer, self._recipe, self._device)
        self.step = Step(*arguments, recorded=self._recorded, compiled=compiled)

    @property
    def kind(self) -> str:
        """How steps are carried out, for records."""
        return f"compiled, {self.step.kind}" if self._compiled else self.step.kind

    def uncompiled(self) -> AbstractContextManager[None]:
        """A context in which the network runs eagerly: passes other than steps are not worth compiling."""
        return torch.compiler.set_stance("force_eager") if self._compiled else nullcontext()

    def compiler(self) -> AbstractContextManager[None]:
        """A context in which steps are taken."""
        return compiler_settings() if self._compiled else nullcontext()

    def epoch_done(self, seconds: float, epochs_left: int) -> None:
        """Take note of the training time of an epoch, and change the choice where that pays."""
        if not self._auto:
            return
        self._seconds.append(seconds)
        blocks = sum(1 for _ in self._network.architecture.distinct_blocks())
        if len(self._seconds) == _BEFORE and repays(epochs_left * seconds, blocks, remembered().get(self._make)):
            self._use(compiled=True)
        elif len(self._seconds) == _AFTER and self._compiled:
            before, compiling, after = (self._seconds[epoch - 1] for epoch in (_BEFORE, _COMPILING, _AFTER))
            found = Experience(seconds_per_block=max(compiling - after, 0.0) / blocks, speedup=before / after)
            remember(self._make, found)
            if found.speedup < 1:
                undo_compilation(self._network)
                self._use(compiled=False)

    @property
    def _make(self) -> str:
        """What networks that compiling speeds up equally have in common."""
        architecture = self._network.architecture
        units = "+".join(sorted(architecture.unit_set))
        work = f"{units}, {architecture.image_size} px, batch {self._recipe.batch_size}"
        return f"{work}, {device_name(self._device)}, {precision(self._device)}, torch {torch.__version__}"


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
        return _ExperienceFile.model_validate_json((cache_folder() / _FILE).read_bytes()).makes
    except (OSError, ValueError):
        return {}


def remember(make: str, experience: Experience) -> None:
    """Keep `experience` for other processes; a file that cannot be written is reported in the log."""
    file = _ExperienceFile(makes={**remembered(), make: experience})
    try:
        write_whole(cache_folder() / _FILE, file.model_dump_json(by_alias=True, indent=2) + "\n")
    except RunError as error:
        logger.warning("What compiling brought cannot be kept: %s", error)


def repays(seconds_left: float, distinct_blocks: int, experience: Experience | None) -> bool:
    """Whether compiling saves more of the training time that is left than it takes.

    Without experience it is tried where that costs at most a twentieth of the time that is left.
    """
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
