"""What pure-nas search does once its options are settings."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import optuna
from rich.text import Text

from pure_nas.errors import UsageError
from pure_nas.plans.search.samplers import ChosenSampler
from pure_nas.plans.search.search import Search
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.plans.search.setup import Prepared, opened, prepare
from pure_nas.report import write_report
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import Results
from pure_nas.run.retrained import load_retraining
from pure_nas.workers import Executor
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.console import stderr
from pure_nas_cli.front import front_document, print_front, print_next_steps, summary_line, weights_of
from pure_nas_cli.images_used import images_document, show_images
from pure_nas_cli.interrupts import INTERRUPTED
from pure_nas_cli.progress import LiveProgress, PlainProgress, Progress, Relay
from pure_nas_cli.quantities import show_count, show_seconds, show_size

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
    run = RunDirectory(out / settings.study)
    prepared = prepare(settings)
    relay = Relay()
    with opened(prepared, out, relay, restore_weights=restore_weights) as search:
        _tell_lost_weights(search)
        if search.left:
            _show_plan(prepared, search.sampler, done=search.counted)
            _show_estimate(prepared, *search.workers(), search.left, search.clock.seconds)
        code, stopped = _go(search, prepared, relay)
        if not code:
            _require_a_trial(search, settings)
        stderr.print(f"Stopped: {stopped}.")
        if search.images_per_second:
            stderr.print(f"{search.images_per_second:,.0f} training images/s")
        _finish(run, search.results, as_json=as_json)
    return code


def _tell_lost_weights(search: Search) -> None:
    """Say which complete trials have lost their weights, and what is done about it."""
    if search.lost:
        _warn(f"{weights_of(search.lost)} are missing or damaged and are trained again first.")
    if search.without_weights:
        _warn(f"{weights_of(search.without_weights)} are missing: --restore-weights trains them again.")


def _require_a_trial(search: Search, settings: SearchSettings) -> None:
    """Check that the time was enough for a trial.

    Raises:
        UsageError: it was used up before one could begin.
    """
    if settings.time_seconds is not None and not search.left and not search.results.trials:
        raise UsageError(
            f"Nothing fits into --time {show_seconds(settings.time_seconds)}: it was used up before a trial could "
            f"begin, after {show_seconds(search.clock.seconds)}.",
            hint="Give the same command with more --time.",
        )


def _go(search: Search, prepared: Prepared, relay: Relay) -> tuple[int, str]:
    """Search until it ends or is interrupted; returns the exit code and why it stopped."""
    with _progress(search, prepared) as progress:
        relay.target = progress
        try:
            return 0, search.go()
        except KeyboardInterrupt:
            return INTERRUPTED, "interrupted; the same command goes on"


def _progress(search: Search, prepared: Prepared) -> Progress:
    settings, done = prepared.settings, list(search.results.trials)
    if stderr.is_terminal and not stderr.is_dumb_terminal:
        title = f"{settings.study}: {prepared.dataset.name} on {prepared.device}"
        return LiveProgress(stderr, title, settings.trials, settings.space.run.epochs, done, settings.objectives)
    return PlainProgress(stderr, settings.trials, done)


def _show_plan(prepared: Prepared, sampler: ChosenSampler, done: int = 0) -> None:
    """What will be searched, and how; `done` trials have ended before."""
    settings = prepared.settings
    show_images(prepared.dataset)
    _tell(
        f"{show_size(settings.space.count())} architectures of {show_size(prepared.smallest_params)} to "
        f"{show_size(prepared.largest_params)} parameters",
        subject=f"space {settings.space_name}",
    )
    _tell(sampler.reason, subject=f"sampler {sampler.name}")
    planned = min(len(prepared.plan), settings.trials)
    baselines = f", {planned} of them baselines" if planned else ""
    ended = f"; {show_count(done, 'trial')} done" if done else ""
    stderr.print(
        f"{show_count(settings.trials, 'trial')} of {show_count(settings.space.run.epochs, 'epoch')}{baselines}{ended}"
    )
    _hint_at_baselines_alone(prepared)
    _hint_at_long_warmups(prepared)


def _hint_at_baselines_alone(prepared: Prepared) -> None:
    """Say so where baselines leave no trial to search with; limits may reject some of them, which do not count."""
    settings, plan = prepared.settings, prepared.plan
    if not plan or settings.trials > len(plan) or settings.limits.given:
        return
    trained = {baseline.candidate.architecture.units[0][0] for baseline in plan[: settings.trials]}
    units = dict.fromkeys(baseline.candidate.architecture.units[0][0] for baseline in plan)
    missing = " or ".join(f"a {unit} unit" for unit in units if unit not in trained)
    without = f", none of them with {missing}" if missing else ""
    _warn(
        f"Nothing is searched: every trial is a baseline{without}. Take more than {len(plan)} --trials, or "
        "--no-baselines."
    )


def _hint_at_long_warmups(prepared: Prepared) -> None:
    """Say so where a warm-up may last as long as the training: its learning rates never reach their peak."""
    longest, epochs = prepared.space.recipe["warmup_epochs"].largest, prepared.space.run.epochs
    if longest >= epochs:
        _warn(
            f"warmup_epochs of this space go up to {longest:g}: in {show_count(epochs, 'epoch')} such a warm-up does "
            "not end, and learning rates stay below their peak. Take more --epochs."
        )


def _show_estimate(prepared: Prepared, executor: Executor, workers: WorkerPlan, left: int, spent: float = 0.0) -> None:
    """How many networks are trained at once, and how long that will take.

    Args:
        left: trials to go.
        spent: seconds of earlier sessions.
    """
    settings, count = prepared.settings, workers.count or 1
    if settings.workers != 1:
        _tell(workers.reason, subject=f"workers {count}")
    if count > 1:
        stderr.print(f"Starting {count} workers ...", style="dim")
    each = prepared.seconds_per_trial(executor)
    expected = each * left / count
    _tell(
        f"{show_seconds(expected)} (about {show_seconds(each)} a trial)",
        subject=f"estimated time on {prepared.device}",
    )
    _show_idle(prepared, left)
    if settings.time_seconds is None:
        if expected > _LONG_SECONDS:
            _warn(
                "That is long: bound it with --time 1h, or take fewer --epochs, fewer --trials or a smaller --space "
                "such as cifar10-small (see pure-nas spaces)."
            )
        return
    unused = max(settings.time_seconds - spent, 0.0)
    if unused < expected:
        enough = int(unused / each * count)
        longer = "" if enough else ": a trial takes longer"
        stderr.print(f"--time leaves {show_seconds(unused)}, enough for about {show_count(enough, 'trial')}{longer}")


def _show_idle(prepared: Prepared, left: int) -> None:
    """Say so where one worker leaves much of the machine unused."""
    if prepared.settings.workers != 1 or prepared.settings.measures_latency:
        return
    possible = prepared.workers_for(left, "auto")
    if possible.count is None:
        stderr.print("--workers auto would look whether several networks at once train faster on the GPU", style="dim")
    elif possible.count > 1:
        stderr.print(f"--workers auto would train {possible.count} networks at once", style="dim")


def _tell(text: str, *, subject: str) -> None:
    stderr.print(Text.assemble((subject, "bold"), f": {text}"))


def _warn(text: str) -> None:
    stderr.print(text, style="yellow")


def _plan_document(prepared: Prepared, executor: Executor, workers: WorkerPlan) -> dict[str, object]:
    each, trials = prepared.seconds_per_trial(executor), prepared.settings.trials
    return {
        "schema": 1,
        "dataset": images_document(prepared.dataset),
        "trials": trials,
        "epochs": prepared.space.run.epochs,
        "baselines": [baseline.label for baseline in prepared.plan],
        "architectures": prepared.space.count(),
        "device": str(prepared.device),
        "sampler": {"name": prepared.sampler.name, "reason": prepared.sampler.reason},
        "workers": {"count": workers.count, "reason": workers.reason},
        "seconds_per_trial": each,
        "seconds": each * trials / (workers.count or 1),
    }


def _finish(run: RunDirectory, results: Results, *, as_json: bool) -> None:
    """Print the front, then write the report, which takes longer and may fail; say what to do next."""
    retraining = load_retraining(run)
    try:
        if as_json:
            print(front_document(results, run, retraining), flush=True)
        elif results.complete:
            print_front(results, retraining)
        stderr.print(summary_line(results))
    finally:
        # Whoever reads the front may have left (| head -1): that must not cost the report.
        written = write_report(run)
    stderr.print(f"report: {next(path for path in written if path.suffix == '.html')}", soft_wrap=True)
    if results.complete:
        print_next_steps(results, run, retraining)
