"""What an experiment was asked to do, and from there to one that is ready to go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic_core import to_jsonable_python

from pure_nas.data.dataset import ImageSource
from pure_nas.data.sources.registry import dataset_names
from pure_nas.errors import UsageError
from pure_nas.evaluation.noise import Noise, usual_noises
from pure_nas.evaluation.quality import USUAL_FACTORS
from pure_nas.evaluation.views import Views
from pure_nas.files import write_whole
from pure_nas.paths import absolute, expanded
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver
from pure_nas.plans.experiment.file import ExperimentFile, ExperimentSource
from pure_nas.plans.experiment.grid import EXPERIMENT_FILE, Grid, seconds_of_epochs, trainings_of
from pure_nas.plans.experiment.scale import MOST_SEEDS, EvaluationName, Scale
from pure_nas.plans.plan import FixedPlan
from pure_nas.plans.settings import check_study_name, locked, placed, record_start
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.environment import describe_environment
from pure_nas.run.schema import SCHEMA
from pure_nas.workers.executor import HERE, Execution, device_for, stated
from pure_nas.workers.messages import EvaluationSettings
from pure_nas.workers.resources import Resources, Work, Workers, check_workers


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings:
    """Everything that decides an experiment."""

    source: ExperimentSource
    scale_name: str | None = None  # the scale that is made; the file's first where it is None
    dataset: str | None = None  # instead of the scale's
    seeds: int | None = None  # instead of the scale's; a larger number resumes a run
    study: str | None = None  # the run's name, and its folder's; after the experiment and its scale where it is None
    time_seconds: float | None = None  # after which this session stops
    device: str = "auto"
    workers: Workers = 1
    execution: Execution = HERE
    data_dir: Path | None = None
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        self.file.scale(self.scale_name)
        if self.seeds is not None and self.seeds > MOST_SEEDS:
            raise UsageError(f"An experiment has at most {MOST_SEEDS:,} seeds, not {self.seeds:,}.")
        if self.study is not None:
            check_study_name(self.study)
        check_workers(self.workers, self.execution)

    @property
    def file(self) -> ExperimentFile:
        return self.source.file

    @property
    def scale(self) -> Scale:
        return self.file.scale(self.scale_name)[1]

    def folder_in(self, out: Path) -> Path:
        """The run's folder. Where no study is named, `out` may be a run itself, as in commands of earlier versions."""
        if self.study is None and RunDirectory(out).exists:
            return out
        parts = [self.source.name, self.file.scale(self.scale_name)[0]]
        given = [expanded(self.dataset).resolve().name] if self.dataset else []
        return out / (self.study or "-".join([*parts, *given]))

    @property
    def dataset_name(self) -> str:
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
        """The settings that resume the run in a folder: one that left corrupt images out keeps to it."""
        run = RunDirectory(folder)
        kept = run.exists and bool(run.settings().get("skip_corrupt"))
        return replace(self, skip_corrupt=self.skip_corrupt or kept)

    @property
    def evaluations(self) -> list[EvaluationName]:
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
        scale, dataset = self.scale, placed(self.dataset_name)
        return {
            "schema": SCHEMA,
            "kind": EXPERIMENT,
            "experiment": self.source.name,
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
            "execution": stated(self.execution),
            "skip_corrupt": self.skip_corrupt or None,
            "data_dir": absolute(self.data_dir) if self.data_dir else None,
            "networks": {cell.network.label: _written(cell.network.settings) for cell in grid.cells},
            "recipes": {cell.recipe.label: _written(cell.recipe.settings) for cell in grid.cells},
            "trained": {cell.label: cell.candidate.digest for cell in grid.cells},
        }


def _written(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "none" if value is None else to_jsonable_python(value) for name, value in settings.items()}


@dataclass(frozen=True, kw_only=True)
class Prepared(Resources):
    """An experiment of which everything is known but what it will find."""

    settings: ExperimentSettings
    budget: Budget
    grid: Grid
    evaluation: EvaluationSettings | None
    scored: int  # images that a network is evaluated on
    notes: Mapping[str, str]  # what is done otherwise than the file says, and why, by what it concerns

    def plan(self, run: RunDirectory) -> FixedPlan:
        """Every training, in the folder of a run."""
        file, trainings = self.settings.file, tuple(trainings_of(run, self.grid))
        test, curve = file.split == "test", file.validation_curve
        return FixedPlan("experiment", trainings, final=test, curve=curve, evaluation=self.evaluation)


