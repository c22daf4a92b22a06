"""The networks and recipes that the tables of an experiment file list, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.plans.grid.tables import GridTable, NetworkTable
from pure_nas.space.architecture import Architecture

DEPTH = "depth"


@dataclass(frozen=True)
class Entry:
    """One network or recipe of a table."""

    label: str  # in the report and on the command line
    table: str
    index: int  # its place in its table
    settings: Mapping[str, Any]
    axis: str  # the one number in which it differs from others of its table: a field, or "depth" of the base; or empty
    place: float | None  # its value there
    against: tuple[str, ...] | None
    recipes: tuple[str, ...] | None
    alone: bool  # whether its table has no other

    def named(self, name: str, index: int) -> bool:
        """Whether `name` means it for entry `index` of another table: by label, or by table, paired in order."""
        return self.label == name or (self.table == name and (self.alone or self.index == index))

    def trained_by(self, recipe: Entry) -> bool:
        return self.recipes is None or bool({recipe.label, recipe.table} & set(self.recipes))


def entries_of(tables: Mapping[str, GridTable]) -> Iterator[Entry]:
    """Every network or recipe, in the order of the file."""
    labels = Counter(_label(name, table, choice) for name, table in tables.items() for choice in table.choices())
    for name, table in tables.items():
        choices = list(table.choices())
        for index, settings in enumerate(choices):
            label = _label(name, table, settings)
            if table.grid == ("base",) and labels[label] > 1:
                label = f"{name} {label}"
            recipes = table.recipes if isinstance(table, NetworkTable) else None
            place, alone = _place(table, settings), len(choices) == 1
            yield Entry(label, name, index, settings, *place, table.against, recipes, alone)


def chosen(entries: Iterable[Entry], names: Sequence[str] | None) -> list[Entry]:
    """The entries that a scale names by label or by table; all where it names none."""
    return [entry for entry in entries if names is None or {entry.label, entry.table} & set(names)]


def _place(table: GridTable, settings: Mapping[str, Any]) -> tuple[str, float | None]:
    if len(table.grid) != 1:
        return "", None
    (field,) = table.grid
    if field == "base":
        return DEPTH, float(Architecture.named(settings["base"]).depth)
    values = table.settings[field]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return (field, float(settings[field])) if numbers else ("", None)


def _label(name: str, table: GridTable, settings: Mapping[str, Any]) -> str:
    """The table's name and what tells its entries apart; for a grid of bases, their names."""
    if not table.grid:
        return name
    rest = [field for field in table.grid if field != "base"]
    first = settings["base"] if "base" in table.grid else name
    if len(rest) == 1 and not isinstance(settings[rest[0]], bool | dict):
        return f"{first} {_text(settings[rest[0]])}"
    return " ".join([first, *(f"{field} {_text(settings[field])}" for field in rest)])


def _text(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple():
            return "/".join(map(_text, value))
        case dict():
            return " ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return str(value)
