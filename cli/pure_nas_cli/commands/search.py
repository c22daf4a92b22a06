"""pure-nas search"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pure_nas.paths import expanded
from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import (
    DEVICE_HELP,
    SEED_HELP,
    WORKERS_HELP,
    DataDir,
    ImageSize,
    Json,
    SkipCorrupt,
    expand,
    parse_milliseconds,
    parse_seconds,
    parse_size,
    parse_workers,
)


class Sampler(StrEnum):
    """What proposes candidates."""

    auto = "auto"
    tpe = "tpe"
    nsga2 = "nsga2"
    gp = "gp"
    random = "random"


_BUDGET = "How long"
_AIMS = "What counts"
_PLACE = "Where"
_DETAILS = "Details"


def search(
    dataset: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="A dataset (see pure-nas datasets) or a folder of images.")
    ],
    data_dir: DataDir = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A search space (see pure-nas spaces) or a .toml file.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Total number of trials, counting earlier sessions (default: from the space).",
            rich_help_panel=_BUDGET,
        ),
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(
            parser=parse_seconds,
            metavar="TIME",
            help="Total wall-clock time, counting earlier sessions: 90s, 30m, 2h.",
            rich_help_panel=_BUDGET,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Epochs per trial (default: from the space).", rich_help_panel=_BUDGET),
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="error and at least one of flops, params, latency, memory, noise_error or a metric from a plugin.",
            rich_help_panel=_AIMS,
        ),
    ] = "error,flops",
    max_params: Annotated[
        int | None,
        typer.Option(
            parser=parse_size,
            metavar="SIZE",
            help="Maximum number of parameters, e.g. 300k, 1.5M.",
            rich_help_panel=_AIMS,
        ),
    ] = None,
    max_flops: Annotated[
        int | None,
        typer.Option(
            parser=parse_size, metavar="SIZE", help="Maximum flops per image, e.g. 80M.", rich_help_panel=_AIMS
        ),
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(
            parser=parse_milliseconds,
            metavar="TIME",
            help="Maximum latency for one image on the device, e.g. 2ms.",
            rich_help_panel=_AIMS,
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help=DEVICE_HELP, rich_help_panel=_PLACE)] = "auto",
    workers: Annotated[
        Any, typer.Option(parser=parse_workers, metavar="N|auto", help=WORKERS_HELP, rich_help_panel=_PLACE)
    ] = "1",
    study: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the study and of its directory (default: the dataset's name).",
            rich_help_panel=_PLACE,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Directory that holds the runs.", rich_help_panel=_PLACE, callback=expand),
    ] = Path("runs"),
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Optuna storage (default: SQLite in the run's directory).", rich_help_panel=_PLACE
        ),
    ] = None,
    sampler: Annotated[
        Sampler,
        typer.Option(
            metavar="NAME",
            help="Sampler: tpe, nsga2, gp or random; auto chooses one and says why.",
            rich_help_panel=_DETAILS,
        ),
    ] = Sampler.auto,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Train all-conv and all-product networks first.",
            rich_help_panel=_DETAILS,
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help=SEED_HELP, rich_help_panel=_DETAILS)] = 0,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    restore_weights: Annotated[
        bool,
        typer.Option(
            "--restore-weights",
            help="Retrain every completed trial whose weights are missing or damaged, not only those on the front.",
            rich_help_panel=_DETAILS,
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what the search would cost and exit.")] = False,
    as_json: Json = False,
) -> None:
    """Search for the networks with the best accuracy for their cost.

    Stop it at any time; the same command resumes it. --trials and --time are totals for the study.

    Example: [bold]pure-nas search --dataset cifar10 --max-params 300k --time 2h[/bold]
    """
    with loading():
        from pure_nas.space.catalogue import default_space_for, load_space

        name = space or default_space_for(dataset)
        chosen = load_space(name).with_run(trials=trials, epochs=epochs)
        stderr.print("Loading PyTorch and the images ...", style="dim")
        from pure_nas.plans.search.limits import Limits
        from pure_nas.plans.search.settings import SearchSettings, objective_names
        from pure_nas_cli.search_run import plan_only, run_search

    settings = SearchSettings(
        study=_default_study(dataset) if study is None else study,
        dataset=dataset,
        space_name=name,
        space=chosen,
        trials=chosen.run.trials,
        time_seconds=time,
        objectives=objective_names(objectives),
        limits=Limits(params=max_params, flops=max_flops, latency_ms=max_latency),
        sampler=sampler.value,
        seed=seed,
        device=device,
        workers=workers,
        baselines=baselines,
        storage=storage,
        data_dir=data_dir,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
    )
    if dry_run:
        plan_only(settings, as_json=as_json)
    else:
        raise typer.Exit(run_search(settings, out, as_json=as_json, restore_weights=restore_weights))


def _default_study(dataset: str) -> str:
    """The dataset's name, or the folder's."""
    return (
        expanded(dataset).resolve().name if set(dataset) & {"/", os.sep} or dataset.startswith((".", "~")) else dataset
    )
