"""How the tables of an experiment file are written: a value, or `{ each = [...] }` for a network or recipe of each.

Each value is checked against the field of `Architecture` or `Recipe` that it will fill, and every fault of a table is
found at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationError

from pure_nas.errors import UsageError
from pure_nas.space.architecture import Architecture
from pure_nas.space.field import FieldFaults, Path, ReadBy, ValueReader, descriptions, field_type
from pure_nas.space.placement import UnitName, read_pattern
from pure_nas.space.recipe import DecayValue, LearningRate, Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS

_DEPTHS = sorted({18, 34, 50, 101, 152, *range(8, 1203, 6)})
_USUAL_NETWORKS = [f"{kind}{depth}" for kind in ("pure", "resnet") for depth in (18, 20, 32, 34, 44, 50, 56, 110, 152)]


@dataclass(frozen=True)
class GridTable:
    """A table of a file: one or more settings, each a value or several."""

    settings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # in the order of the file
    grid: tuple[str, ...] = ()  # fields that are written as `{ each = [...] }`
    against: tuple[str, ...] | None = None  # what each entry is compared with; None: not said
    recipes: tuple[str, ...] | None = None  # those that a network is trained by; None for all

    def choices(self) -> Iterator[dict[str, Any]]:
        """Every combination of values; the field that is written last changes fastest."""
        for values in product(*self.settings.values()):
            yield dict(zip(self.settings, values, strict=True))


def _is_grid(raw: object) -> bool:
    return isinstance(raw, Mapping) and "each" in raw


class FieldReader(ValueReader):
    """Reads one field: a value, or several of them; with `per_stage` a value may be a list of one for each stage."""

    def __init__(self, value_type: Any, *, per_stage: bool = False) -> None:
        super().__init__(value_type)
        self._per_stage = per_stage

    def read(self, raw: Any, faults: FieldFaults, path: Path) -> tuple[Any, ...]:
        """The values that `raw` says; what is wrong with it goes to `faults`."""
        if not _is_grid(raw):
            if isinstance(raw, list) and not self._per_stage:
                faults.add(path, "several values, each of which is trained, are written { each = [...] }")
                return (None,)
            return (self.value(raw, faults, path),)
        faults.unknown_keys(raw, ("each",), path)
        noted, path = len(faults), (*path, "each")
        values = self.values(raw["each"], faults, path)
        for index, value in enumerate(values if len(faults) == noted else ()):
            if value in values[:index]:
                faults.add((*path, index), f"{value!r} is listed twice")
        return values

    def value(self, raw: object, faults: FieldFaults, path: Path) -> Any:
        if not self._per_stage or not isinstance(raw, list):
            return super().value(raw, faults, path)
        return tuple(super(FieldReader, self).value(item, faults, (*path, index)) for index, item in enumerate(raw))


class KindsReader(FieldReader):
    """Reads one value (or `table`) for every parameter kind, a table of some kinds, or several of either."""

    def __init__(self, value_type: Any, table: type[BaseModel] | None = None) -> None:
        super().__init__(value_type)
        self._table = ValueReader(table) if table else None
        self._fields = tuple(table.model_fields) if table else ()

    def value(self, raw: object, faults: FieldFaults, path: Path) -> Any:
        if not isinstance(raw, Mapping) or set(raw) & set(self._fields):
            return self._of_kind(raw, faults, path)
        faults.unknown_keys(raw, (*PARAMETER_KINDS, *self._fields), path)
        return {
            kind: self._of_kind(value, faults, (*path, kind)) for kind, value in raw.items() if kind in PARAMETER_KINDS
        }

    def _of_kind(self, raw: object, faults: FieldFaults, path: Path) -> Any:
        if not self._table or not isinstance(raw, Mapping):
            return super().value(raw, faults, path)
        faults.unknown_keys(raw, self._fields, path)
        return self._table.value({key: each for key, each in raw.items() if key in self._fields}, faults, path)


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


def _known_pattern(raw: str) -> str:
    pattern, wrong = read_pattern(raw)
    if wrong:
        raise ValueError(wrong[0])
    return pattern


def _readers(model: type[BaseModel], **given: FieldReader) -> dict[str, FieldReader]:
    """Those `given`, and one for every other field of `model` that is not decided elsewhere."""
    found = dict(given)
    for name, described in descriptions(model).items():
        if not described.elsewhere and name not in given:
            found[name] = FieldReader(field_type(model, name), per_stage=described.per == "stage")
    return found


NETWORK_FIELDS: Mapping[str, FieldReader] = _readers(
    Architecture,
    base=FieldReader(Annotated[str, AfterValidator(_known_network)]),
    units=FieldReader(Annotated[str, AfterValidator(_known_pattern)]),
)
"""Settings of a network: the network it begins with by its usual name, the units in it (a name, or a pattern such as
"conv | conv product"), and every other field of `Architecture`."""

RECIPE_FIELDS: Mapping[str, FieldReader] = _readers(
    Recipe,
    like=FieldReader(UnitName),
    learning_rate=KindsReader(LearningRate),
    weight_decay=KindsReader(DecayValue, WeightDecay),
)
"""Settings of a recipe: the unit whose usual recipe it begins with (the network's own if left out), and every field of
`Recipe` but the epochs and the batch size, which a scale decides."""

_ELSEWHERE = {
    name: each.elsewhere
    for model in (Recipe, Architecture)
    for name, each in descriptions(model).items()
    if each.elsewhere
}


class TableOf(ReadBy):
    """Annotates a `GridTable` field of a model.

    Args:
        check: raises what is wrong with one combination of values.
        more: further keys than fields, "against" and "recipes".
    """

    def __init__(
        self,
        fields: Mapping[str, FieldReader],
        check: Callable[[Mapping[str, Any]], object],
        *,
        required: tuple[str, ...] = (),
        more: tuple[str, ...] = (),
    ) -> None:
        super().__init__(self._read)
        self._fields = fields
        self._check = check
        self._required = required
        self._more = more

    def _read(self, raw: object) -> GridTable:
        """The table that a file writes as `raw`, or every fault of it."""
        if isinstance(raw, GridTable):
            return raw
        faults = FieldFaults()
        if not isinstance(raw, Mapping):
            faults.add((), "must be a table")
            faults.raise_any()
            return GridTable()
        wrong = {(key,): _ELSEWHERE[key] for key in raw if key in _ELSEWHERE}
        wrong |= {(key,): "is missing" for key in self._required if key not in raw}
        for path, message in wrong.items():
            faults.add(path, message)
        faults.unknown_keys({key: None for key in raw if key not in _ELSEWHERE}, (*self._fields, *self._more))
        fields = {key: value for key, value in raw.items() if key in self._fields}
        table = GridTable(
            {key: self._fields[key].read(value, faults, (key,)) for key, value in fields.items()},
            tuple(key for key, value in fields.items() if _is_grid(value)),
            self._names("against", raw, faults),
            self._names("recipes", raw, faults),
        )
        faults.raise_any()
        # What several combinations have in common is said once.
        for message in dict.fromkeys(message for choice in table.choices() for message in self._wrong(choice)):
            faults.add((), message)
        faults.raise_any()
        return table

    def _names(self, key: str, raw: Mapping[str, Any], faults: FieldFaults) -> tuple[str, ...] | None:
        """A name, or a list of names; None where there is no such key."""
        given = raw.get(key) if key in self._more else None
        names = [given] if isinstance(given, str) else given
        if names is None:
            return None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            faults.add((key,), "must be a name or a list of names")
            return None
        return tuple(names)

    def _wrong(self, choice: Mapping[str, Any]) -> list[str]:
        try:
            self._check(choice)
        except ValidationError as error:
            return [_in_words(details) for details in error.errors()]
        except ValueError as error:
            return [str(error)]
        return []


def _in_words(details: Any) -> str:
    message = str(details["ctx"]["error"]) if details["type"] == "value_error" else str(details["msg"])
    place = ".".join(str(part) for part in details["loc"])
    return f"{place}: {message}" if place else message
