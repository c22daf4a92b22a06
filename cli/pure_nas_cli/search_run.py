"""What pure-nas search does once its options are settings."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import optuna

from pure_nas.errors import UsageError
from pure_nas.plans.budget import Budget
from pure_nas.plans.search.samplers import ChosenSampler
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.plans.search.setup import Prepared, Search, opened, prepare
from pure_nas.quantities import counted, show_bytes, show_number, show_seconds
from pure_nas.report.data import report_data
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Executor
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.console import stderr, tell, warn
from pure_nas_cli.front import print_front, print_next_steps, report_written_after, weights_of
from pure_nas_cli.images_used import images_document, show_images
from pure_nas_cli.interrupts import INTERRUPTED
from pure_nas_cli.progress import Progress, TrialTable, is_live

_LONG_SECONDS = 3600.0


def plan_only(settings: SearchSettings, *, as_json: bool) -> None:
    """Say what a search would cost, and stop."""
    prepared = prepare(settings)
    if not as_json:
        _show_plan(prepared, prepared.sampler)
    executor, workers = prepared.start_workers(settings.trials)
    with closing(executor):
        if as_json:
            print(json.dumps(_plan_document(prepared, executor, workers), indent=2))
        else:
            _show_estimate(prepared, executor, workers, settings.trials)


def run_search(settings: SearchSettings, out: Path, *, as_json: bool, restore_weights: bool = False) -> int:
    """Search, show it, and write the report; returns the exit code."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    prepared = prepare(settings)
    with opened(prepared, out, restore_weights=restore_weights) as search:
        if search.lost:
            warn(f"{weights_of(search.lost)} are missing or damaged and are trained again first.")
        if search.without_weights:
            warn(f"{weights_of(search.without_weights)} are missing: --restore-weights trains them again.")
        if search.left:
            _show_plan(prepared, search.sampler, done=search.plan.counted)
            _show_estimate(prepared, *search.workers(), search.left, search.driver.budget)
        code, stopped = 0, "interrupted; the same command goes on"
        try:
            with _progress(search, prepared) as progress:
                stopped = search.go(progress)
            _require_a_trial(search, settings)
        except KeyboardInterrupt:
            code = INTERRUPTED
        stderr.print(f"Stopped: {stopped}.")
        if search.driver.images_per_second:
            stderr.print(f"{search.driver.images_per_second:,.0f} training images/s")
        _finish(search.driver.run, as_json=as_json)
    return code


def _require_a_trial(search: Search, settings: SearchSettings) -> None:
    """Check that the time was enough for a trial.

    Raises:
        UsageError: it was used up before one could begin.
    """
    if settings.time_seconds is not None and not search.left and not search.results.trials:
        raise UsageError(
            f"Nothing fits into --time {show_seconds(settings.time_seconds)}: it was used up before a trial could "
            f"begin, after {show_seconds(search.driver.budget.seconds)}.",
            hint="Give the same command with more --time.",
        )


def _progress(search: Search, prepared: Prepared) -> Progress:
    settings, done = prepared.settings, search.results.trials
    if is_live(stderr):
        title = f"{settings.study}: {prepared.dataset.name} on {prepared.device}"
        return TrialTable(stderr, title, settings.trials, settings.space.run.epochs, done, settings.objectives)
    return Progress(stderr, settings.trials, search.plan.counted)


def _show_plan(prepared: Prepared, sampler: ChosenSampler, done: int = 0) -> None:
    """What will be searched, and how; `done` trials have ended before."""
    settings = prepared.settings
    show_images(prepared.dataset)
    tell(
        f"space {settings.space_name}",
        f"{show_number(settings.space.count())} architectures of {show_number(prepared.smallest_params)} to "
        f"{show_number(prepared.largest_params)} parameters",
    )
    tell(f"sampler {sampler.name}", sampler.reason)
    planned = min(len(prepared.baselines), settings.trials)
    baselines = f", {planned} of them baselines" if planned else ""
    ended = f"; {counted(done, 'trial')} done" if done else ""
    stderr.print(
        f"{counted(settings.trials, 'trial')} of {counted(settings.space.run.epochs, 'epoch')}{baselines}{ended}"
    )
    _hint_at_baselines_alone(prepared)
    _hint_at_long_warmups(prepared)


