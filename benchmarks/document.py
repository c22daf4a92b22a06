"""What a benchmark found: tables for people, one JSON document for programs, and whether targets were met."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pure_nas.files import write_whole
from pure_nas.run.environment import describe_environment, installed_version

Row = Mapping[str, Any]
"""A line of a table: words and numbers by column."""

_SCHEMA = 1
_MACHINE = ("device", "device_name", "cpus", "threads", "system", "git_revision")
_WIDTH = 100
"""Columns of a table that goes into a file."""
_MORE_PACKAGES = ("timm", "triton")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: of the rows' values in it.
        heading: what stands above it.
        format: a format specification for numbers, such as ".2f"; numbers stand on the right, words on the left.
    """

    key: str
    heading: str
    format: str = ""

    def text(self, row: Row) -> str:
        """The value of `row` in this column; a dash where it has none."""
        value = row.get(self.key)
        return "-" if value is None else format(value, self.format)


@dataclass(frozen=True)
class Target:
    """A bound that a measurement should keep.

    Attributes:
        what: is measured.
        value: was measured, in `unit`.
        kind: whether `bound` is the most or the least.
    """

    what: str
    value: float
    kind: Literal["at most", "at least"]
    bound: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the measurement keeps the bound."""
        return self.value <= self.bound if self.kind == "at most" else self.value >= self.bound

    def text(self) -> Text:
        """One line that says so."""
        word = ("met", "green") if self.met else ("missed", "bold red")
        unit = f" {self.unit}" if self.unit else ""
        return Text.assemble(word, f": {self.what}: {_short(self.value)}{unit}, {self.kind} {_short(self.bound)}{unit}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Document:
    """Collects what a benchmark finds and shows it as it comes.

    Args:
        benchmark: its name.
        device: where it ran.
        settings: what it was asked to do.
    """

    def __init__(self, benchmark: str, device: torch.device, settings: Mapping[str, object]) -> None:
        environment = describe_environment(device)
        self._content: dict[str, Any] = {
            "schema": _SCHEMA,
            "benchmark": benchmark,
            "command": shlex.join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]]),
            "started": environment["started"],
            "machine": {key: environment[key] for key in _MACHINE},
            "versions": {
                "python": environment["python"],
                **environment["packages"],
                **{package: installed_version(package) for package in _MORE_PACKAGES},
            },
            "settings": dict(settings),
            "rows": [],
            "targets": [],
            "notes": [],
        }
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH
        self._head()

    def table(self, title: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show rows and keep them, each with the title of its table."""
        self.show(title, columns, rows)
        self.keep(title, rows)

    def keep(self, title: str, rows: Sequence[Row]) -> None:
        """Keep rows for the JSON document."""
        self._content["rows"] += [{"table": title, **row} for row in rows]

    def show(self, title: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show rows."""
        self._console.print(title, style="bold")
        shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            words = column.heading.split()
            numbers = [column.text(row) for row in rows] if column.format else []
            width = max(map(len, [*words, *numbers]))
            shown.add_column(column.heading, justify="right" if column.format else "left", min_width=width)
        for row in rows:
            shown.add_row(*(column.text(row) for column in columns))
        self._console.print(shown)
        self._console.print()

    def target(self, target: Target) -> None:
        """Show whether a target was met, and keep it."""
        self._console.print(target.text())
        self._content["targets"].append({**asdict(target), "met": target.met})

    def note(self, text: str) -> None:
        """Show a remark, and keep it."""
        self._console.print(text, style="dim")
        self._content["notes"].append(text)

    def write(self, path: Path | None) -> None:
        """Write the JSON document, whole; None writes none.

        Raises:
            RunError: the file cannot be written.
        """
        if path is not None:
            write_whole(path, json.dumps(self._content, indent=2) + "\n")
            self._console.print(f"written: {path}", style="dim")

    def _head(self) -> None:
        machine, versions = self._content["machine"], self._content["versions"]
        threads = f"{machine['threads']} of {machine['cpus']} CPU threads"
        self._console.print(
            f"{machine['device_name']} ({machine['device']}), {threads}, torch {versions['torch']}, "
            f"revision {machine['git_revision']}",
            style="dim",
        )
        self._console.print()
