"""Axes: the values that a field of a candidate may take, each checked against it, and how space files write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, cast, get_args

from pydantic import AfterValidator

from pure_nas.errors import UsageError, nearest
from pure_nas.space.field import FieldFaults, KeyPath, ReadBy, ValueReader
from pure_nas.space.unit import get_unit
from pure_nas.validation import shown

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

RANGE_KEYS = ("low", "high", "log")
AXIS_KEYS = ("choices", *RANGE_KEYS)

Value = bool | int | float | str | None
T = TypeVar("T")
Spread = Callable[[T], tuple[Any, ...]]  # what one value of an axis stands for, place by place
Size = Literal["small", "middle", "large"]
UnitsPer = Literal["layer", "stage", "network"]
Placement = tuple[tuple[str, ...], ...]  # which unit each residual block holds, stage by stage


@dataclass(frozen=True)
class Axis(Generic[T]):
    """The values that one field may take."""

    choices: tuple[T, ...]  # one value, which is never suggested, or several to choose from; or the two ends of a range
    scale: Literal["linear", "log"] | None = None  # of a range: over what numbers, or their magnitudes, are spread

    @property
    def fixed(self) -> bool:
        return len(self.choices) == 1

    @property
    def _floats(self) -> bool:
        return self.scale is not None and isinstance(self.choices[0], float)

    @property
    def values(self) -> tuple[T, ...]:
        """Every value in ascending order where they are numbers, else as written; for a range of floats its ends."""
        choices: tuple[Any, ...] = self.choices
        if self._floats or any(isinstance(choice, str | bool) for choice in choices):
            return choices
        if self.scale:
            choices = tuple(range(choices[0], choices[1] + 1))
        return tuple(sorted(choices, key=lambda value: math.inf if value is None else value))

    @property
    def count(self) -> int:
        """How many architectures the axis tells apart: its values, or 1 for a range of floats."""
        return 1 if self._floats else len(self.values)

    def sized(self, size: Size) -> T:
        """The first, middle (the lower of two) or last of the values."""
        return self.values[{"small": 0, "middle": (len(self.values) - 1) // 2, "large": -1}[size]]

    def __contains__(self, value: object) -> bool:
        if not self._floats:
            return value in self.values
        low, high = cast(tuple[float, float], self.choices)
        return _is_number(value) and low <= cast(float, value) <= high

    def nearest(self, value: T) -> T:
        """`value` where the axis holds it, else the closest number, else the first choice."""
        if value in self:
            return value
        numbers: list[Any] = [other for other in self.values if _is_number(other)] if _is_number(value) else []
        return min(numbers, key=lambda other: abs(other - value), default=self.values[0])

    def standing_for(self, wanted: tuple[Any, ...], spread: Spread[T]) -> T | None:
        """The first value that `spread` turns into `wanted`; a `LookupError` where there is none."""
        for value in [each for each in wanted[:1] if each in self] if self._floats else self.values:
            if spread(value) == wanted:
                return value
        raise LookupError(wanted)

    def ask(self, trial: BaseTrial, name: str) -> Any:
        """Let `trial` choose a value; one that is fixed is not asked for."""
        choices: tuple[Any, ...] = self.choices
        if self.fixed:
            return choices[0]
        if self.scale is None:
            return trial.suggest_categorical(name, choices)
        suggest: Callable[..., Any] = trial.suggest_float if self._floats else trial.suggest_int
        return suggest(name, *choices, log=self.scale == "log")

    def distribution(self) -> BaseDistribution | None:
        """What Optuna records when `ask` was answered; None where nothing is asked."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        choices: tuple[Any, ...] = self.choices
        if self.fixed:
            return None
        if self.scale is None:
            return CategoricalDistribution(choices)
        low, high = choices
        return (FloatDistribution if self._floats else IntDistribution)(low, high, log=self.scale == "log")

    def plain(self) -> object:
        """The axis as a search space file writes it; None is written "none"."""
        values = ["none" if choice is None else choice for choice in self.choices]
        if self.scale is None:
            return values[0] if self.fixed else {"choices": values}
        return {"low": values[0], "high": values[1], **({"log": True} if self.scale == "log" else {})}


def fixed(value: T) -> Axis[T]:
    """The axis of one value."""
    return Axis((value,))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FAULTY: Axis[Any] = fixed(None)  # stands for an axis that cannot be read


