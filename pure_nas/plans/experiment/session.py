"""From settings to an experiment that is ready to go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pure_nas.data import ImageSource
from pure_nas.devices import resolve_device
from pure_nas.files import write_whole
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver
from pure_nas.plans.estimate import SCORING_SHARE, Expected, images_of_epoch, seconds_per_image
from pure_nas.plans.experiment.grid import EXPERIMENT_FILE, Grid, seconds_of_epochs, trainings_of
from pure_nas.plans.experiment.settings import ExperimentSettings
from pure_nas.plans.plan import FixedPlan, Listener, Trained, Training
from pure_nas.plans.settings import locked, record_start
from pure_nas.run.directory import RunDirectory
from pure_nas.run.environment import describe_environment
from pure_nas.workers import EvaluationSettings, Executor
from pure_nas.workers.resources import Resources, Work


@dataclass(frozen=True, kw_only=True)
class Prepared(Resources):
    """An experiment of which everything is known but what it will find."""

    settings: ExperimentSettings
    budget: Budget
    grid: Grid
    evaluation: EvaluationSettings | None
    scored: int  # images that a network is scored on
    notes: Mapping[str, str]  # what is done otherwise than the file says, and why, by what it concerns

    @property
    def facts(self) -> dict[str, Any]:
        """What run.toml says of the images."""
        return {**self.dataset.facts, "train": self.train_images, "scored": self.scored}

    def expected(
        self, trainings: list[Training], executor: Executor, epoch_seconds: Mapping[str, float] | None = None
    ) -> dict[str, Expected]:
        """Expected time of each training, by the name of its folder.

        It is measured over a few steps, but for those of which it is known by their digest how long an epoch took.
        """
        file = self.settings.file
        held_out = file.split == "validation" or file.validation_curve
        in_epoch, after = images_of_epoch(self.train_images, self.dataset, scored=held_out), 0.0
        if file.split == "test":
            after += SCORING_SHARE * self.scored
        if self.evaluation:
            after += SCORING_SHARE * self.evaluation.passes * min(self.evaluation.images or self.scored, self.scored)
        per_image = {digest: seconds / in_epoch for digest, seconds in (epoch_seconds or {}).items()}
        unknown = {each.digest: each.candidate for each in trainings if each.digest not in per_image}
        per_image |= seconds_per_image(list(unknown.values()), executor)
        epochs = self.settings.scale.epochs
        return {
            each.name: Expected(epochs, in_epoch * per_image[each.digest], after * per_image[each.digest])
            for each in trainings
        }


def prepare(settings: ExperimentSettings) -> Prepared:
    """Load the images and resolve the grid for them; nothing is written to the run. The time runs from here on.

    When it is used up nothing more begins. Epochs in progress are finished, and a training whose last epoch is done is
    scored, so that sessions get further however short they are.
    """
    budget = Budget(settings.time_seconds, breaks_off=True)
    device, scale, file = resolve_device(settings.device), settings.scale, settings.file
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
    outside_test = dataset.train_and_validation()
    held_out = file.split == "validation" or file.validation_curve
    notes = {
        key: f"{asked:,} images are asked for, but there are {there:,}"
        for key, asked, there in (
            ("limit", scale.limit, len(outside_test) + dataset.skipped),
            ("evaluated", scale.evaluated, scored),
        )
        if asked is not None and asked > there
    }
    evaluation = settings.evaluation(dataset.image_size)
    if evaluation and (views := evaluation.views) and views.mirrored and not dataset.flip:
        shown = views.unmirrored()
        notes["views"] = (
            f"labels of {dataset.name} do not survive a mirror image: {shown.name} in place of {views.name}"
        )
        evaluation = replace(evaluation, views=shown)
    return Prepared(
        settings=settings,
        budget=budget,
        dataset=dataset,
        load=load,
        device=device,
        train_images=len(dataset.train if held_out else outside_test),
        workers=settings.workers,
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

    def go(self, listener: Listener[Trained]) -> str:
        """Train what is missing; returns why it stopped."""
        with closing(self.driver):
            return self.driver.go(self.plan, listener)


@contextmanager
def opened(prepared: Prepared, folder: Path) -> Iterator[Experiment]:
    """Lock the run in a folder, check or write its settings, and yield the experiment.

    The run keeps a copy of the experiment's file. Where the file says something else now that needs no other training,
    such as what is compared, it replaces the copy.
    """
    run, settings, grid = RunDirectory(folder), prepared.settings, prepared.grid
    file, text = run.path / EXPERIMENT_FILE, settings.source.text
    environment = describe_environment(prepared.device)
    machine = {key: environment[key] for key in ("device", "device_name", "threads", "cpus")}
    wanted = {**settings.resolved(grid), "data": prepared.facts, "machine": machine}

    def is_copy(path: Path) -> bool:
        return path == file and path.is_file() and path.read_bytes() == text.encode()

    with locked(run, wanted, is_copy, same="file, --scale and --dataset", option="--out"):
        plan = FixedPlan(
            "experiment",
            tuple(trainings_of(run, grid)),
            final=settings.file.split == "test",
            curve=settings.file.validation_curve,
            evaluation=prepared.evaluation,
        )
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
