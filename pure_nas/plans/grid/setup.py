"""From settings to an experiment that is ready to go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from pure_nas.data import Dataset, load_dataset
from pure_nas.devices import resolve_device
from pure_nas.files import write_whole
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver, Listener
from pure_nas.plans.estimate import SCORING_SHARE, Expected, images_of_epoch, seconds_per_image
from pure_nas.plans.fixed import FixedPlan, Scoring, Trained, Training
from pure_nas.plans.grid.grid import Grid
from pure_nas.plans.grid.scale import Scale
from pure_nas.plans.grid.settings import ExperimentSettings, require_same_experiment
from pure_nas.plans.grid.trainings import EXPERIMENT_FILE, seconds_of_epochs, trainings_of
from pure_nas.plans.settings import record_start, require_room
from pure_nas.run.directory import RunDirectory
from pure_nas.run.environment import describe_environment
from pure_nas.workers import EvaluationSettings, Executor
from pure_nas.workers.child import Load
from pure_nas.workers.count import Work, WorkerPlan, plan_workers, start_workers


@dataclass(frozen=True)
class Prepared:
    """An experiment of which everything is known but what it will find.

    Attributes:
        load: loads the dataset in another process.
        evaluation: what trained networks are evaluated on besides the error.
        scored: images that a network is scored on.
        notes: what is done otherwise than the file says, and why, by what it concerns.
    """

    settings: ExperimentSettings
    dataset: Dataset
    load: Load
    device: torch.device
    grid: Grid
    evaluation: EvaluationSettings | None
    scored: int
    notes: Mapping[str, str]

    @property
    def train_images(self) -> int:
        """Images that are trained on."""
        images = len(self.dataset.train)
        held_out = self.settings.file.split == "validation" or self.settings.file.validation_curve
        return images if held_out else len(self.dataset.train_and_validation())

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What run.toml says of the images."""
        return {**self.dataset.facts, "train": self.train_images, "scored": self.scored}

    def workers_for(self, left: int) -> WorkerPlan:
        """How many networks are trained at once while `left` trainings are to go."""
        return plan_workers(self.settings.workers, self._work(left), self.device)

    def start_workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains while `left` trainings are to go."""
        return start_workers(self.workers_for(left), self._work(left), self.dataset, self.load, self.device)

    def expected(
        self, trainings: list[Training], executor: Executor, epoch_seconds: Mapping[str, float] | None = None
    ) -> dict[str, Expected]:
        """Expected time of each training, by the name of its folder.

        Args:
            epoch_seconds: how long an epoch took of what was trained before, by digest; the others' is measured over a
                few steps.
        """
        in_epoch, after = self._images_of_training()
        per_image = {digest: seconds / in_epoch for digest, seconds in (epoch_seconds or {}).items()}
        unknown = {each.digest: each.candidate for each in trainings if each.digest not in per_image}
        per_image |= seconds_per_image(list(unknown.values()), executor)
        epochs = self.settings.scale.epochs
        return {
            each.name: Expected(epochs, in_epoch * per_image[each.digest], after * per_image[each.digest])
            for each in trainings
        }

    def _images_of_training(self) -> tuple[float, float]:
        """Images of an epoch and of what follows the last; scored ones count for what they cost beside trained ones."""
        file = self.settings.file
        scored = file.split == "validation" or file.validation_curve
        in_epoch, after = images_of_epoch(self.train_images, self.dataset, scored=scored), 0.0
        if file.split == "test":
            after += SCORING_SHARE * self.scored
        if self.evaluation:
            after += SCORING_SHARE * self.evaluation.passes * min(self.evaluation.images or self.scored, self.scored)
        return in_epoch, after

    def _work(self, left: int) -> Work:
        return Work.of_candidates([cell.candidate for cell in self.grid.cells], left)


def prepare(settings: ExperimentSettings) -> Prepared:
    """Load the images and resolve the grid for them; nothing is written to the run.

    Raises:
        DataError: the images cannot be had, or there are no test images to score on.
        DeviceError: the device is not there.
        ConfigError: a network cannot be built for such images.
    """
    device = resolve_device(settings.device)
    scale = settings.scale
    load = partial(
        load_dataset,
        settings.dataset_name,
        data_dir=settings.data_dir,
        image_size=scale.image_size,
        limit=scale.limit,
        validation=scale.validation,
        skip_corrupt=settings.skip_corrupt,
    )
    dataset = load()
    images = {
        "in_chans": dataset.in_chans,
        "num_classes": len(dataset.classes),
        "image_size": dataset.image_size,
    }
    grid = Grid.of(settings.file, scale, images, settings.seeds)
    # Before hours of training, not after them, it is found out that there are none.
    scored = dataset.test() if settings.file.split == "test" else dataset.validation
    evaluation = settings.evaluation(dataset.image_size)
    notes = _fewer_images(scale, dataset, len(scored))
    if evaluation and evaluation.views and evaluation.views.mirrored and not dataset.flip:
        shown = evaluation.views.unmirrored()
        notes["views"] = (
            f"labels of {dataset.name} do not survive a mirror image: {shown.name} in place of {evaluation.views.name}"
        )
        evaluation = replace(evaluation, views=shown)
    return Prepared(settings, dataset, load, device, grid, evaluation, len(scored), notes)


def _fewer_images(scale: Scale, dataset: Dataset, scored: int) -> dict[str, str]:
    """Where a scale asks for more images than there are."""
    there = {"limit": len(dataset.train_and_validation()) + dataset.skipped, "evaluated": scored}
    asked = {"limit": scale.limit, "evaluated": scale.evaluated}
    return {
        key: f"{wanted:,} images are asked for, but there are {there[key]:,}"
        for key, wanted in asked.items()
        if wanted is not None and wanted > there[key]
    }


@dataclass
class Experiment:
    """An experiment whose run is locked.

    Attributes:
        file_replaced: whether the file's words, or what else need not stay, have changed since the run was started.
        epoch_seconds: how long an epoch took of what was trained before as it would be now, by digest.
    """

    run: RunDirectory
    grid: Grid
    plan: FixedPlan
    driver: Driver
    file_replaced: bool
    epoch_seconds: Mapping[str, float]

    def go(self, listener: Listener[Trained], seconds: float | None = None) -> str:
        """Train what is missing; returns why it stopped.

        Args:
            seconds: after which nothing more begins. Epochs in progress are finished, and a training whose last epoch
                is done is scored, so that sessions get further however short they are.

        Raises:
            RunError: a file cannot be written.
        """
        self.driver.budget = Budget(seconds, breaks_off=True)
        try:
            return self.driver.go(self.plan, listener)
        finally:
            self.driver.close()


@contextmanager
def opened(prepared: Prepared, folder: Path) -> Iterator[Experiment]:
    """Lock the run, check or write its settings, and yield the experiment.

    The run keeps a copy of the experiment's file. Where the file says something else now that needs no other training,
    such as what is compared, it replaces the copy.

    Args:
        folder: of the run.

    Raises:
        RunError: the run is in use, damaged, or was started with other settings.
    """
    run = RunDirectory(folder)
    settings = prepared.settings
    file = run.path / EXPERIMENT_FILE
    environment = describe_environment(prepared.device)
    machine = {key: environment[key] for key in ("device", "device_name", "threads", "cpus")}
    wanted = {**settings.resolved(prepared.grid), "data": prepared.facts, "machine": machine}
    if not run.exists:
        ours = partial(_is_copy, file, settings.text)
        require_room(run.path, ours, what="experiment", hint="Choose another --out.")
    with run.locked(instead="--out"):
        if run.exists:
            require_same_experiment(run, wanted)
        replaced = run.exists and not _is_copy(file, settings.text, file)
        scoring = Scoring(
            final=settings.file.split == "test", curve=settings.file.validation_curve, evaluation=prepared.evaluation
        )
        plan = FixedPlan("experiment", tuple(trainings_of(run, prepared.grid)), scoring)
        epoch_seconds = _epoch_seconds(run, prepared.grid, wanted)
        # Last, so that a run that turns out to be damaged is left as it was.
        if not run.exists or replaced:
            write_whole(file, settings.text)
        if replaced:
            run.log("experiment file replaced", reason="what it says beside the trainings has changed")
        record_start(run, wanted, environment, trainings=prepared.grid.trainings)
        with Driver(run, prepared.start_workers, Budget(), epoch_images=prepared.train_images) as driver:
            yield Experiment(run, prepared.grid, plan, driver, replaced, epoch_seconds)


def _is_copy(file: Path, text: str, path: Path) -> bool:
    """Whether `path` is the run's copy of the experiment's file, and says what that says now."""
    return path == file and path.is_file() and path.read_bytes() == text.encode()


def _epoch_seconds(run: RunDirectory, grid: Grid, wanted: Mapping[str, Any]) -> dict[str, float]:
    """How long epochs took here, where the last session trained on such a machine with as many workers."""
    if not run.exists or any(run.settings().get(key) != wanted[key] for key in ("machine", "workers")):
        return {}
    return seconds_of_epochs(run, grid)