def prepare(settings: ExperimentSettings) -> Prepared:
    """Load the images and resolve the grid for them; nothing is written to the run. The time runs from here on."""
    budget = Budget(settings.time_seconds, breaks_off=True)
    device, scale, file = device_for(settings.execution, settings.device), settings.scale, settings.file
    load = ImageSource(
        settings.dataset_name,
        data_dir=settings.data_dir,
        image_size=scale.image_size,
        limit=scale.limit,
        validation=scale.validation,
        skip_corrupt=settings.skip_corrupt,
    )
    dataset = load()
    grid = Grid.of(file, scale, dataset.shape, settings.seeds)
    # Before hours of training, not after them, it is found out that there are none.
    scored = len(dataset.test() if file.split == "test" else dataset.validation)
    outside_test = dataset.train_and_validation
    held_out = file.split == "validation" or file.validation_curve
    notes = {
        key: f"{asked:,} images were requested, but there are only {there:,}"
        for key, asked, there in (
            ("limit", scale.limit, len(outside_test) + dataset.skipped),
            ("evaluated", scale.evaluated, scored),
        )
        if asked is not None and asked > there
    }
    evaluation = settings.evaluation(dataset.image_size)
    if evaluation and (views := evaluation.views) and views.mirrored and not dataset.flip:
        shown = views.unmirrored()
        notes["views"] = f"mirroring changes labels of {dataset.name}: {shown.name} replaces {views.name}"
        evaluation = replace(evaluation, views=shown)
    return Prepared(
        settings=settings,
        budget=budget,
        dataset=dataset,
        load=load,
        device=device,
        train_images=len(dataset.train if held_out else outside_test),
        workers=settings.workers,
        execution=settings.execution,
        tests=file.split == "test",
        work=partial(Work.of_candidates, [cell.candidate for cell in grid.cells]),
        grid=grid,
        evaluation=evaluation,
        scored=scored,
        notes=notes,
    )


@dataclass
class Experiment:
    """An experiment whose run is locked."""

    run: RunDirectory
    grid: Grid
    plan: FixedPlan
    driver: Driver
    file_replaced: bool  # the file was edited since the run was started, but asks for the same
    epoch_seconds: Mapping[str, float]  # of what was trained before as it would be now, by digest


@contextmanager
def opened(prepared: Prepared, folder: Path) -> Iterator[Experiment]:
    """Lock the run in a folder, check or write its settings, and yield the experiment.

    A file that says something else now than the run's copy, but needs no other training, replaces it.
    """
    run, settings, grid = RunDirectory(folder), prepared.settings, prepared.grid
    file, text = run.path / EXPERIMENT_FILE, settings.source.text
    environment = describe_environment(prepared.device)
    machine = {key: environment[key] for key in ("device", "device_name", "threads", "cpus")}
    images = {**prepared.dataset.facts, "train": prepared.train_images, "scored": prepared.scored}
    wanted = {**settings.resolved(grid), "data": images, "machine": machine}

    def is_copy(path: Path) -> bool:
        return path == file and path.is_file() and path.read_bytes() == text.encode()

    with locked(run, wanted, is_copy):
        plan = prepared.plan(run)
        before = run.settings() if run.exists else {}
        # Epochs take as long as they did where the last session trained on such a machine with as many workers.
        alike = all(before.get(key) == wanted[key] for key in ("machine", "workers"))
        epoch_seconds = seconds_of_epochs(run, grid) if alike else {}
        replaced = run.exists and not is_copy(file)
        # Last, so that a run that turns out to be damaged is left as it was.
        if not run.exists or replaced:
            write_whole(file, text)
        if replaced:
            run.log("experiment file replaced", reason="it was edited, but asks for the same trainings")
        record_start(run, wanted, environment, trainings=grid.trainings)
        with closing(Driver(run, prepared, prepared.budget)) as driver:
            yield Experiment(run, grid, plan, driver, replaced, epoch_seconds)
