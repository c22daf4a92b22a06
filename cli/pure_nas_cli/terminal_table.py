"""Tables on a terminal."""

from __future__ import annotations

import rich.table
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.text import Text

from pure_nas.report.table import Cell, Table

_UNBOUNDED = 10_000
_STYLES = {"strong": "bold", "dim": "dim", "warning": "yellow", "better": "green", "worse": "red"}


def print_table(console: Console, table: Table) -> None:
    """Print a table with its title and notes; without its details where it does not fit the width."""
    if table.title:
        console.print(table.title, style="italic")
    drawn = _drawn(table)
    if console.measure(drawn, options=console.options.update(width=_UNBOUNDED)).maximum > console.width:
        drawn = _drawn(table.without_details())
    console.print(drawn)
    if table.notes:
        console.print(" ".join(table.notes), style="dim")


def _drawn(table: Table) -> rich.table.Table:
    drawn = rich.table.Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.shown:
        drawn.add_column(column.title, justify=column.align, no_wrap=column.align == "right")
    for place, row in enumerate(table.rows):
        if place and row.section != table.rows[place - 1].section:
            drawn.add_section()
        drawn.add_row(*(_text(row.cell(column)) for column in table.shown), style=_STYLES.get(row.tone))
    return drawn


def _text(cell: Cell) -> Text:
    text = Text()
    for place, stage in enumerate(cell.marks):
        text.append(" " if place else "")
        for mark, _ in stage:
            text.append(mark)
    text.append(cell.text, _STYLES.get(cell.tone, ""))
    if cell.more:
        text.append(f"\n{cell.more}", "dim")
    return text
