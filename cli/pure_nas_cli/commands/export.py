"""pure-nas export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import expand, option


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
        str | None, option("Which network of the front, or a trial's number (default: best).", "best|knee|smallest|N")
    ] = None,
    origin: Annotated[
        Literal["auto", "search", "retrain"],
        option(
            "Weights of the search's short run, or retrained ones. auto: retrained ones where there are some.",
            None,
            "--from",
        ),
    ] = "auto",
    seed: Annotated[
        int | None,
        option(
            "Retrained weights of this seed (default: the seed whose last training loss is nearest to the mean).", "N"
        ),
    ] = None,
    kind: Annotated[
        Literal["python", "json", "safetensors"],
        option("python: a .py file with weights; json: the architecture; safetensors: weights.", None, "--format"),
    ] = "python",
    output: Annotated[
        Path | None, option("Folder to write (default: RUN/export/TRIAL).", "DIR", "--output", "-o", callback=expand)
    ] = None,
    overwrite: Annotated[bool, option("Replace files that differ.", None, "--overwrite")] = False,
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