def _hint_at_baselines_alone(prepared: Prepared) -> None:
    """Say so where baselines leave no trial to search with; limits may reject some of them, which do not count."""
    settings, plan = prepared.settings, prepared.baselines
    if not plan or settings.trials > len(plan) or settings.limits.given:
        return
    trained = {baseline.candidate.architecture.units[0][0] for baseline in plan[: settings.trials]}
    units = dict.fromkeys(baseline.candidate.architecture.units[0][0] for baseline in plan)
    missing = " or ".join(f"a {unit} unit" for unit in units if unit not in trained)
    without = f", none of them with {missing}" if missing else ""
    warn(
        f"Nothing is searched: every trial is a baseline{without}. Take more than {len(plan)} --trials, or "
        "--no-baselines."
    )


def _hint_at_long_warmups(prepared: Prepared) -> None:
    """Say so where a warm-up may last as long as the training: its learning rates never reach their peak."""
    longest, epochs = prepared.space.recipe["warmup_epochs"].sized("largest"), prepared.space.run.epochs
    if longest >= epochs:
        warn(
            f"With {counted(epochs, 'epoch')} the learning rate may never reach its peak: warmup_epochs of this space "
            f"go up to {longest:g}. Use more --epochs."
        )


def _show_estimate(
    prepared: Prepared, executor: Executor, workers: WorkerPlan, left: int, budget: Budget | None = None
) -> None:
    """How many networks are trained at once, and how long that will take.

    Args:
        left: trials to go.
        budget: of a search that has begun.
    """
    settings, count = prepared.settings, workers.count or 1
    if settings.workers != 1:
        tell(f"workers {count}", workers.reason)
    if count > 1:
        stderr.print(f"Starting {count} workers ...", style="dim")
    each = prepared.seconds_per_trial(executor)
    expected = each * left / count
    tell(
        f"estimated time on {prepared.device}",
        f"{show_seconds(expected)} (about {show_seconds(each)} a trial)",
    )
    _show_idle(prepared, left)
    if settings.time_seconds is None:
        if expected > _LONG_SECONDS:
            warn(
                "That is long: bound it with --time 1h, or take fewer --epochs, fewer --trials or a smaller --space "
                "such as cifar10-small (see pure-nas spaces)."
            )
        return
    # Measuring takes time too.
    unused = max(settings.time_seconds - (budget.seconds if budget else 0.0), 0.0)
    if unused < expected:
        enough = int(unused / each * count)
        longer = "" if enough else ": a trial takes longer"
        stderr.print(f"--time leaves {show_seconds(unused)}, enough for about {counted(enough, 'trial')}{longer}")


def _show_idle(prepared: Prepared, left: int) -> None:
    """Say so where one worker leaves much of the machine unused."""
    if prepared.settings.workers != 1 or prepared.settings.measures_latency:
        return
    possible = prepared.workers_for(left, "auto")
    if possible.count is None:
        stderr.print("--workers auto would look whether several networks at once train faster on the GPU", style="dim")
    elif possible.count > 1:
        stderr.print(f"--workers auto would train {possible.count} networks at once", style="dim")


def _plan_document(prepared: Prepared, executor: Executor, workers: WorkerPlan) -> dict[str, object]:
    each, trials = prepared.seconds_per_trial(executor), prepared.settings.trials
    return {
        "schema": 1,
        "dataset": images_document(prepared.dataset),
        "trials": trials,
        "epochs": prepared.space.run.epochs,
        "baselines": [baseline.label for baseline in prepared.baselines],
        "architectures": prepared.space.count(),
        "device": str(prepared.device),
        "sampler": {"name": prepared.sampler.name, "reason": prepared.sampler.reason},
        "workers": {"count": workers.count, "reason": workers.reason},
        "seconds_per_trial": each,
        "seconds": each * trials / (workers.count or 1),
    }


def _finish(run: RunDirectory, *, as_json: bool) -> None:
    """Print the front, then write the report; say what to do next."""
    data = report_data(run)
    with report_written_after(run, data) as written:
        print_front(data, as_json=as_json)
        seconds, weights = show_seconds(data.seconds), show_bytes(data.weights_bytes)
        stderr.print(f"{data.trials_text}, training time {seconds}, weights {weights}")
    stderr.print(f"report: {next(path for path in written if path.suffix == '.html')}", soft_wrap=True)
    if data.front:
        print_next_steps(data)
