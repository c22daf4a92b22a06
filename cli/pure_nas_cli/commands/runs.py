"""pure-nas runs list | tidy | rm | move"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pure_nas.quantities import counted, show_bytes
from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.options import HELP, Json, argument, option
from pure_nas_cli.terminal_table import print_table

if TYPE_CHECKING:
    from pure_nas.run.listing import ListedRun

Runs = Annotated[list[Path], argument("runs.runs")]
Yes = Annotated[bool, option("runs.yes", "--yes", "-y")]

runs = typer.Typer(no_args_is_help=True, help=HELP["runs"]["help"], rich_markup_mode="rich")


def _command(name: str) -> Callable[[Any], Any]:
    return runs.command(name, help=HELP["runs"][f"help_of_{name}"])


@_command("list")
def list_runs(folder: Annotated[Path, argument("runs.folder")] = Path("runs"), as_json: Json = False) -> None:
    from pure_nas.report.table import Cell, Column, Table
    from pure_nas.run.listing import runs_in

    columns = (
        Column("run", "run", "left"),
        Column("kind", "kind", "left"),
        Column("dataset", "dataset", "left"),
        Column("state", "state", "left"),
        Column("ended", "trained"),
        Column("bytes", "size"),
        Column("spare_bytes", "of it spare"),
        Column("changed", "last written", "left"),
    )
    found = [*runs_in(folder)]
    lines = [
        (
            str(each.path.relative_to(folder)),
            each.kind,
            each.dataset,
            each.state,
            each.ended,
            Cell(each.bytes, show_bytes(each.bytes)),
            Cell(each.spare_bytes, show_bytes(each.spare_bytes)),
            Cell(each.changed.isoformat(timespec="seconds"), f"{each.changed.astimezone():%Y-%m-%d %H:%M}"),
        )
        for each in found
    ]
    note = "Spare: weights off the front and checkpoints of what has ended; pure-nas runs tidy removes them."
    table = Table.of("runs", columns, lines, notes=(note if found else f"There are no runs in {folder}.",))
    if as_json:
        print_json(table.records())
    else:
        print_table(stdout, table)


@_command("tidy")
def tidy(runs: Runs) -> None:
    from pure_nas.run.directory import RunDirectory
    from pure_nas.run.listing import remove_spare

    for run in [RunDirectory.open(path) for path in runs]:
        stdout.print(f"{run.path}: {show_bytes(remove_spare(run))} freed", soft_wrap=True)


@_command("rm")
def rm(runs: Runs, yes: Yes = False) -> None:
    from pure_nas.run.directory import RunDirectory
    from pure_nas.run.listing import listed, remove

    found = [listed(RunDirectory.open(path)) for path in runs]
    for each in found:
        if yes or typer.confirm(f"Remove {each.path} ({_described(each)})?"):
            remove(RunDirectory(each.path))
            stdout.print(f"{each.path} is removed.", soft_wrap=True)


@_command("move")
def move(run: Annotated[Path, argument("shared.run")], target: Annotated[Path, argument("runs.target")]) -> None:
    from pure_nas.run import listing
    from pure_nas.run.directory import RunDirectory

    stdout.print(f"It is at {listing.move(RunDirectory.open(run), target)}.", soft_wrap=True)


def _described(run: ListedRun) -> str:
    return f"{run.kind}, {run.state}, {counted(run.ended, 'training')}, {show_bytes(run.bytes)}"
