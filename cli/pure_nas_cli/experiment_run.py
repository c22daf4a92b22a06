"""What pure-nas experiment does once its options are settings."""

from __future__ import annotations

from contextlib import closing
from itertools import accumulate
from pathlib import Path

from pure_nas.plans.driver import TIME_IS_UP
from pure_nas.plans.estimate import Expected, expected_of
from pure_nas.plans.experiment.grid import seeds_ended
from pure_nas.plans.experiment.session import ExperimentSettings, Prepared, opened, prepare
from pure_nas.quantities import counted, show_seconds
from pure_nas.run.directory import RunDirectory
from pure_nas.workers.resources import WorkerPlan
from pure_nas_cli.console import print_json, stderr, tell, warn
from pure_nas_cli.interrupts import interrupted
from pure_nas_cli.progress import ListProgress, show_classes, show_estimate
from pure_nas_cli.run_summary import show_findings

_RESUME = "the same command resumes it"


def plan_only(settings: ExperimentSettings, *, as_json: bool) -> None:
    """Say what an experiment would cost, and stop; nothing is written."""
    prepared = prepare(settings)
    plan = prepared.plan(RunDirectory(Path()))
    if not as_json:
        _show_plan(prepared)
    executor, workers = prepared.start_workers(plan.left)
    with closing(executor):
        expected = expected_of(plan, executor, prepared, prepared.scored)
        if as_json:
            seconds = {name: each.seconds for name, each in expected.items()}
            document = {
                "schema": 1,
                "experiment": settings.source.name,
                "scale": settings.scale_name,
                "dataset": settings.dataset_name,
                "networks": [cell.label for cell in prepared.grid.cells],
                "seeds": prepared.grid.seeds,
                "epochs": settings.scale.epochs,
                "trainings": prepared.grid.trainings,
                "device": str(prepared.device),
                "workers": {"count": workers.count, "reason": workers.reason},
                "seconds_of_trainings": seconds,
                "seconds_of_epochs": {name: each.epoch for name, each in expected.items()},
                "seconds": sum(seconds.values()) / (workers.count or 1),
            }
            print_json(document)
            return
        _show_estimate(prepared, workers, expected)
        for training in plan.missing:
            if training.seed == 1:
                spent = show_seconds(expected[training.name].seconds)
                stderr.print(f"  {training.label}: {spent} per training", style="dim")


def run_experiment(settings: ExperimentSettings, folder: Path, *, as_json: bool) -> int:
    """Run an experiment, show it, and write the report; returns the exit code."""
    prepared = prepare(settings.going_on_in(folder))
    with opened(prepared, folder) as experiment:
        plan = experiment.plan
        _show_plan(prepared, plan.done)
        if experiment.file_replaced:
            tell("file", "it was edited but needs the same trainings; the run's copy is updated")
        ended, seeds = seeds_ended(experiment.run), experiment.grid.seeds
        if ended > seeds:
            first = "the first" if seeds == 1 else f"the first {seeds:,}"
            tell("seeds", f"{ended:,} have been trained; tables and report show {first}")
        if plan.missing:
            executor, workers = experiment.driver.workers(plan.left)
            # What is done of a training that was stopped is not taken off.
            expected = expected_of(plan, executor, prepared, prepared.scored, experiment.epoch_seconds)
            _show_estimate(prepared, workers, expected)
        code, stopped = 0, f"stopped: interrupted; {_RESUME}"
        try:
            with ListProgress(stderr, len(plan.trainings), plan.done) as progress:
                stopped = experiment.driver.go(experiment.plan, progress)
            if stopped == TIME_IS_UP or plan.failed:
                stopped = f"stopped: {stopped}; {_RESUME}"
        except KeyboardInterrupt:
            code = interrupted()
        stderr.print(f"{stopped[0].upper()}{stopped[1:]}.")
        show_findings(experiment.run, as_json=as_json)
    return 1 if plan.failed and not code else code


def _show_plan(prepared: Prepared, done: int = 0) -> None:
    settings, dataset, grid = prepared.settings, prepared.dataset, prepared.grid
    file, scale = settings.file, settings.scale
    tell(settings.source.name, file.question)
    size = dataset.image_size
    images = f"{prepared.train_images:,} training images of {dataset.in_chans} x {size} x {size}"
    once = "on the validation split" if file.split == "validation" else "once on the test split"
    tell(dataset.name, f"{images}; {prepared.scored:,} evaluated {once}")
    show_classes(dataset)
    for subject, note in prepared.notes.items():
        tell(subject, note)
    ended = f"; {done:,} done" if done else ""
    # Equal networks are trained once.
    different = "" if len(grid.distinct) == len(grid.cells) else "different "
    one_recipe = len({cell.recipe.label for cell in grid.cells}) == 1
    what = ("network", "") if one_recipe else ("pair", " of network and recipe")
    tell(
        "grid",
        f"{counted(len(grid.distinct), different + what[0])}{what[1]}, {counted(grid.seeds, 'seed')} each: "
        f"{counted(grid.trainings, 'training')} of {counted(scale.epochs, 'epoch')}{ended}",
    )


def _show_estimate(prepared: Prepared, workers: WorkerPlan, each: dict[str, Expected]) -> None:
    settings, count, left = prepared.settings, workers.count or 1, prepared.budget.left
    seconds = [expected.seconds for expected in each.values()]
    total = show_estimate(prepared, workers, seconds)
    if settings.time_seconds is None or left is None:
        return
    allowed, part = show_seconds(settings.time_seconds), show_seconds(left)
    if total > left:
        ended = sum(spent <= left * count for spent in accumulate(seconds))
        of = f"{len(seconds):,} trainings"
        warn(
            f"That is more than --time {allowed}{'' if part == allowed else f' ({part} of it left)'}, which is enough "
            f"for {f'about {ended:,} of the' if ended else 'none of'} {of}; then it stops, and {_RESUME}."
        )
    longest_epoch = max(expected.epoch for expected in each.values())
    if longest_epoch > left:
        warn(
            f"An epoch takes up to {show_seconds(longest_epoch)}: a session of --time {allowed} runs until the "
            "epochs in progress are done, and makes no progress if it is killed before that."
        )
