"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from pure_nas.paths import expanded
from pure_nas.quantities import milliseconds_of, seconds_of, size_of

Number = TypeVar("Number", int, float)

budget_option, aim_option, place_option, detail_option = (
    partial(typer.Option, rich_help_panel=panel) for panel in ("How long", "What counts", "Where", "Details")
)
"""Options by the panel of the help that they are in."""


def expand(path: Path | None) -> Path | None:
    """The callback of every path: shells leave a ~ that stands behind an equals sign or in quotes."""
    return None if path is None else expanded(path)


def parsed_by(parse: Callable[[str], Number]) -> Callable[[str], Number]:
    """A parser of options whose faults are explained."""

    def parsed(text: str) -> Number:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


parse_size = parsed_by(size_of)
parse_seconds = parsed_by(seconds_of)
parse_milliseconds = parsed_by(milliseconds_of)


def parse_workers(text: str) -> int | Literal["auto"]:
    """A number of workers, or auto."""
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise typer.BadParameter(f'"{text}" is not auto or a number of 1 or more')
    return int(text)


Run = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run, such as runs/digits.", callback=expand)]
ArchitectureName = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        help="A name (pure20, resnet56, log-conv-20 ...), an architecture.json, or RUN:TRIAL such as runs/digits:best, "
        "runs/digits:knee or runs/digits:7.",
    ),
]
DatasetName = Annotated[
    str, typer.Option("--dataset", metavar="NAME|DIR", help="A dataset (see pure-nas datasets) or a folder of images.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output instead of tables.")]
Device = Annotated[
    str,
    place_option(metavar="NAME", help="Device to compute on: cpu, cuda or cuda:N; auto uses a GPU if there is one."),
]
Workers = Annotated[
    Any,  # int | "auto"; Typer takes no unions
    place_option(
        parser=parse_workers,
        metavar="N|auto",
        help="Number of networks trained in parallel, each in its own process; auto picks a number.",
    ),
]
DataDir = Annotated[
    Path | None,
    place_option(
        metavar="DIR",
        help="Directory with the datasets (default: $PURE_NAS_DATA or ~/.cache/pure-nas/data).",
        callback=expand,
    ),
]
Seed = Annotated[
    int, detail_option(min=0, metavar="N", help="Random seed for splits, weights, data order and suggestions.")
]
ImageSize = Annotated[
    int | None,
    detail_option(
        min=8, max=1024, metavar="PIXELS", help="Scale images to this height and width (default: their own size)."
    ),
]
SkipCorrupt = Annotated[bool, detail_option("--skip-corrupt", help="Skip corrupt images instead of stopping.")]
