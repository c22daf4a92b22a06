"""pure-nas export"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pure_nas_cli.console import stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Run, expand


class Format(StrEnum):
    """What is written."""

    python = "python"
    json = "json"
    safetensors = "safetensors"


def export(
    run: Run,
    trial: Annotated[
        str, typer.Option(metavar="best|knee|smallest|N", help="Which network of the front, or a trial's number.")
    ] = "best",
    kind: Annotated[
        Format,
        typer.Option("--format", help="python: a .py file with weights; json: the architecture; safetensors: weights."),
    ] = Format.python,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder to write; RUN/export/TRIAL by default.", callback=expand
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that differ.")] = False,
) -> None:
    """Write a network of a run so that it works without pure-nas.

    Example: [bold]pure-nas export runs/digits --trial best -o my_network[/bold]
    """
    with loading():
        from pure_nas.export import export_trial

    for path in export_trial(run, trial, format=kind.value, directory=output, overwrite=overwrite):
        stdout.print(str(path), soft_wrap=True)
