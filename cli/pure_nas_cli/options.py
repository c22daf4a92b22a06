"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pure_nas.paths import expanded


def expand(path: Path | None) -> Path | None:
    """The callback of every path: shells leave a ~ that stands behind an equals sign or in quotes."""
    return None if path is None else expanded(path)


ARCHITECTURE_HELP = (
    "A name (pure20, resnet56, log-conv-20 ...), an architecture.json, or RUN:TRIAL such as runs/digits:best, "
    "runs/digits:knee or runs/digits:7."
)
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, such as runs/digits.", callback=expand)]
DEVICE_HELP = "Where to train: cpu, cuda or cuda:N; auto takes a GPU if there is one."
Device = Annotated[str, typer.Option(metavar="NAME", help=DEVICE_HELP)]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory with the datasets (default: $PURE_NAS_DATA or ~/.cache/pure-nas/data).",
        callback=expand,
    ),
]
SEED_HELP = "Decides splits, weights, order and suggestions."
Seed = Annotated[int, typer.Option(min=0, metavar="N", help=SEED_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
ImageSize = Annotated[
    int | None,
    typer.Option(min=8, max=1024, metavar="PIXELS", help="Size to bring images to; their own if left out."),
]
SkipCorrupt = Annotated[bool, typer.Option("--skip-corrupt", help="Leave corrupt images out instead of refusing.")]
WORKERS_HELP = "Networks trained at once, each in a process of its own; auto finds out how many."
