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


def option(text: str, metavar: str | None = None, *names: str, panel: str | None = None, **rules: Any) -> Any:
    """An option of a command, with the text of its help."""
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel, **rules)


budget, aim, place, detail = (partial(option, panel=panel) for panel in ("How long", "What counts", "Where", "Details"))
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
    str, option("A dataset (see pure-nas datasets) or a folder of images.", "NAME|DIR", "--dataset")
]
Json = Annotated[bool, option("Print JSON to standard output instead of tables.", None, "--json")]
Device = Annotated[str, place("Device to compute on: cpu, cuda or cuda:N; auto uses a GPU if there is one.", "NAME")]
Workers = Annotated[
    Any,  # int | "auto"; Typer takes no unions
    place(
        "Number of networks trained in parallel, each in its own process; auto picks a number.",
        "N|auto",
        parser=parse_workers,
    ),
]
DataDir = Annotated[
    Path | None,
    place("Directory with the datasets (default: $PURE_NAS_DATA or ~/.cache/pure-nas/data).", "DIR", callback=expand),
]
Seed = Annotated[int, detail("Random seed for splits, weights, data order and suggestions.", "N", min=0)]
ImageSize = Annotated[
    int | None, detail("Scale images to this height and width (default: their own size).", "PIXELS", min=8, max=1024)
]
SkipCorrupt = Annotated[bool, detail("Skip corrupt images instead of stopping.", None, "--skip-corrupt")]
