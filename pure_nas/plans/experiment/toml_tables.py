"""The tables of an experiment file: settings of networks and recipes, each a value or `{ each = [...] }` of several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

from pure_nas.errors import UsageError
from pure_nas.space.architecture import OF_UNITS, Architecture
from pure_nas.space.axis import Pattern, UnitName, expand
from pure_nas.space.field import FieldFaults, KeyPath, ReadBy, ValueReader, descriptions, field_type, with_fields_of
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, DecayValue, LearningRate, get_unit, settings_read
from pure_nas.validation import FrozenModel

_DEPTHS = sorted({18, 34, 50, 101, 152, *range(8, 1203, 6)})
_USUAL_NETWORKS = [f"{kind}{depth}" for kind in ("pure", "resnet") for depth in (18, 20, 32, 34, 44, 50, 56, 110, 152)]


class _KindsReader(ValueReader):
    """Reads one value (or `table`) for every parameter kind, or a table of some kinds."""

    def __init__(self, value_type: Any, table: type[BaseModel] | None = None) -> None:
        super().__init__(value_type)
        self._table = ValueReader(table) if table else None
        self._fields = tuple(table.model_fields) if table else ()

    def value(self, raw: object, faults: FieldFaults, path: KeyPath) -> Any:
        if not isinstance(raw, Mapping) or set(raw) & set(self._fields):
            return self._of_kind(raw, faults, path)
        faults.unknown_keys(raw, (*PARAMETER_KINDS, *self._fields), path)
        return {
            kind: self._of_kind(value, faults, (*path, kind)) for kind, value in raw.items() if kind in PARAMETER_KINDS
        }

    def _of_kind(self, raw: object, faults: FieldFaults, path: KeyPath) -> Any:
        if not self._table or not isinstance(raw, Mapping):
            return super().value(raw, faults, path)
        faults.unknown_keys(raw, self._fields, path)
        return self._table.value({key: each for key, each in raw.items() if key in self._fields}, faults, path)


def _is_grid(raw: object) -> bool:
    return isinstance(raw, Mapping) and "each" in raw


def _values(reader: ValueReader) -> Any:
    """The type of a field of which a file gives a value, or several."""

    def read(raw: Any, faults: FieldFaults) -> tuple[Any, ...]:
        if _is_grid(raw):
            return reader.listed(raw, "each", faults)
        if isinstance(raw, list) and not reader.per_stage:
            faults.add((), "several values, each of which is trained, are written { each = [...] }")
            return ()
        return (reader.value(raw, faults, ()),)

    return Annotated[tuple[Any, ...], ReadBy(read)]


def _field(model: type[BaseModel], name: str) -> tuple[Any, Any]:
    return _values(ValueReader(field_type(model, name), per_stage=descriptions(model)[name].per == "stage")), ()


def _known_network(name: str) -> str:
    try:
        Architecture.named(name)
    except UsageError as error:
        meant = _meant(name)
        message = f'{error.message[:-1]}; did you mean "{meant}"?' if meant else error.message
        raise ValueError(f"{message} {error.hint}") from error
    return name


def _meant(network: str) -> str:
    """The network of the nearest depth, or of a name like this one; empty where there is none."""
    if named := re.fullmatch(r"(pure|resnet)(\d{1,5})", network.strip().lower()):
        return f"{named[1]}{min(_DEPTHS, key=lambda depth: abs(depth - int(named[2])))}"
    return next(iter(get_close_matches(network, _USUAL_NETWORKS, n=1)), "")


def _names(raw: object, faults: FieldFaults) -> tuple[str, ...]:
    names = [raw] if isinstance(raw, str) else raw
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        faults.add((), "must be a name or a list of names")
        return ()
    return tuple(names)


Names = Annotated[tuple[str, ...] | None, ReadBy(_names)]
_ELSEWHERE = {
    name: each.elsewhere
    for model in (Recipe, Architecture)
    for name, each in descriptions(model).items()
    if each.elsewhere
}


class GridTable(FrozenModel):
    """A table of a file: one or more settings, each a value or several."""

    against: Names = None  # what each entry is compared with; None: not said
    _settings: tuple[str, ...] = ()  # those that are set, in the order of the file
    _grid: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[str, ...]:
        """Settings that are written as `{ each = [...] }`."""
        return self._grid

    def choices(self) -> Iterator[dict[str, Any]]:
        """Every combination of values; the field that is written last changes fastest."""
        for values in product(*(getattr(self, name) for name in self._settings)):
            yield dict(zip(self._settings, values, strict=True))

    @model_validator(mode="wrap")
    @classmethod
    def _of_possible_combinations(cls, raw: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(raw, Mapping):
            return handler(raw)
        faults = FieldFaults()
        for key in (key for key in raw if key in _ELSEWHERE):
            faults.add((key,), _ELSEWHERE[key])
        table = faults.raise_with(handler, {key: value for key, value in raw.items() if key not in _ELSEWHERE})
        table._settings = tuple(key for key in raw if key not in ("against", "recipes"))
        table._grid = tuple(key for key in table._settings if _is_grid(raw[key]))
        for choice in table.choices():
            try:
                cls.check(choice)
            except ValidationError as error:
                faults.extend((), error)
            except ValueError as error:
                faults.add((), str(error))
        faults.raise_any()
        return table

    @staticmethod
    def check(settings: Mapping[str, Any]) -> None:
        """Raise what is wrong with one combination of values."""


@with_fields_of(Architecture, _field, where=lambda each: not each.elsewhere, units=(_values(ValueReader(Pattern)), ()))
class NetworkTable(GridTable):
    """Settings of networks: those that they begin with by their usual names, the units in them (names, or patterns such
    as "conv | conv product"), and every other field of `Architecture`."""

    base: _values(ValueReader(Annotated[str, AfterValidator(_known_network)]))  # type: ignore[valid-type]
    recipes: Names = None  # those that a network is trained by; None for all

    @staticmethod
    def check(settings: Mapping[str, Any]) -> None:
        units = sorted(architecture_of(settings).unit_set)
        ignored = [name for name in settings if name in OF_UNITS and name not in settings_read(units)]
        if ignored:
            names = ", ".join(ignored)
            raise ValueError(f"{names} would be ignored: no unit of the network reads it ({', '.join(units)})")


@with_fields_of(
    Recipe,
    _field,
    where=lambda each: not each.elsewhere,
    learning_rate=(_values(_KindsReader(LearningRate)), ()),
    weight_decay=(_values(_KindsReader(DecayValue, WeightDecay)), ()),
)
class RecipeTable(GridTable):
    """Settings of recipes: the units whose usual recipes they begin with (a network's own if left out), and every field
    of `Recipe` but the epochs and the batch size, which a scale decides."""

    like: _values(ValueReader(UnitName)) = ()  # type: ignore[valid-type]

    @staticmethod
    def check(settings: Mapping[str, Any]) -> None:
        recipe_of(settings, architecture_of({"base": "pure20"}))


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
    values = getattr(table, field)
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
