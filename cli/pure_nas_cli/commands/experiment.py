"""pure-nas experiment"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pure_nas.paths import expanded
from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import WORKERS_HELP, DataDir, Device, Json, SkipCorrupt, expand, parse_seconds, parse_workers


def experiment(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="An experiment that ships, or a .toml file; a list if left out."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How large: smoke, small or paper; the file's first if left out."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="A dataset or a folder of images; the file's if left out.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trainings of each network; the scale's if left out.")
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(
            parser=parse_seconds,
            metavar="TIME",
            help="Stop after so long, when the epochs in progress are done: 90s, 30m, 2h; the same command goes on.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the run; runs/NAME-SCALE if left out.", callback=expand),
    ] = None,
    device: Device = "auto",
    workers: Annotated[Any, typer.Option(parser=parse_workers, metavar="N|auto", help=WORKERS_HELP)] = "1",
    data_dir: DataDir = None,
    skip_corrupt: SkipCorrupt = False,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the experiments and what they cost, and stop.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the experiment's file, to copy and edit, and stop.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the experiment would cost, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Train a grid of networks, recipes and seeds that answers a question, and compare them.

    The same command again goes on where it stopped.

    Example: [bold]pure-nas experiment depth-cifar10 --scale smoke[/bold]
    """
    if name is None or list_all:
        from pure_nas_cli.experiments import list_experiments

        list_experiments(None if name is None else [name], as_json=as_json)
        return
    with loading():
        from pure_nas.plans.grid.catalogue import (
            experiment_folder,
            experiment_name,
            experiment_text,
            load_experiment,
        )

        text, file = experiment_text(name), load_experiment(name)
        chosen, _ = file.scale(scale)
        if show:
            print(text, end="", flush=True)
            return
        stderr.print("Loading PyTorch and the images ...", style="dim")
        from pure_nas.plans.grid.settings import ExperimentSettings
        from pure_nas_cli.experiment_run import plan_only, run_experiment

    settings = ExperimentSettings(
        name=experiment_name(name),
        text=text,
        file=file,
        scale_name=chosen,
        dataset=dataset,
        seeds=seeds,
        time_seconds=time,
        device=device,
        workers=workers,
        data_dir=data_dir,
        skip_corrupt=skip_corrupt,
        beside=experiment_folder(name),
    )
    if dry_run:
        plan_only(settings, as_json=as_json)
        return
    folder = out or _default_folder(settings.name, chosen, dataset)
    raise typer.Exit(run_experiment(settings, folder, as_json=as_json))


def _default_folder(name: str, scale: str, dataset: str | None) -> Path:
    """Where an experiment goes that was given no folder: each dataset to its own."""
    parts = [name, scale, *([expanded(dataset).resolve().name] if dataset else [])]
    return Path("runs") / "-".join(parts)
