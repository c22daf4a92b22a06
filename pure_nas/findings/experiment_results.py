"""What an experiment has found so far, read from its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pure_nas.analysis.convergence import CurveKind
from pure_nas.errors import RunError
from pure_nas.files import read_json
from pure_nas.paths import absolute
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import EXPERIMENT_FILE, TRAINING_DAMAGED_HINT, Cell, Grid, training_of
from pure_nas.plans.experiment.scale import Scale
from pure_nas.run.directory import SETTINGS_HINT, RunDirectory
from pure_nas.run.schema import Evaluation

_SETTINGS = ("experiment", "scale", "dataset", "seeds", "epochs", "data")
_IMAGES = ("name", "in_chans", "classes", "image_size", "train", "scored")
"""What run.toml of an experiment must say, and what of its images."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one training found."""

    seed: int
    state: Literal["complete", "diverged", "missing"]
    accuracy: float = math.nan  # on the images of the experiment's split, 0 to 1; NaN unless complete
    seconds: float = 0.0  # of training, evaluation included
    reason: str = ""  # why it is not complete
    curve: tuple[Mapping[str, Any], ...] = ()  # one record per epoch
    evaluation: Mapping[str, Any] = field(default_factory=dict)  # evaluation.json; empty where it was not asked for


@dataclass(frozen=True)
class ExperimentResults:
    """The measurements of an experiment."""

    path: Path  # of the run's folder
    settings: Mapping[str, Any]  # what run.toml says
    file: ExperimentFile  # the experiment's file: question, networks, recipes, scales
    grid: Grid  # its networks with their recipes, and the number of seeds
    measurements: Mapping[str, tuple[Measurement, ...]]  # one per seed, by the label of network and recipe

    @property
    def scale(self) -> Scale:
        return self.file.scale(self.settings["scale"])[1]

    @property
    def stated_cost(self) -> str | None:
        """What the file says that the scale costs; None where this run has another dataset or other seeds."""
        replaced = self.settings.get("dataset_replaced")
        if replaced is None:  # An older run does not say.
            name = self.scale.dataset or self.file.dataset
            replaced = self.settings["dataset"] not in (name, absolute(name))
        return self.scale.cost if not replaced and self.grid.seeds == self.scale.seeds else None

    @property
    def targets(self) -> list[float]:
        """Accuracies for which the tables say when they were reached, ascending."""
        return sorted(self.scale.targets or self.file.targets)

    @cached_property
    def distinct(self) -> list[Measurement]:
        """One of every training; equal cells share theirs."""
        return [each for cell in self.grid.distinct.values() for each in self.measurements[cell.label]]

    @property
    def complete(self) -> int:
        return sum(each.state == "complete" for each in self.distinct)

    @property
    def diverged(self) -> int:
        return sum(each.state == "diverged" for each in self.distinct)

    @property
    def curve_kind(self) -> CurveKind:
        return "validation" if self.file.split == "validation" or self.file.validation_curve else "training"


def load_experiment_results(run: RunDirectory) -> ExperimentResults:
    """Read the folder of an experiment."""
    settings = run.settings()
    if not run.is_experiment:
        raise RunError(f"{run.path} holds no experiment.", hint="Use a folder written by pure-nas experiment.")
    file = ExperimentFile.of_run(run.path / EXPERIMENT_FILE)
    for table, keys in ((settings, _SETTINGS), (settings.get("data", {}), _IMAGES)):
        for key in keys:
            if key not in table:
                raise RunError(f"{run.settings_path} is damaged: it has no valid '{key}'.", hint=SETTINGS_HINT)
    data = settings["data"]
    images = {"in_chans": data["in_chans"], "num_classes": len(data["classes"]), "image_size": data["image_size"]}
    grid = Grid.of(file, file.scale(settings["scale"])[1], images, settings["seeds"])
    measurements = {
        cell.label: tuple(_measurement(run, grid, cell, seed) for seed in range(1, grid.seeds + 1))
        for cell in grid.cells
    }
    return ExperimentResults(run.path, settings, file, grid, measurements)


def _measurement(run: RunDirectory, grid: Grid, cell: Cell, seed: int) -> Measurement:
    directory = training_of(run, grid, cell, seed).directory
    result, curve = directory.result(), tuple(directory.curve())
    if result is None:
        return Measurement(seed=seed, state="missing", curve=curve)
    complete = result["state"] == "complete"
    return Measurement(
        seed=seed,
        state="complete" if complete else "diverged",
        accuracy=directory.number_in(result, "metrics", "accuracy") if complete else math.nan,
        seconds=result.get("seconds", 0.0),
        reason=result.get("reason", ""),
        curve=curve,
        evaluation=read_json(directory.evaluation, Evaluation, hint=TRAINING_DAMAGED_HINT)
        if directory.evaluation.exists()
        else {},
    )
