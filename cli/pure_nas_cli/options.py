"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from pure_nas.paths import expanded
from pure_nas.quantities import milliseconds_of, seconds_of, size_of

Number = TypeVar("Number", int, float)


def expand(path: Path | None) -> Path | None:
    """The callback of every path: shells leave a ~ that stands behind an equals sign or in quotes."""
    return None if path is None else expanded(path)


ARCHITECTURE_HELP = (
    "A name (pure20, resnet56, log-conv-20 ...), an architecture.json, or RUN:TRIAL such as runs/digits:best, "
    "runs/digits:knee or runs/digits:7."
)
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run, such as runs/digits.", callback=expand)]
DEVICE_HELP = "Device to train on: cpu, cuda or cuda:N; auto uses a GPU if there is one."
Device = Annotated[str, typer.Option(metavar="NAME", help=DEVICE_HELP)]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory with the datasets (default: $PURE_NAS_DATA or ~/.cache/pure-nas/data).",
        callback=expand,
    ),
]
SEED_HELP = "Random seed for splits, weights, data order and suggestions."
Seed = Annotated[int, typer.Option(min=0, metavar="N", help=SEED_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output instead of tables.")]
ImageSize = Annotated[
    int | None,
    typer.Option(
        min=8, max=1024, metavar="PIXELS", help="Scale images to this height and width (default: their own size)."
    ),
]
SkipCorrupt = Annotated[bool, typer.Option("--skip-corrupt", help="Skip corrupt images instead of stopping.")]
WORKERS_HELP = "Number of networks trained in parallel, each in its own process; auto picks a number."


def parse_size(text: str) -> int:
    """A count: "300k", "1.5M", "2G" or a plain number."""
    return _parsed(size_of, text)


def parse_seconds(text: str) -> float:
    """A time, in seconds: "90s", "30m", "2h"."""
    return _parsed(seconds_of, text)


def parse_milliseconds(text: str) -> float:
    """A short time, in milliseconds: "2ms", "0.5ms", "1s"; a plain number is milliseconds."""
    return _parsed(milliseconds_of, text)


def parse_workers(text: str) -> int | Literal["auto"]:
    """A number of workers, or auto."""
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise typer.BadParameter(f'"{text}" is not auto or a number of 1 or more')
    return int(text)


def _parsed(parse: Callable[[str], Number], text: str) -> Number:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
