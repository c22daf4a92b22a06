"""The networks and recipes that the tables of an experiment file list: their labels, and what each means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pure_nas.plans.grid.fields import GridTable
from pure_nas.space.architecture import Architecture
from pure_nas.space.placement import expand
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, Setting, get_unit, settings_read

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
            place, alone = _place(table, settings), len(choices) == 1
            yield Entry(label, name, index, settings, *place, table.against, table.recipes, alone)


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


def architecture_of(settings: Mapping[str, Any], **fields: Any) -> Architecture:
    """The network of a combination; `fields` are those of `Architecture` that a scale or the images decide."""
    named = Architecture.named(settings["base"])
    changes = {**{name: value for name, value in settings.items() if name not in ("base", "units")}, **fields}
    stages = len(named.units)
    if isinstance(changes.get("threshold_init"), float):
        changes["threshold_init"] = (changes["threshold_init"],) * stages
    if "units" in settings:
        if (parts := settings["units"].count("|") + 1) > stages:
            raise ValueError(f"units speaks of {parts} stages, but {settings['base']} has {stages}")
        changes["units"] = expand(settings["units"], named.blocks_per_stage)
    return Architecture.model_validate({**named.model_dump(), **changes})


def check_network(settings: Mapping[str, Any]) -> None:
    """Check that a combination is a network, and that something in it reads every setting."""
    units = sorted(architecture_of(settings).unit_set)
    ignored = [name for name in settings if name in get_args(Setting) and name not in settings_read(units)]
    if ignored:
        raise ValueError(f"{', '.join(ignored)} would be ignored: no unit of the network reads it ({', '.join(units)})")


def recipe_of(
    settings: Mapping[str, Any], architecture: Architecture, epochs: int = 160, batch_size: int = 128
) -> Recipe:
    """The recipe of a combination for a network: the usual one of its units, or of the unit it is like, changed."""
    like = settings.get("like")
    units = [get_unit(like)] if like else [get_unit(name) for name in sorted(architecture.unit_set)]
    usual = Recipe.shared(units)
    changes = {name: value for name, value in settings.items() if name != "like"}
    if "learning_rate" in changes:
        changes["learning_rate"] = _for_kinds(changes["learning_rate"], usual.learning_rate.model_dump())
    if "weight_decay" in changes:
        usual_decay: dict[str, Any] = {kind: usual.weight_decay[kind] for kind in PARAMETER_KINDS}
        given = _for_kinds(changes["weight_decay"], usual_decay)
        changes["weight_decay"] = {
            kind: each if isinstance(each, WeightDecay) else WeightDecay(start=each) for kind, each in given.items()
        }
    return Recipe.model_validate({**usual.model_dump(), **changes, "epochs": epochs, "batch_size": batch_size})


def _for_kinds(given: Any, usual: Mapping[str, Any]) -> dict[str, Any]:
    return {**usual, **given} if isinstance(given, dict) else dict.fromkeys(PARAMETER_KINDS, given)
