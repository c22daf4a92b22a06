"""How the steps of a run are carried out: eagerly, recorded as a CUDA graph, or compiled."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from pure_nas.devices import device_name, precision
from pure_nas.nn import Network
from pure_nas.paths import cache_folder
from pure_nas.space.recipe import Recipe
from pure_nas.training.compilation import (
    Experience,
    ExperienceFile,
    compile_blocks,
    compiler_settings,
    repays,
    undo_compilation,
)
from pure_nas.training.step import RecordedStep, Step, record_cuda_graph

Execution = Literal["auto", "eager", "recorded", "compiled"]
"""auto: eager on a CPU, where a step has no launches to save and results must not depend on a clock; recorded on a GPU,
and compiled there as soon as measurements say that the epochs that are left repay it."""

_BEFORE, _COMPILING, _AFTER = 2, 3, 4
"""Epochs (the first is 1, and warms up) that are timed before compiling, with it, and after it."""


class StepChoice:
    """Chooses how steps are carried out, and revises the choice between epochs.

    Args:
        experience: what compiling brought before.

    Attributes:
        step: what to call for each batch.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        execution: Execution,
        experience: ExperienceFile | None = None,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._recipe = recipe
        self._device = device
        self._auto = execution == "auto" and device.type == "cuda"
        self._compiled = execution == "compiled"
        self._recorded = self._auto or execution == "recorded" or (self._compiled and device.type == "cuda")
        self._experience = experience
        self._seconds: list[float] = []
        if self._compiled:
            compile_blocks(network)
        self.step = self._make_step()

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
        self._experience = self._experience or ExperienceFile(cache_folder() / "compilation.json")
        self._seconds.append(seconds)
        blocks = sum(1 for _ in self._network.architecture.distinct_blocks())
        if len(self._seconds) == _BEFORE and repays(epochs_left * seconds, blocks, self._experience.get(self._make)):
            compile_blocks(self._network)
            self._compiled, self.step = True, self._make_step()
        elif len(self._seconds) == _AFTER and self._compiled:
            before, compiling, after = (self._seconds[epoch - 1] for epoch in (_BEFORE, _COMPILING, _AFTER))
            found = Experience(seconds_per_block=max(compiling - after, 0.0) / blocks, speedup=before / after)
            self._experience.put(self._make, found)
            if found.speedup < 1:
                undo_compilation(self._network)
                self._compiled, self.step = False, self._make_step()

    @property
    def _make(self) -> str:
        """Networks that compiling speeds up alike."""
        architecture = self._network.architecture
        units = "+".join(sorted(architecture.unit_set))
        work = f"{units}, {architecture.image_size} px, batch {self._recipe.batch_size}"
        return f"{work}, {device_name(self._device)}, {precision(self._device)}, torch {torch.__version__}"

    def _make_step(self) -> Step:
        arguments = (self._network, self._optimizer, self._recipe, self._device)
        if self._recorded:
            return RecordedStep(*arguments, record=record_cuda_graph, compiled=self._compiled)
        return Step(*arguments, compiled=self._compiled)
