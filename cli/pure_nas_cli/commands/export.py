"""pure-nas export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import expand


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|FOLDER",
            help="The folder of a search, such as runs/digits, or of one training, such as pure-nas train writes.",
            callback=expand,
        ),
    ],
    trial: Annotated[
        str | None,
        typer.Option(
            metavar="best|knee|smallest|N", help="Which network of the front, or a trial's number (default: best)."
        ),
    ] = None,
    origin: Annotated[
        Literal["auto", "search", "retrain"],
        typer.Option(
            "--from",
            help="Weights of the search's short run, or retrained ones. auto: retrained ones where there are some.",
        ),
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Retrained weights of this seed (default: the seed whose last training loss is nearest to the mean).",
        ),
    ] = None,
    kind: Annotated[
        Literal["python", "json", "safetensors"],
        typer.Option("--format", help="python: a .py file with weights; json: the architecture; safetensors: weights."),
    ] = "python",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder to write (default: RUN/export/TRIAL).", callback=expand
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that differ.")] = False,
) -> None:
    """Write a trained network so that it works without pure-nas.

    Example: [bold]pure-nas export runs/digits --trial best -o my_network[/bold]
    """
    with loading():
        from pure_nas.export import export_trained
        from pure_nas.run.chosen import choose_trained

    chosen = choose_trained(run, trial, origin=origin, seed=seed)
    written = export_trained(chosen, output, format=kind, overwrite=overwrite)
    if kind != "json":
        stderr.print(f"{chosen.title}. {' '.join(chosen.notes)}", soft_wrap=True)
    for path in written:
        stdout.print(str(path), soft_wrap=True)
