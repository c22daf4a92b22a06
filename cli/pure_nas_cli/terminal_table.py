"""Tables on a terminal, and networks in a few characters."""

from __future__ import annotations

import rich.table
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.text import Text

from pure_nas.report.palette import style_of
from pure_nas.report.table import Cell, Stages, Table

_UNBOUNDED = 10_000
_STYLES = {"strong": "bold", "dim": "dim", "warning": "yellow", "better": "green", "worse": "red"}
_COLOURS = {"conv": "dodger_blue1", "product": "dark_orange"}


def print_table(console: Console, table: Table) -> None:
    """Print a table with its title and notes; without as much of its detail as does not fit the width."""
    if table.title:
        console.print(table.title, style="italic")
    fitting = table
    while not _fits(console, fitting) and (less := fitting.without_detail()):
        fitting = less
    console.print(_drawn(fitting))
    gone = ", ".join(column.title for column in table.shown if column not in fitting.shown)
    notes = [*table.notes, *([f"Not shown, for lack of room: {gone}."] if gone else [])]
    if notes:
        console.print(" ".join(notes), style="dim")


def placement(stages: Stages) -> Text:
    """Which residual layer holds which unit: a sign a layer, stages set apart."""
    return Text(" ").join(Text.assemble(*(_sign(unit) for unit in stage)) for stage in stages)


def _sign(unit: str) -> tuple[str, str]:
    style = style_of(unit)
    return style.glyph, _COLOURS.get(style.role, "magenta")


def _fits(console: Console, table: Table) -> bool:
    unbounded = console.options.update(width=_UNBOUNDED)
    return console.measure(_drawn(table), options=unbounded).maximum <= console.width


def _drawn(table: Table) -> rich.table.Table:
    drawn = rich.table.Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.shown:
        least = max(map(len, column.title.split()))
        drawn.add_column(
            column.title, justify=column.align, no_wrap=column.align == "right", overflow="fold", min_width=least
        )
    for place, row in enumerate(table.rows):
        if place and row.section != table.rows[place - 1].section:
            drawn.add_section()
        drawn.add_row(*(_text(row.cell(column)) for column in table.shown), style=_STYLES.get(row.tone))
    return drawn


def _text(cell: Cell) -> Text:
    text = Text()
    if cell.unit:
        text.append(*_sign(cell.unit)).append(" ")
    text.append_text(placement(cell.stages)).append(cell.text, _STYLES.get(cell.tone, ""))
    for tag, _ in cell.tags:
        text.append(f" {tag}", "dim")
    if cell.more:
        text.append(f"\n{cell.more}", "dim")
    return text
