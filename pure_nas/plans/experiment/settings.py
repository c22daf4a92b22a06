"""What an experiment was asked to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic_core import to_jsonable_python

from pure_nas.data import dataset_names
from pure_nas.errors import UsageError
from pure_nas.evaluation.noise import Noise, usual_noises
from pure_nas.evaluation.quality import USUAL_FACTORS
from pure_nas.evaluation.views import Views
from pure_nas.paths import absolute, expanded
from pure_nas.plans.experiment.file import ExperimentFile, ExperimentSource
from pure_nas.plans.experiment.grid import Grid
from pure_nas.plans.experiment.scale import MOST_SEEDS, EvaluationName, Scale
from pure_nas.plans.settings import placed
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.schema import SCHEMA
from pure_nas.workers import EvaluationSettings
from pure_nas.workers.resources import Workers, check_workers


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings:
    """Everything that decides an experiment."""

    source: ExperimentSource
    scale_name: str | None = None  # the scale that is made; the file's first where it is None
    dataset: str | None = None  # instead of the scale's
    seeds: int | None = None  # instead of the scale's; raising it goes on with a run
    time_seconds: float | None = None  # after which this session stops
    device: str = "auto"
    workers: Workers = 1
    data_dir: Path | None = None
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        self.file.scale(self.scale_name)
        if self.seeds is not None and self.seeds < 1:
            raise UsageError(f"An experiment needs at least one seed, but --seeds is {self.seeds}.")
        if self.seeds is not None and self.seeds > MOST_SEEDS:
            raise UsageError(f"An experiment has at most {MOST_SEEDS:,} seeds, but --seeds is {self.seeds:,}.")
        check_workers(self.workers)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def file(self) -> ExperimentFile:
        return self.source.file

    @property
    def scale(self) -> Scale:
        return self.file.scale(self.scale_name)[1]

    @property
    def default_folder(self) -> Path:
        """Where it goes if it is given no folder: each scale and dataset to its own."""
        parts = [self.name, self.file.scale(self.scale_name)[0]]
        return Path("runs") / "-".join([*parts, *([expanded(self.dataset).resolve().name] if self.dataset else [])])

    @property
    def dataset_name(self) -> str:
        """The dataset's name, or the path of a folder of images."""
        return self.dataset or self._dataset_of_file

    @property
    def _dataset_of_file(self) -> str:
        name, folder = self.scale.dataset or self.file.dataset, self.source.folder
        if name in dataset_names() or folder is None:
            return name
        path = folder / expanded(name)
        # A word that is no folder there was meant as a name.
        return str(path) if path.exists() or os.path.basename(name) != name else name

    def going_on_in(self, folder: Path) -> Self:
        """The settings that go on with the run in a folder: one that left corrupt images out keeps to it."""
        run = RunDirectory(folder)
        kept = run.exists and bool(run.settings().get("skip_corrupt"))
        return replace(self, skip_corrupt=self.skip_corrupt or kept)

    @property
    def evaluations(self) -> list[EvaluationName]:
        """What trained networks are evaluated on besides the error."""
        return self.file.evaluations if self.scale.evaluations is None else self.scale.evaluations

    def evaluation(self, image_size: int) -> EvaluationSettings | None:
        """The evaluations, for images of that size; None where there are none."""
        wanted = self.evaluations
        if not wanted:
            return None
        levels, views = self.file.noise, self.file.views
        noises = tuple(Noise(kind, level) for kind in levels for level in levels[kind]) if levels else usual_noises()
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
            **{name: getattr(scale, name) for name in ("epochs", "batch_size", "limit", "validation", "image_size")},
            **{name: getattr(scale, name) for name in ("base_width", "crop_padding", "warmup_epochs")},
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
    return {name: "none" if value is None else to_jsonable_python(value) for name, value in settings.items()}
