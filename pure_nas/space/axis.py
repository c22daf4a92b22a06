"""Axes: the values that one field of a candidate may take, and how a search space file writes them.

A plain value fixes a field; `{ choices = [...] }` or `{ low = ..., high = ..., log = true }` search it. Each
value and bound is checked against the field of `Architecture` or `Recipe` that it will fill, so that no
suggestion can be refused later.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, cast

from pure_nas.errors import nearest
from pure_nas.space.field import FieldFaults, Path, ReadBy, ValueReader, note_repeats, written
from pure_nas.validation import shown

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RANGE_KEYS = ("low", "high", "log")
AXIS_KEYS = ("choices", *RANGE_KEYS)

Value = bool | int | float | str | None
T = TypeVar("T")
Spread = Callable[[T], tuple[Any, ...]]
"""What one value of an axis stands for, place by place."""


class Suggester(Protocol):
    """The part of an Optuna trial that axes use."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


class Axis(ABC, Generic[T]):
    """The values that one field may take."""

    @property
    @abstractmethod
    def values(self) -> tuple[T, ...]:
        """Every value in ascending order where they are numbers, else as written; for a range of floats its ends."""

    @property
    def count(self) -> int:
        """How many architectures the axis tells apart: its values, or 1 for a range of floats."""
        return len(self.values)

    @property
    def smallest(self) -> T:
        """The lowest number, or the first choice."""
        return self.values[0]

    @property
    def largest(self) -> T:
        """The highest number, or the last choice."""
        return self.values[-1]

    @property
    def middle(self) -> T:
        """The median; the lower of the two in the middle."""
        return self.values[(len(self.values) - 1) // 2]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def nearest(self, value: T) -> T:
        """`value` where the axis holds it, else the closest number, else the first choice."""
        if value in self:
            return value
        if not _is_number(value):
            return self.values[0]
        return min(self.values, key=lambda other: _distance(other, value))

    def standing_for(self, wanted: tuple[Any, ...], spread: Spread[T]) -> T | None:
        """The first value that `spread` turns into `wanted`.

        Raises:
            LookupError: there is none.
        """
        for value in self.values:
            if spread(value) == wanted:
                return value
        raise LookupError(wanted)

    @abstractmethod
    def ask(self, trial: Suggester, name: str) -> T:
        """Let `trial` choose a value; one that is fixed is not asked for."""

    @abstractmethod
    def distribution(self) -> BaseDistribution | None:
        """What Optuna records when `ask` was answered; None where nothing is asked."""

    @abstractmethod
    def plain(self) -> object:
        """The axis as a search space file writes it; None is written "none"."""


@dataclass(frozen=True)
class Fixed(Axis[T]):
    """One value, never suggested."""

    value: T

    @property
    def values(self) -> tuple[T, ...]:
        return (self.value,)

    def ask(self, trial: Suggester, name: str) -> T:
        return self.value

    def distribution(self) -> None:
        return None

    def plain(self) -> object:
        return written(self.value)


@dataclass(frozen=True)
class Choices(Axis[T]):
    """Two or more values, suggested by name or number."""

    choices: tuple[T, ...]

    @property
    def values(self) -> tuple[T, ...]:
        if any(isinstance(choice, str | bool) for choice in self.choices):
            return self.choices
        return tuple(sorted(self.choices, key=lambda value: math.inf if value is None else cast(float, value)))

    def ask(self, trial: Suggester, name: str) -> T:
        return cast(T, trial.suggest_categorical(name, self.choices))

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(cast(tuple[Value, ...], self.choices))

    def plain(self) -> object:
        return {"choices": [written(choice) for choice in self.choices]}


@dataclass(frozen=True)
class _Range(Axis[T]):
    """Every number from `low` to `high`, both included; evenly over magnitudes where `log`."""

    low: T
    high: T
    log: bool = False

    def plain(self) -> object:
        return {"low": self.low, "high": self.high, **({"log": True} if self.log else {})}


@dataclass(frozen=True)
class IntRange(_Range[int]):
    """Every integer from `low` to `high`, both included; small ones more often where `log`."""

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1))

    def ask(self, trial: Suggester, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class FloatRange(_Range[float]):
    """Every number from `low` to `high`; evenly over magnitudes where `log`."""

    @property
    def values(self) -> tuple[float, ...]:
        return (self.low, self.high)

    @property
    def count(self) -> int:
        return 1

    @property
    def middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2

    def __contains__(self, value: object) -> bool:
        return _is_number(value) and self.low <= cast(float, value) <= self.high

    def standing_for(self, wanted: tuple[Any, ...], spread: Spread[float]) -> float | None:
        value = wanted[0]
        if value in self and spread(value) == wanted:
            return cast(float, value)
        raise LookupError(wanted)

    def ask(self, trial: Suggester, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(value: object, other: object) -> float:
    return abs(cast(float, value) - cast(float, other)) if _is_number(value) else math.inf


class AxisOf(ReadBy):
    """Annotates a model's `Axis` field with the type that each of its values must have."""

    def __init__(self, value_type: Any) -> None:
        super().__init__(self._read)
        self._reader = ValueReader(value_type)

    def _read(self, raw: object) -> Any:
        """The axis that a file writes as `raw`.

        Raises:
            ValidationError: it breaks a rule; every fault is listed.
        """
        if isinstance(raw, Axis | StageAxis):
            return raw
        faults = FieldFaults()
        axis = self._parsed(raw, faults)
        faults.raise_any()
        return axis

    def _parsed(self, raw: object, faults: FieldFaults) -> Any:
        return self.parse(raw, faults)

    def parse(self, raw: object, faults: FieldFaults, path: Path = ()) -> Axis[Any]:
        """The axis that a file writes as `raw`; what is wrong goes to `faults` and the axis is then of no use."""
        if isinstance(raw, list):
            faults.add(path, "a list of values to choose from is written { choices = [...] }")
            return Fixed(None)
        if not isinstance(raw, Mapping):
            return Fixed(self._reader.value(raw, faults, path))
        if "choices" in raw:
            faults.unknown_keys(raw, ("choices",), path)
            return self._choices(raw["choices"], faults, (*path, "choices"))
        if "low" in raw or "high" in raw:
            return self._range(raw, faults, path)
        faults.unknown_keys(raw, AXIS_KEYS, path)
        faults.add(path, "must be a value, { choices = [...] } or { low = ..., high = ... }")
        return Fixed(None)

    def _choices(self, raw: object, faults: FieldFaults, path: Path) -> Axis[Any]:
        noted = len(faults)
        values = self._reader.values(raw, faults, path)
        note_repeats(values, faults, path, ignore_none=len(faults) > noted)
        return Choices(values) if len(values) > 1 else Fixed(values[0] if values else None)

    def _range(self, raw: Mapping[str, object], faults: FieldFaults, path: Path) -> Axis[Any]:
        noted = len(faults)
        faults.unknown_keys(raw, RANGE_KEYS, path)
        if len(faults) == noted:  # a misspelt key is not also a missing one
            for key in {"low", "high"} - set(raw):
                faults.add((*path, key), "is missing")
        low: Any = self._reader.value(raw["low"], faults, (*path, "low")) if "low" in raw else None
        high: Any = self._reader.value(raw["high"], faults, (*path, "high")) if "high" in raw else None
        log = raw.get("log", False)
        if not isinstance(log, bool):
            faults.add((*path, "log"), f"must be true or false, got {shown(log)}")
        if len(faults) > noted:
            return Fixed(None)
        if any(isinstance(bound, bool | str | None) for bound in (low, high)):
            faults.add(path, "a range needs two numbers; give a value or { choices = [...] }")
            return Fixed(None)
        if low > high:
            faults.add(path, f"low <= high must hold, but got low = {low} and high = {high}")
        if log and low <= 0:
            faults.add((*path, "low"), f"log = true needs low > 0, got {low}")
        if low == high:
            return Fixed(low)
        return IntRange(low, high, bool(log)) if isinstance(low, int) else FloatRange(low, high, bool(log))


def note_per(per: object, known: Sequence[str], faults: FieldFaults) -> None:
    """Note a `per` that is not known."""
    if per not in known:
        faults.add(("per",), f"{shown(per)} is not valid; {nearest(per if isinstance(per, str) else '', known)}")


@dataclass(frozen=True)
class StageAxis:
    """One axis for every stage, or one a stage.

    Attributes:
        axes: one for all stages, or one for each.
        per: "stage" draws a value for each stage, "network" one for all.
    """

    axes: tuple[Axis[Any], ...]
    per: Literal["stage", "network"] = "stage"

    def at(self, stage: int) -> Axis[Any]:
        """The axis of `stage`; the last one's for stages that the space does not have."""
        return self.axes[min(stage, len(self.axes) - 1)]

    def plain(self) -> object:
        """The axis as a search space file writes it."""
        written = [axis.plain() for axis in self.axes]
        if len(written) > 1:
            return written
        return {**written[0], "per": self.per} if isinstance(written[0], dict) else written[0]


class StageAxisOf(AxisOf):
    """Annotates a model's `StageAxis` field; a file may also write a list with one entry a stage."""

    def _parsed(self, raw: object, faults: FieldFaults) -> StageAxis:
        if isinstance(raw, list):
            if not raw:
                faults.add((), "must list one value a stage")
            return StageAxis(tuple(self.parse(item, faults, (stage,)) for stage, item in enumerate(raw)))
        if not isinstance(raw, Mapping):
            return StageAxis((self.parse(raw, faults),))
        per = raw.get("per", "stage")
        note_per(per, ("stage", "network"), faults)
        axis = self.parse({key: value for key, value in raw.items() if key != "per"}, faults)
        return StageAxis((axis,)) if isinstance(axis, Fixed) else StageAxis((axis,), per)
