"""A table as one object: the terminal, the page, CSV, Markdown and JSON show the same columns, rows and notes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: its name in CSV and JSON, and that of its cells in a row; empty: it is for people only.
        title: its name for people; empty: it is for files only.
        detail: whether it is left out where a terminal has no room.
        files: whether its values go into CSV and JSON.
    """

    key: str
    title: str = ""
    align: Literal["left", "right"] = "right"
    detail: bool = False
    files: bool = True


@dataclass(frozen=True)
class Cell:
    """What stands in a cell.

    Attributes:
        value: for files: a number, a text, a truth value, or None where there is nothing.
        text: for people.
        more: a second, smaller line for people.
        tone: how it is told from others: "strong", "dim", "warning", "better" or "worse".
        marks: placement marks in place of a text, as (mark, unit) pairs, a group for each stage.
    """

    value: Any = None
    text: str = ""
    more: str = ""
    tone: str = ""
    marks: tuple[tuple[tuple[str, str], ...], ...] = ()


NOTHING = Cell(text="–", tone="dim")
"""A cell that people see as a dash, and files as an empty value."""


@dataclass(frozen=True)
class Row:
    """A row: its cells by the keys of their columns.

    Attributes:
        identity: what the row stands for, for links and highlights on a page: a trial's number, say.
        tone: as of a cell, for the whole row.
        section: rows of another section than the one before are set apart.
    """

    cells: Mapping[str, Cell]
    identity: str = ""
    tone: str = ""
    section: str = ""

    def cell(self, column: Column) -> Cell:
        """The cell of a column; a dash where the row has none."""
        return self.cells.get(column.key, NOTHING)


@dataclass(frozen=True)
class Table:
    """A table with what explains it.

    Attributes:
        name: in files and as an anchor of a page, such as "front".
        title: a heading for people.
        notes: sentences below it, each of which stands only where what it explains does.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns for people."""
        return tuple(column for column in self.columns if column.title)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns of files."""
        return tuple(column for column in self.columns if column.key and column.files)

    def without_details(self) -> Table:
        """The same with only the columns that a narrow terminal has room for."""
        columns = tuple(column for column in self.columns if not column.detail)
        return Table(self.name, columns, self.rows, self.title, self.notes)

    def records(self) -> list[dict[str, Any]]:
        """The rows as JSON holds them: values by key; what is not a finite number is null."""
        return [{column.key: _finite(row.cell(column).value) for column in self.stored} for row in self.rows]

    def csv(self) -> str:
        """The rows as CSV; what is missing is empty."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.key for column in self.stored])
        for row in self.rows:
            writer.writerow([row.cell(column).value for column in self.stored])
        return text.getvalue()

    def markdown(self) -> str:
        """The table for people in Markdown, as GitHub reads it."""
        head = " | ".join(_escaped(column.title) for column in self.shown)
        rule = " | ".join("---" if column.align == "left" else "---:" for column in self.shown)
        lines = [
            " | ".join(
                _escaped(" ".join(filter(None, (_text(row.cell(column)), row.cell(column).more))))
                for column in self.shown
            )
            for row in self.rows
        ]
        return "\n".join(f"| {line} |" for line in (head, rule, *lines)) + "\n"


def _text(cell: Cell) -> str:
    return " ".join("".join(mark for mark, _ in stage) for stage in cell.marks) if cell.marks else cell.text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
