"""A table as one object: the terminal, the page and CSV show the same columns, rows and notes."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pure_nas.quantities import show_percent

Stages = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Column:
    """A column: its name in files and in rows, and that for people, which is empty where it is for files only."""

    key: str
    title: str = ""
    align: Literal["left", "right"] = "right"
    detail: int = 0  # how early it is left out where a terminal has no room: the highest number first; 0: never
    brief: bool = False  # whether the smaller lines of its cells are left out
    files: bool = True  # whether its values go into CSV


@dataclass(frozen=True)
class Cell:
    """What a cell holds: a value for files, None where there is nothing, and a text for people."""

    value: Any = None
    text: str = ""
    more: str = ""  # smaller lines below the text
    tone: str = ""  # how it is told from others: "strong", "dim", "warning", "better" or "worse"
    unit: str = ""  # a unit, or "hybrid", whose coloured sign a page shows before the text
    stages: Stages = ()  # the units of a network, layer by layer, in place of a text
    tags: tuple[tuple[str, str], ...] = ()  # words after the text, each with what it means
    tip: str = ""  # what a page shows where the pointer rests on it


NOTHING = Cell(text="–", tone="dim")  # what people see as a dash, and files as an empty value
NETWORK = Column("network", "network", "left")


def share(value: float | None, digits: int = 2) -> Cell:
    """A share in percent, or a dash."""
    return NOTHING if value is None else Cell(value, show_percent(value, digits))


def number(value: float | None, digits: int) -> Cell:
    """A number with so many digits after the point, or a dash."""
    return NOTHING if value is None else Cell(value, f"{value:.{digits}f}")


def mean_text(shares: Sequence[float]) -> str:
    """Mean of one or more shares in percent, with the standard deviation of several: "86.30 ± 0.41 %"."""
    spread = f" ± {100 * statistics.stdev(shares):.2f}" if len(shares) > 1 else ""
    return f"{100 * statistics.fmean(shares):.2f}{spread} %"


def interval_text(interval: tuple[float, float] | None, unit: str = " %") -> str:
    """An interval of shares in percent; empty where there is none."""
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}{unit}" if interval else ""


def _cell(value: str | int) -> Cell:
    return Cell(value, value if isinstance(value, str) else f"{value:,}")


@dataclass(frozen=True)
class Row:
    """A row: its cells by the keys of their columns; tone and tip are those of cells, for the whole row."""

    cells: Mapping[str, Cell]
    identity: str = ""  # what a page marks in its plots while the pointer is on the row: a trial's number, say
    anchor: str = ""  # the row's own id on a page, which its first cell links to
    tone: str = ""
    section: str = ""  # rows of another section than the one before are set apart
    tip: str = ""

    @classmethod
    def of(cls, columns: Sequence[Column], cells: Sequence[Cell | str | int], **more: str) -> Row:
        """A row whose cells are in the order of the columns; a text or a whole number is a cell that holds it."""
        pairs = zip(columns, cells, strict=True)
        return cls({column.key: each if isinstance(each, Cell) else _cell(each) for column, each in pairs}, **more)

    def cell(self, column: Column) -> Cell:
        """The cell of a column; a dash where the row has none."""
        return self.cells.get(column.key, NOTHING)


@dataclass(frozen=True)
class Table:
    """A table with its heading and its notes; `name` is its class on a page, such as "front"."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.title)

    def csv(self) -> str:
        columns = [column for column in self.columns if column.files]
        lines = ({column.key: row.cell(column).value for column in columns} for row in self.rows)
        return csv_text(lines, [column.key for column in columns])


def csv_text(lines: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """The union of all lines' columns, in their order, after those that a table without lines has too."""
    lines = list(lines)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, column_names(lines, columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def column_names(lines: Iterable[Mapping[str, Any]], first: Iterable[str] = ()) -> list[str]:
    """Every name that occurs in `lines`, in their order, after those of `first`."""
    return list(dict.fromkeys([*first, *(name for line in lines for name in line)]))
