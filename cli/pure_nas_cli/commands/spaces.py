"""pure-nas spaces"""

from __future__ import annotations

from typing import Annotated

from pure_nas.report.table import Cell, Column, Table
from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.options import Json, argument
from pure_nas_cli.terminal_table import print_table

_COLUMNS = (
    Column("name", "space", "left"),
    Column("summary", "summary", "left"),
    Column("source", "from", "left"),
    *(Column(each, each) for each in ("architectures", "trials", "epochs")),
)


def spaces(
    name: Annotated[str | None, argument("spaces.name")] = None,
    as_json: Json = False,
) -> None:
    from pure_nas.space.catalogue import SPACES, load_space

    if name is not None:
        _show(name, as_json=as_json)
        return
    lines = (
        (each, space.summary, SPACES.provider(each), _count(space.count()), space.run.trials, space.run.epochs)
        for each, space in ((each, load_space(each)) for each in SPACES.places)
    )
    table = Table.of("spaces", _COLUMNS, lines)
    if as_json:
        print_json(table.records())
    else:
        print_table(stdout, table)


def _show(name: str, *, as_json: bool) -> None:
    from pure_nas.space.catalogue import SPACES, load_space

    space = load_space(name)
    text = SPACES.text(name)
    count = _count(space.count())
    if as_json:
        print_json({"name": name, "summary": space.summary, "architectures": count.value, "toml": text})
        return
    if stdout.is_terminal:
        from rich.syntax import Syntax

        stdout.print(Syntax(text, "toml", background_color="default"))
    else:
        print(text, end="", flush=True)
    depths = " to ".join("-".join(map(str, blocks)) for blocks in (space.depths()[0], space.depths()[-1]))
    stderr.print(
        f"{count.text} distinct architectures (a range of thresholds counts once), blocks {depths}", soft_wrap=True
    )


def _count(value: int) -> Cell:
    return Cell(value, f"{value:,}" if value < 10**9 else f"{value:.2e}")
