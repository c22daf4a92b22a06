"""Options and arguments of commands: their words are in help.toml, those that several commands share are here."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pure_nas.data.sources.registry import LARGEST_IMAGE, SMALLEST_IMAGE
from pure_nas.paths import expanded

HELP = tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))
_PATH_METAVARS = ("DIR", "FILE", "RUN", "RUN|DIR")  # metavars of paths


def option(
    key: str,
    *names: str,
    of: Callable[..., Any] = typer.Option,
    parser: Callable[[str], object] | None = None,
    **rules: Any,
) -> Any:
    """An option that help.toml describes under such a key as "search.time"; what its parser raises is explained."""
    command, _, name = key.partition(".")
    panel, metavar, text = HELP[command][name]
    if metavar in _PATH_METAVARS:
        rules["callback"] = _expand
    if parser is not None:
        rules["parser"] = _explaining(parser)
    return of(*names, rich_help_panel=panel or None, metavar=metavar or None, help=text, **rules)


def _explaining(parse: Callable[[str], object]) -> Callable[[str], object]:
    def parsed(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


argument = partial(option, of=typer.Argument)


def _expand(path: Path | list[Path] | None) -> Path | list[Path] | None:
    """Of every path: shells leave a ~ that stands behind an equals sign or in quotes."""
    if isinstance(path, list):
        return [expanded(each) for each in path]
    return None if path is None else expanded(path)


def _workers(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(f'"{text}" is not auto or a number of 1 or more')
    return int(text)


def _gpus(text: str) -> tuple[int, ...]:
    if not all(part.isascii() and part.isdecimal() for part in text.split(",")):
        raise ValueError(f'"{text}" is not a list of numbers such as 0,2')
    return tuple(map(int, text.split(",")))


Run = Annotated[Path, argument("shared.run")]
Arch = Annotated[str, argument("shared.arch")]
DatasetName = Annotated[str, option("shared.dataset", "--dataset")]
Json = Annotated[bool, option("shared.json", "--json")]
Device = Annotated[str, option("shared.device")]
Workers = Annotated[Any, option("shared.workers", parser=_workers)]  # int | "auto"; Typer takes no unions
ExecutorName = Annotated[Literal["auto", "inline", "pool", "ray"], option("shared.executor")]
Gpus = Annotated[Any, option("shared.gpus", parser=_gpus)]  # tuple[int, ...]
RayAddress = Annotated[str, option("shared.ray_address")]
CpusPerTrial = Annotated[float, option("shared.cpus_per_trial")]
GpusPerTrial = Annotated[float, option("shared.gpus_per_trial")]
DataDir = Annotated[Path | None, option("shared.data_dir")]
DryRun = Annotated[bool, option("shared.dry_run", "--dry-run")]
Overwrite = Annotated[bool, option("shared.overwrite", "--overwrite")]
ImageSize = Annotated[int | None, option("shared.image_size", min=SMALLEST_IMAGE, max=LARGEST_IMAGE)]
SkipCorrupt = Annotated[bool, option("shared.skip_corrupt", "--skip-corrupt")]
