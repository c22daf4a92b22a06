"""Tables on a terminal, and networks in a few characters."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace

import rich.table
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, OverflowMethod
from rich.text import Text

from pure_nas.report.palette import style_of
from pure_nas.report.table import Cell, Column, Stages, Table

_STYLES = {"strong": "bold", "dim": "dim", "warning": "yellow", "better": "green", "worse": "red"}
_COLOURS = {"conv": "dodger_blue1", "product": "dark_orange"}
_BETWEEN = 2  # blanks between two columns
_NARROWEST = 8  # characters of a column of words, however narrow the terminal is; words that are longer are then broken


def print_table(console: Console, table: Table) -> None:
    """Print a table with its title and notes; without as much of its detail as does not fit the width."""
    if not table.rows:
        console.print(" ".join(table.notes), style="dim")
        return
    if table.title:
        console.print(table.title, style="italic")
    shown = table
    for shown in _ever_briefer(table):
        if sum(_least_width(column, shown) + _BETWEEN for column in shown.shown) - _BETWEEN <= console.width:
            break
    console.print(drawn(shown, console.width))
    kept = {column.key for column in shown.shown}
    gone = ", ".join(column.title for column in table.shown if column.key not in kept)
    if notes := " ".join([*table.notes, *([f"Not shown, for lack of room: {gone}."] if gone else [])]):
        console.print(notes, style="dim")


def print_tables(console: Console, tables: Iterable[Table]) -> None:
    for place, table in enumerate(tables):
        if place:
            console.print()
        print_table(console, table)


def drawn(table: Table, room: int) -> rich.table.Table:
    """A table without its title and notes, in so many characters: a line under its head and no frame."""
    found = rich.table.Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    widths = _widths(table, room)
    for column in table.shown:
        overflow: OverflowMethod = "ellipsis" if column.cut else "fold"
        width = widths[column.key]
        found.add_column(column.title, justify=column.align, overflow=overflow, no_wrap=column.cut, width=width)
    for place, row in enumerate(table.rows):
        if place and row.section != table.rows[place - 1].section:
            found.add_section()
        cells = (_wrapped(row.cell(column), widths[column.key]) for column in table.shown)
        found.add_row(*map(_text, cells, table.shown), style=_STYLES.get(row.tone))
    return found


def _ever_briefer(table: Table) -> Iterator[Table]:
    """The whole table; then, for one level of detail after another, without its smaller lines, and without it."""
    yield table
    for level in sorted({column.detail for column in table.shown if column.detail}, reverse=True):
        columns = tuple(replace(each, brief=each.brief or each.detail == level) for each in table.columns)
        yield (table := replace(table, columns=columns))
        yield (table := replace(table, columns=tuple(each for each in columns if each.detail != level)))


def _least_width(column: Column, table: Table) -> int:
    """At which no number and no placement is broken, unless it is cut; words are, but for the first line of a cell."""
    lines = column.title.split()
    for row in table.rows:
        found = _text(row.cell(column), column).plain.splitlines()
        lines += [] if column.cut else found[:1] if column.align == "left" else found
    return max(map(cell_len, lines))


def _widths(table: Table, room: int) -> dict[str, int]:
    """How wide each column is: columns of words give way first, the widest of them before others."""
    widths = {
        column.key: max(cell_len(line) for text in _texts(column, table) for line in text.splitlines() or [""])
        for column in table.shown
    }
    over = sum(widths.values()) + _BETWEEN * (len(widths) - 1) - room
    words = sorted((each for each in table.shown if each.align == "left"), key=lambda each: -widths[each.key])
    numbers = [column for column in table.shown if column.align == "right"]
    # What is not broken while there is room: words, and what hyphens join, to the hyphen.
    pieces = {each.key: re.findall(r"[^\s-]*-+|[^\s-]+", "\n".join(_texts(each, table))) for each in words}
    for column, least in [
        *((column, _least_width(column, table)) for column in (*words, *numbers)),
        *((column, max(map(cell_len, pieces[column.key]))) for column in words),
        *((column, _NARROWEST) for column in words),
    ]:
        narrower = min(widths[column.key], max(widths[column.key] - max(over, 0), least))
        over -= widths[column.key] - narrower
        widths[column.key] = narrower
    return widths


def _texts(column: Column, table: Table) -> list[str]:
    return [column.title, *(_text(row.cell(column), column).plain for row in table.rows)]


def _placement(stages: Stages) -> Text:
    """Which residual layer holds which unit: a sign a layer, stages set apart."""
    styles = [[style_of(unit) for unit in stage] for stage in stages]
    signs = ([(style.glyph, _COLOURS.get(style.role, "magenta")) for style in stage] for stage in styles)
    return Text(" ").join(Text.assemble(*stage) for stage in signs)


def _wrapped(cell: Cell, width: int) -> Cell:
    """With lines that break between words and behind hyphens, and in a word only where it is longer than a line."""
    text, more = (
        "\n".join(textwrap.fill(line, width) if cell_len(line) > width else line for line in lines.splitlines())
        for lines in (cell.text, cell.more)
    )
    return replace(cell, text=text, more=more)


def _text(cell: Cell, column: Column) -> Text:
    text = Text()
    text.append_text(_placement(cell.stages)).append(cell.text, _STYLES.get(cell.tone, ""))
    for tag, _ in cell.tags:
        text.append(f" {tag}", "dim")
    if cell.more and not column.brief:
        text.append(f"\n{cell.more}", "dim")
    return text
