"""Options and arguments that several commands share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from pure_nas.paths import expanded
from pure_nas.quantities import milliseconds_of, seconds_of, size_of

Number = TypeVar("Number", int, float)


_HELP = tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))


def option(key: str, *names: str, of: Callable[..., Any] = typer.Option, **rules: Any) -> Any:
    """An option that help.toml describes under such a key as "search.time"."""
    command, _, name = key.partition(".")
    panel, metavar, text = _HELP[command][name]
    return of(*names, rich_help_panel=panel or None, metavar=metavar or None, help=text, **rules)


argument = partial(option, of=typer.Argument)


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


Run = Annotated[Path, argument("shared.run", callback=expand)]
ArchitectureName = Annotated[str, argument("shared.architecture_name")]
DatasetName = Annotated[str, option("shared.dataset_name", "--dataset")]
Json = Annotated[bool, option("shared.json", "--json")]
Device = Annotated[str, option("shared.device")]
Workers = Annotated[
    Any,  # int | "auto"; Typer takes no unions
    option("shared.workers", parser=parse_workers),
]
DataDir = Annotated[Path | None, option("shared.data_dir", callback=expand)]
Seed = Annotated[int, option("shared.seed", min=0)]
ImageSize = Annotated[int | None, option("shared.image_size", min=8, max=1024)]
SkipCorrupt = Annotated[bool, option("shared.skip_corrupt", "--skip-corrupt")]
