"""A table is one object (columns, rows, notes) that a terminal, HTML, CSV, Markdown and JSON render."""

from __future__ import annotations

import csv
import io
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pure_nas.quantities import show_percent, show_points
from pure_nas.report.palette import placement_text

Stages = tuple[tuple[str, ...], ...]
Notes = tuple[str, ...]  # a sentence each
_MARKUP = re.compile(r"[\\`*_<>\[\]|~$&]")  # characters that are more than themselves in Markdown, or on GitHub


@dataclass(frozen=True)
class Column:
    """A column: its name in files and in rows, and that for people, which is empty where it is for files only."""

    key: str
    title: str = ""
    align: Literal["left", "right"] = "right"
    detail: int = 0  # how early it is left out where a terminal has no room: the highest number first; 0: never
    cut: bool = False  # whether a terminal cuts its cells off where there is no room, in place of breaking lines
    brief: bool = False  # whether the smaller lines of its cells are left out
    files: bool = True  # whether its values go into CSV and JSON


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


def p_value(value: float | None) -> Cell:
    """The p-value of a test, or a dash."""
    return NOTHING if value is None else Cell(value, "< 0.001" if value < 0.001 else f"{value:.3f}")


def mean_text(shares: Sequence[float]) -> str:
    """Mean of shares in percent, with the standard deviation of several: "86.30 ± 0.41 %"; empty for none."""
    spread = f" ± {100 * statistics.stdev(shares):.2f}" if len(shares) > 1 else ""
    return f"{100 * statistics.fmean(shares):.2f}{spread} %" if shares else ""


def interval_text(interval: tuple[float, float] | None, unit: str = " %") -> str:
    """An interval of shares in percent; empty where there is none."""
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}{unit}" if interval else ""


def points_text(interval: tuple[float, float] | None) -> str:
    """An interval of a difference of shares, in points; empty where there is none."""
    return " to ".join(map(show_points, interval or ()))


@dataclass(frozen=True)
class Row:
    """A row: its cells, or only their values, by the keys of columns; tone and tip are a cell's, for the whole row."""

    cells: Mapping[str, Any]
    identity: str = ""  # what a page marks in its plots while the pointer is on the row: a trial's number, say
    anchor: str = ""  # the row's own id on a page, which its first cell links to
    tone: str = ""
    section: str = ""  # rows of another section than the one before are set apart
    tip: str = ""

    @classmethod
    def of(cls, columns: Sequence[Column], cells: Sequence[Any], **more: str) -> Row:
        """A row whose cells, or only their values, are in the order of the columns."""
        return cls({column.key: each for column, each in zip(columns, cells, strict=True)}, **more)

    def cell(self, column: Column) -> Cell:
        """The cell of a column: of a value with the text that it has, and a dash where there is none."""
        found = self.cells.get(column.key)
        if found is None:
            return NOTHING
        return found if isinstance(found, Cell) else Cell(found, f"{found:,}" if type(found) is int else str(found))


@dataclass(frozen=True)
class Table:
    """A table with its heading and its notes; `name` is its class on a page, such as "front"."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    notes: Notes = ()

    @classmethod
    def of(
        cls, name: str, columns: Iterable[Column], lines: Iterable[Sequence[Any]], title: str = "", notes: Notes = ()
    ) -> Table:
        """A table of which each line has the cells of a row, or only their values, in the order of the columns."""
        columns = tuple(columns)
        return cls(name, columns, tuple(Row.of(columns, line) for line in lines), title, notes)

    @property
    def shown(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.title)

    def records(self) -> list[dict[str, Any]]:
        """The rows as JSON holds them: values by the keys of their columns."""
        columns = [column for column in self.columns if column.files]
        return [{column.key: row.cell(column).value for column in columns} for row in self.rows]

    def csv(self) -> str:
        text = io.StringIO(newline="")
        keys = [column.key for column in self.columns if column.files]
        csv.writer(text, lineterminator="\n").writerows([keys, *(record.values() for record in self.records())])
        return text.getvalue()

    def markdown(self) -> str:
        """A table as GitHub reads it, with its title above and its notes below; without rows only these."""
        lines = [[_escaped(column.title) for column in self.shown]]
        lines.append([":--" if column.align == "left" else "--:" for column in self.shown])
        lines += ([_in_markdown(row.cell(column), column) for column in self.shown] for row in self.rows)
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines) if self.rows else ""
        return "\n\n".join(filter(None, [_escaped(self.title), table, _escaped(" ".join(self.notes))])) + "\n"


def columns_of(
    records: Iterable[Mapping[str, Any]], shown: Iterable[Column] = (), first: Iterable[str] = ()
) -> tuple[Column, ...]:
    """A column for each key of `first` and of `records`, in their order; for files only, but for those of `shown`."""
    known = {column.key: column for column in shown}
    keys = dict.fromkeys([*first, *(key for record in records for key in record)])
    return tuple(known.get(key) or Column(key) for key in keys)


def _in_markdown(cell: Cell, column: Column) -> str:
    first = " ".join([placement_text(cell.stages) + cell.text, *(tag for tag, _ in cell.tags)])
    return _escaped("\n".join([first, "" if column.brief else cell.more]))


def _escaped(text: str) -> str:
    """Plain text as Markdown that reads the same, on one line."""
    return "<br>".join(_MARKUP.sub(r"\\\g<0>", line) for line in text.splitlines())
