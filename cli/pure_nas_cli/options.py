"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, such as runs/digits.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to train; auto takes a GPU if any.")]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where datasets lie; $PURE_NAS_DATA or ~/.cache/pure-nas/data.")
]
Seed = Annotated[int, typer.Option(min=0, help="Decides splits, weights, order and suggestions.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
ImageSize = Annotated[
    int | None,
    typer.Option(min=1, metavar="PIXELS", help="Size to bring images to; their own if left out."),
]
SkipCorrupt = Annotated[bool, typer.Option("--skip-corrupt", help="Leave corrupt images out instead of refusing.")]