class AxisOf(ReadBy):
    """Annotates a model's `Axis` field with the type of its values; with `per_stage` it is a `StageAxis`."""

    def __init__(self, value_type: Any, *, per_stage: bool = False) -> None:
        super().__init__(self._for_stages if per_stage else self.parse)
        self._reader = ValueReader(value_type)

    def _for_stages(self, raw: object, faults: FieldFaults) -> StageAxis:
        if isinstance(raw, list):
            if not raw:
                faults.add((), "must list one value per stage")
            return StageAxis(tuple(self.parse(item, faults, (stage,)) for stage, item in enumerate(raw)))
        if not isinstance(raw, Mapping):
            return StageAxis((self.parse(raw, faults),))
        per = read_per(raw, ("stage", "network"), faults)
        axis = self.parse({key: value for key, value in raw.items() if key != "per"}, faults)
        return StageAxis((axis,)) if axis.fixed else StageAxis((axis,), per)

    def parse(self, raw: object, faults: FieldFaults, path: KeyPath = ()) -> Axis[Any]:
        """The axis that a file writes as `raw`, of no use where something was wrong, which goes to `faults`."""
        if isinstance(raw, list):
            faults.add(path, "a list of values to choose from is written { choices = [...] }")
        elif not isinstance(raw, Mapping):
            return fixed(self._reader.value(raw, faults, path))
        elif "choices" in raw:
            return self.listed(raw, "choices", faults, path)
        elif "low" in raw or "high" in raw:
            return self._range(raw, faults, path)
        else:
            faults.unknown_keys(raw, AXIS_KEYS, path)
            faults.add(path, "must be a value, { choices = [...] } or { low = ..., high = ... }")
        return _FAULTY

    def listed(
        self, raw: Mapping[str, object], key: str, faults: FieldFaults, path: KeyPath = (), *, more: Sequence[str] = ()
    ) -> Axis[Any]:
        return Axis(self._reader.listed(raw, key, faults, path, more=more) or (None,))

    def _range(self, raw: Mapping[str, object], faults: FieldFaults, path: KeyPath) -> Axis[Any]:
        noted = len(faults.noted)
        faults.unknown_keys(raw, RANGE_KEYS, path)
        if len(faults.noted) == noted:  # a misspelt key is not also a missing one
            for key in {"low", "high"} - set(raw):
                faults.add((*path, key), "is missing")
        bounds = {key: self._reader.value(raw[key], faults, (*path, key)) for key in ("low", "high") if key in raw}
        log = raw.get("log", False)
        if not isinstance(log, bool):
            faults.add((*path, "log"), f"must be true or false, got {shown(log)}")
        if len(faults.noted) > noted:
            return _FAULTY
        low, high = bounds["low"], bounds["high"]
        if not _is_number(low) or not _is_number(high):
            faults.add(path, "a range needs two numbers; give a value or { choices = [...] }")
            return _FAULTY
        if low > high:
            faults.add(path, f"low <= high must hold, but got low = {low} and high = {high}")
        if log and low <= 0:
            faults.add((*path, "low"), f"log = true needs low > 0, got {low}")
        return fixed(low) if low == high else Axis((low, high), "log" if log else "linear")


def read_per(raw: Mapping[str, object], known: Sequence[str], faults: FieldFaults) -> Any:
    """What a table says that each has a value of its own; the first of `known` where it is left out."""
    per = raw.get("per", known[0])
    if per not in known:
        faults.add(("per",), f"{shown(per)} is not valid; {nearest(per if isinstance(per, str) else '', known)}")
    return per


@dataclass(frozen=True)
class StageAxis:
    """One axis for every stage, or one for each; `per` says whether a value is drawn for each stage or one for all."""

    axes: tuple[Axis[Any], ...]
    per: Literal["stage", "network"] = "stage"

    def at(self, stage: int) -> Axis[Any]:
        """The axis of `stage`; the last one's for stages that the space does not have."""
        return self.axes[min(stage, len(self.axes) - 1)]

    def plain(self) -> object:
        entries = [axis.plain() for axis in self.axes]
        if len(entries) > 1:
            return entries
        return {**entries[0], "per": self.per} if isinstance(entries[0], dict) else entries[0]


@dataclass(frozen=True)
class UnitsAxis:
    """The placements of a space: units that are chosen `per` layer, stage or network, or patterns (None)."""

    axis: Axis[str]
    per: UnitsPer | None

    @property
    def names(self) -> tuple[str, ...]:
        if self.per is not None:
            return self.axis.values
        names = (name for pattern in self.axis.values for part in _parts(pattern) for name in part)
        return tuple(dict.fromkeys(names))

    def plain(self) -> object:
        if self.per is not None:
            return {"choices": list(self.axis.values), "per": self.per}
        return self.axis.values[0] if self.axis.fixed else {"patterns": list(self.axis.values)}


def expand(pattern: str, blocks_per_stage: Sequence[int]) -> Placement:
    """The placement that a pattern stands for; its names repeat over a stage, its last part over the other stages.

    >>> expand("conv | conv product", [2, 3, 2])
    (('conv', 'conv'), ('conv', 'product', 'conv'), ('conv', 'product'))
    """
    parts = _parts(pattern)
    return tuple(
        tuple(islice(cycle(parts[min(stage, len(parts) - 1)]), blocks)) for stage, blocks in enumerate(blocks_per_stage)
    )


def _parts(pattern: str) -> list[list[str]]:
    return [part.split() for part in pattern.split("|")]


def read_pattern(raw: object, faults: FieldFaults) -> str:
    """A pattern with single spaces."""
    if not isinstance(raw, str):
        faults.add((), f"must be a pattern: unit names, with | between stages, got {shown(raw)}")
        return ""
    parts = _parts(raw)
    if not all(parts):
        faults.add((), f'"{raw.strip()[:60]}" has a stage without a unit')
    for name in dict.fromkeys(name for part in parts for name in part):
        try:
            get_unit(name)
        except UsageError as error:
            faults.add((), str(error))
    return " | ".join(" ".join(part) for part in parts)


UnitName = Annotated[str, AfterValidator(lambda name: get_unit(name).name)]
Pattern = Annotated[str, ReadBy(read_pattern)]
_UNIT_NAMES, _PATTERNS = AxisOf(UnitName), AxisOf(Pattern)


def read_units(raw: object, faults: FieldFaults) -> UnitsAxis:
    """The placements that a file writes as `raw`."""
    match raw:
        case str():
            return UnitsAxis(_PATTERNS.parse(raw, faults), None)
        case Mapping() if "patterns" in raw:
            return UnitsAxis(_PATTERNS.listed(raw, "patterns", faults), None)
        case Mapping() if "choices" in raw:
            per = read_per(raw, get_args(UnitsPer), faults)
            return UnitsAxis(_UNIT_NAMES.listed(raw, "choices", faults, more=["per"]), per)
    faults.add((), 'must be a pattern such as "product", { choices = [...], per = "layer" } or { patterns = [...] }')
    return UnitsAxis(fixed(""), None)
