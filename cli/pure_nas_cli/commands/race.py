"""pure-nas race"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pure_nas.quantities import counted, seconds_of, show_seconds
from pure_nas_cli.console import print_json, say_loading, stderr, stdout, tell
from pure_nas_cli.interrupts import interrupted, loading
from pure_nas_cli.options import DataDir, DatasetName, Device, DryRun, ImageSize, Json, SkipCorrupt, Workers, option

if TYPE_CHECKING:
    from pure_nas.plans.race import RaceSettings
    from pure_nas.plans.search.session import Prepared
    from pure_nas_cli.progress import SearchOfRace


def race(
    dataset: DatasetName,
    space: Annotated[str | None, option("search.space")] = None,
    time: Annotated[float | None, option("race.time", parser=seconds_of)] = None,
    trials: Annotated[int | None, option("race.trials", min=1)] = None,
    seeds: Annotated[int, option("race.seeds", min=1)] = 2,
    against: Annotated[Literal["tpe", "nsga2", "gp", "random"], option("race.against")] = "tpe",
    epochs: Annotated[int | None, option("search.epochs", min=1)] = None,
    device: Device = "auto",
    workers: Workers = "1",
    data_dir: DataDir = None,
    study: Annotated[str | None, option("race.study")] = None,
    out: Annotated[Path, option("shared.out")] = Path("runs"),
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    with loading():
        say_loading()
        import pure_nas_cli.progress  # noqa: F401 - what shows the plan
        from pure_nas.plans.race import settings_of_race

    settings = settings_of_race(
        dataset,
        space,
        time_seconds=time,
        trials=trials,
        seeds=seeds,
        against=against,
        study=study,
        epochs=epochs,
        device=device,
        workers=workers,
        data_dir=data_dir,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
    )
    searches = settings.searches()
    first = next(searches)
    seconds = _show_plan(settings, first)
    if dry_run:
        if as_json:
            print_json({"schema": 1, "searches": 2 * seeds, "seconds": seconds})
        return
    _race(settings, chain([first], searches), first, out, as_json=as_json)


def _race(settings: RaceSettings, searches: Iterable[Prepared], first: Prepared, out: Path, *, as_json: bool) -> None:
    with loading():
        import optuna

        from pure_nas.findings.race import race_of
        from pure_nas.plans.race import run_race
        from pure_nas.report import write_race_report
        from pure_nas.report.race_tables import race_document, race_table
        from pure_nas_cli.terminal_table import print_table

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = out / settings.search.study
    try:
        run_race(searches, folder, _lines)
    except KeyboardInterrupt as interrupt:
        stderr.print("Stopped: interrupted; the same command resumes it.")
        raise typer.Exit(interrupted()) from interrupt
    found = race_of(settings, folder, first.space)
    try:
        if as_json:
            print_json(race_document(found))
        else:
            print_table(stdout, race_table(found))
            stdout.print(found.verdict)
    finally:
        written = write_race_report(found)
    stderr.print(f"report: {next(path for path in written if path.suffix == '.html')}", soft_wrap=True)


def _show_plan(settings: RaceSettings, first: Prepared) -> float:
    """Print what is raced and what that costs; returns the seconds."""
    from pure_nas_cli.progress import show_images

    show_images(first.dataset)
    ours, other = settings.samplers
    tell(f"{ours} against {other}", f"the same search, but {other} chooses networks and all are trained to their end")
    executor, workers = first.start_workers(settings.search.trials)
    with closing(executor):
        each = first.seconds_per_trial(executor) / (workers.count or 1)
    limit = settings.search.time_seconds
    one = limit or each * settings.search.trials
    cost = show_seconds(one) if limit else f"at most {counted(settings.search.trials, 'trial')} ({show_seconds(one)})"
    total = one * len(settings.samplers) * settings.seeds
    fits = f", each enough for about {counted(int(one / each), 'complete training')}" if limit else ""
    tell(
        f"time on {first.device}",
        f"2 searches x {counted(settings.seeds, 'seed')} x {cost} = {show_seconds(total)}{fits}",
    )
    return total


def _lines(prepared: Prepared) -> SearchOfRace:
    """Says which search of a race a line is of."""
    from pure_nas_cli.progress import SearchOfRace

    return SearchOfRace(stderr, prepared.settings.study)
