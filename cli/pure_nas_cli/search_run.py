"""What pure-nas search does once its options are settings."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import optuna
from rich.markup import escape

from pure_nas.report import write_report
from pure_nas.results import Results
from pure_nas.run_directory import RunDirectory
from pure_nas.search.catalogue import default_space_for, load_space
from pure_nas.search.search import Search
from pure_nas.search.settings import SearchSettings
from pure_nas.search.setup import Prepared, opened, prepare
from pure_nas.search.space import SearchSpace
from pure_nas_cli.boundary import INTERRUPTED
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.front import front_document, front_table, summary_line
from pure_nas_cli.progress import LiveProgress, PlainProgress, Progress, Relay
from pure_nas_cli.quantities import show_seconds, show_size

_LONG_SECONDS = 3600.0


def choose_space(space: str | None, dataset: str) -> tuple[str, SearchSpace]:
    """The space that was asked for, or the one that suits the dataset, with its name."""
    name = space or default_space_for(dataset)
    return name, load_space(name)


def study_name(dataset: str) -> str:
    """The name of a study that was given none: the dataset's, or the folder's."""
    return Path(dataset).resolve().name if "/" in dataset or dataset.startswith(".") else dataset


def plan_only(settings: SearchSettings, *, as_json: bool) -> None:
    """Say what a search would cost, and stop."""
    prepared = prepare(settings)
    if as_json:
        print(json.dumps(_plan_document(prepared), indent=2))
    else:
        _show_plan(prepared)


def run_search(settings: SearchSettings, out: Path, *, as_json: bool) -> int:
    """Search, show it, and write the report; returns the exit code."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run = RunDirectory(out / settings.study)
    prepared = prepare(settings)
    relay = Relay()
    with _termination_as_interrupt(), opened(prepared, out, relay) as search:
        if search.counted < settings.trials:
            _show_plan(prepared, already=search.counted)
        code = 0
        with _progress(settings, search, prepared) as progress:
            relay.target = progress
            try:
                stopped = search.go().reason
            except KeyboardInterrupt:
                code, stopped = INTERRUPTED, "interrupted; the same command goes on"
        results = search.results
        stderr.print(f"Stopped: {stopped}.")
        _finish(run, results, as_json=as_json)
    return code


def _progress(settings: SearchSettings, search: Search, prepared: Prepared) -> Progress:
    done = list(search.results.trials)
    if stderr.is_terminal:
        title = f"{settings.study}: {settings.dataset} on {prepared.device}"
        return LiveProgress(stderr, title, settings.trials, settings.space.run.epochs, done)
    return PlainProgress(stderr, settings.trials, done)


def _show_plan(prepared: Prepared, already: int = 0) -> None:
    settings, dataset = prepared.settings, prepared.dataset
    size = dataset.image_size
    stderr.print(
        f"[bold]{escape(dataset.name)}[/bold]: {len(dataset.train):,} training and {len(dataset.validation):,} "
        f"validation images of {dataset.in_chans} x {size} x {size}, {len(dataset.classes)} classes"
    )
    if dataset.skipped:
        stderr.print(f"{dataset.skipped} corrupt images are left out (--skip-corrupt)", style="yellow")
    count = settings.space.count()
    stderr.print(
        f"space [bold]{escape(settings.space_name)}[/bold]: {show_size(count)} architectures "
        f"of {show_size(prepared.smallest_params)} to {show_size(prepared.largest_params)} parameters"
    )
    stderr.print(f"sampler [bold]{prepared.sampler.name}[/bold]: {prepared.sampler.reason}")
    planned = len(prepared.plan)
    baselines = f", the first {min(planned, settings.trials)} of them baselines" if planned else ""
    stderr.print(f"{settings.trials} trials of {settings.space.run.epochs} epochs{baselines}")
    left = prepared.estimate.seconds_per_trial * (settings.trials - already)
    each = show_seconds(prepared.estimate.seconds_per_trial)
    stderr.print(f"estimated time on {prepared.device}: [bold]{show_seconds(left)}[/bold] (about {each} a trial)")
    if left > _LONG_SECONDS and settings.time_seconds is None:
        stderr.print(
            "That is long: bound it with --time 1h, or take fewer --epochs, fewer --trials or a smaller --space.",
            style="yellow",
        )


def _plan_document(prepared: Prepared) -> dict[str, object]:
    estimate = prepared.estimate
    return {
        "schema": 1,
        "trials": estimate.trials,
        "epochs": prepared.space.run.epochs,
        "baselines": [baseline.label for baseline in prepared.plan],
        "architectures": prepared.space.count(),
        "device": str(prepared.device),
        "sampler": {"name": prepared.sampler.name, "reason": prepared.sampler.reason},
        "seconds_per_trial": estimate.seconds_per_trial,
        "seconds": estimate.seconds,
    }


def _finish(run: RunDirectory, results: Results, *, as_json: bool) -> None:
    """Print the front, write the report, say what to do next."""
    written = write_report(run)
    if as_json:
        print(front_document(results, run))
    elif results.complete:
        stdout.print(front_table(results))
    stderr.print(summary_line(results))
    stderr.print(f"report: {next(path for path in written if path.suffix == '.html')}", soft_wrap=True)
    if results.complete:
        stderr.print(f"next: pure-nas export {run.path} --trial knee", soft_wrap=True)
        stderr.print(f"      pure-nas retrain {run.path} --seeds 3", soft_wrap=True)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let a polite request to end (SIGTERM, as clusters send it) save the front as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
