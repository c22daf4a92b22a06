"""Tables of numbers for a terminal, in the fullest form that fits its width."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_UNBOUNDED = 10_000


def bare_table() -> Table:
    """A table that has no columns yet, with a line under its head and no frame."""
    return Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def plain_table(*columns: str, words: Collection[str] = ()) -> Table:
    """A table of numbers: names on the left, and so are the columns of `words`."""
    table = bare_table()
    for index, name in enumerate(columns):
        left = index == 0 or name in words
        table.add_column(name, justify="left" if left else "right", no_wrap=not left)
    return table


def fitting(console: Console, tables: Iterable[Table]) -> Table:
    """The first of `tables`, given from the fullest to the briefest, that fits without wrapping; else the last.

    Raises:
        ValueError: there is none.
    """
    last = None
    for last in tables:
        if console.measure(last, options=console.options.update(width=_UNBOUNDED)).maximum <= console.width:
            break
    if last is None:
        raise ValueError("There is no table to choose from.")
    return last
