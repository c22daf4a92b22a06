"""What an experiment was asked to do, and whether a run may go on with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pure_nas.data import dataset_names
from pure_nas.errors import RunError, UsageError
from pure_nas.evaluation import USUAL_FACTORS, Noise, Views, usual_noises
from pure_nas.paths import absolute, expanded
from pure_nas.plans.grid.file import ExperimentFile
from pure_nas.plans.grid.grid import Grid
from pure_nas.plans.grid.scale import MOST_SEEDS, EvaluationName, Scale
from pure_nas.plans.settings import placed, require_same
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.schema import SCHEMA
from pure_nas.workers import EvaluationSettings
from pure_nas.workers.count import Workers, check_workers

_MAY_DIFFER = frozenset({"experiment", "seeds", "device", "workers", "data_dir", "dataset_replaced", "machine"})


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings:
    """Everything that decides an experiment.

    Attributes:
        name: what it is called.
        text: its file, as it was read.
        file: what the file says.
        scale_name: the scale that is made; the file's first where it is None.
        dataset: instead of the scale's.
        seeds: instead of the scale's; raising it goes on with a run.
        time_seconds: after which this session stops; None is unbounded.
        skip_corrupt: leave images out that cannot be decoded, instead of refusing them.
        beside: the folder that its file lies in; a folder of images that the file names is relative to it.
        workers: networks trained at once, each in a process of its own unless it is one; "auto" finds out how many.
    """

    name: str
    text: str
    file: ExperimentFile
    scale_name: str | None = None
    dataset: str | None = None
    seeds: int | None = None
    time_seconds: float | None = None
    device: str = "auto"
    workers: Workers = 1
    data_dir: Path | None = None
    skip_corrupt: bool = False
    beside: Path | None = None

    def __post_init__(self) -> None:
        self.file.scale(self.scale_name)
        if self.seeds is not None and self.seeds < 1:
            raise UsageError(f"An experiment needs at least one seed, but --seeds is {self.seeds}.")
        if self.seeds is not None and self.seeds > MOST_SEEDS:
            raise UsageError(f"An experiment has at most {MOST_SEEDS:,} seeds, but --seeds is {self.seeds:,}.")
        check_workers(self.workers)

    @property
    def scale(self) -> Scale:
        """The scale that is made."""
        return self.file.scale(self.scale_name)[1]

    @property
    def dataset_name(self) -> str:
        """The dataset's name, or the path of a folder of images."""
        return self.dataset or self._dataset_of_file

    @property
    def _dataset_of_file(self) -> str:
        name = self.scale.dataset or self.file.dataset
        if name in dataset_names() or self.beside is None:
            return name
        path = self.beside / expanded(name)
        # A word that is no folder there was meant as a name.
        return str(path) if path.exists() or os.path.basename(name) != name else name

    def going_on_in(self, folder: Path) -> Self:
        """The settings that go on with the run in a folder: one that left corrupt images out keeps to it.

        Raises:
            RunError: its run.toml is damaged.
        """
        run = RunDirectory(folder)
        kept = run.exists and bool(run.settings().get("skip_corrupt"))
        return replace(self, skip_corrupt=self.skip_corrupt or kept)

    @property
    def targets(self) -> list[float]:
        """Accuracies of which it is said when they are reached, in ascending order."""
        return sorted(self.scale.targets or self.file.targets)

    @property
    def evaluations(self) -> list[EvaluationName]:
        """What trained networks are evaluated on besides the error."""
        return self.file.evaluations if self.scale.evaluations is None else self.scale.evaluations

    def evaluation(self, image_size: int) -> EvaluationSettings | None:
        """The evaluations, for images of that size; None where there are none.

        Raises:
            UsageError: a level of noise or a size cannot be had.
        """
        wanted = self.evaluations
        if not wanted:
            return None
        levels = self.file.noise
        noises = tuple(Noise(kind, level) for kind in levels for level in levels[kind]) if levels else usual_noises()
        views = self.file.views
        scales = tuple(dict.fromkeys(round(factor * image_size) for factor in views.scales))
        return EvaluationSettings(
            noises=noises if "noise" in wanted else (),
            factors=USUAL_FACTORS if "invariance" in wanted else (),
            views=Views(views.crops, scales).fitting(image_size) if "views" in wanted else None,
            images=self.scale.evaluated,
        )

    def resolved(self, grid: Grid) -> dict[str, Any]:
        """The settings as run.toml holds them."""
        scale, dataset = self.scale, placed(self.dataset_name)
        return {
            "schema": SCHEMA,
            "kind": EXPERIMENT,
            "experiment": self.name,
            "scale": self.file.scale(self.scale_name)[0],
            "dataset": dataset,
            "dataset_replaced": dataset != placed(self._dataset_of_file),
            "split": self.file.split,
            "validation_curve": self.file.validation_curve,
            "epochs": scale.epochs,
            "batch_size": scale.batch_size,
            "limit": scale.limit,
            "validation": scale.validation,
            "image_size": scale.image_size,
            "base_width": scale.base_width,
            "crop_padding": scale.crop_padding,
            "warmup_epochs": scale.warmup_epochs,
            "evaluations": self.evaluations,
            "evaluated": scale.evaluated,
            "noise": self.file.noise if "noise" in self.evaluations else None,
            "views": self.file.views.model_dump() if "views" in self.evaluations else None,
            "seeds": grid.seeds,
            "device": self.device,
            "workers": self.workers,
            "skip_corrupt": self.skip_corrupt or None,
            "data_dir": absolute(self.data_dir) if self.data_dir else None,
            "networks": {cell.network.label: _written(cell.network.settings) for cell in grid.cells},
            "recipes": {cell.recipe.label: _written(cell.recipe.settings) for cell in grid.cells},
            "trained": {cell.label: cell.candidate.digest for cell in grid.cells},
        }


def _written(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as TOML can hold them."""
    return {name: "none" if value is None else _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.model_dump() if hasattr(value, "model_dump") else value


def require_same_experiment(run: RunDirectory, wanted: Mapping[str, Any]) -> None:
    """Check that an experiment may go on with the settings `wanted`.

    The file's name, seeds, device, workers and data directory may differ.

    Raises:
        RunError: it is no experiment's, or something else differs; the message lists what.
    """
    if run.settings().get("kind") != EXPERIMENT:
        raise RunError(f"{run.path} holds a search, not an experiment.", hint="Choose another --out.")
    hint = "Give it the same file, --scale and --dataset to go on, or choose another --out for a new run."
    require_same(run, wanted, may_differ=_MAY_DIFFER, causes=lambda keys, old, new: _causes(keys), hint=hint)


def _causes(differing: Sequence[str]) -> list[str]:
    """The keys that differ, without those that only follow from others."""
    parts = {key.split(".")[0] for key in differing}
    follows = set()
    if parts - {"trained", "data"}:
        follows.add("trained")
    if parts & {"dataset", "limit", "validation", "image_size", "split", "validation_curve", "skip_corrupt"}:
        follows |= {"data", "trained"}
    return [key for key in differing if key.split(".")[0] not in follows]
