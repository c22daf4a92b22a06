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
Size = Literal["smallest", "middle", "largest"]


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

    def sized(self, size: Size) -> T:
        """The first, middle (the lower of two) or last of the values."""
        return self.values[{"smallest": 0, "middle": (len(self.values) - 1) // 2, "largest": -1}[size]]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def nearest(self, value: T) -> T:
        """`value` where the axis holds it, else the closest number, else the first choice."""
        if value in self:
            return value
        numbers: list[Any] = [other for other in self.values if _is_number(other)] if _is_number(value) else []
        return min(numbers, key=lambda other: abs(other - value), default=self.values[0])

    def standing_for(self, wanted: tuple[Any, ...], spread: Spread[T]) -> T | None:
        """The first value that `spread` turns into `wanted`.

        Raises:
            LookupError: there is none.
        """
        for value in self._possible(wanted):
            if spread(value) == wanted:
                return value
        raise LookupError(wanted)

    def _possible(self, wanted: tuple[Any, ...]) -> Sequence[T]:
        return self.values

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
class Choices(Axis[T]):
    """Values that are suggested by name or number; a single one is fixed, never suggested."""

    choices: tuple[T, ...]

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1

    @property
    def values(self) -> tuple[T, ...]:
        if any(isinstance(choice, str | bool) for choice in self.choices):
            return self.choices
        return tuple(sorted(self.choices, key=lambda value: math.inf if value is None else cast(float, value)))

    def ask(self, trial: Suggester, name: str) -> T:
        return self.choices[0] if self.fixed else cast(T, trial.suggest_categorical(name, self.choices))

    def distribution(self) -> BaseDistribution | None:
        from optuna.distributions import CategoricalDistribution

        return None if self.fixed else CategoricalDistribution(cast(tuple[Value, ...], self.choices))

    def plain(self) -> object:
        return written(self.choices[0]) if self.fixed else {"choices": [written(choice) for choice in self.choices]}


def fixed(value: T) -> Choices[T]:
    """The axis of one value."""
    return Choices((value,))


@dataclass(frozen=True)
class _Range(Axis[T]):
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
    """Every number from `low` to `high`, both included; evenly over magnitudes where `log`."""

    @property
    def values(self) -> tuple[float, ...]:
        return (self.low, self.high)

    @property
    def count(self) -> int:
        return 1

    def __contains__(self, value: object) -> bool:
        return _is_number(value) and self.low <= cast(float, value) <= self.high

    def _possible(self, wanted: tuple[Any, ...]) -> Sequence[float]:
        return wanted[:1] if wanted[0] in self else ()

    def ask(self, trial: Suggester, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FAULTY: Axis[Any] = fixed(None)
"""Stands for an axis that cannot be read."""


class AxisOf(ReadBy):
    """Annotates a model's `Axis` field with the type that each of its values must have."""

    def __init__(self, value_type: Any) -> None:
        super().__init__(self._read)
        self._reader = ValueReader(value_type)

    def _read(self, raw: object) -> Any:
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
        elif not isinstance(raw, Mapping):
            return fixed(self._reader.value(raw, faults, path))
        elif "choices" in raw:
            faults.unknown_keys(raw, ("choices",), path)
            return self._choices(raw["choices"], faults, (*path, "choices"))
        elif "low" in raw or "high" in raw:
            return self._range(raw, faults, path)
        else:
            faults.unknown_keys(raw, AXIS_KEYS, path)
            faults.add(path, "must be a value, { choices = [...] } or { low = ..., high = ... }")
        return _FAULTY

    def _choices(self, raw: object, faults: FieldFaults, path: Path) -> Axis[Any]:
        noted = len(faults)
        values = self._reader.values(raw, faults, path)
        note_repeats(values, faults, path, ignore_none=len(faults) > noted)
        return Choices(values or (None,))

    def _range(self, raw: Mapping[str, object], faults: FieldFaults, path: Path) -> Axis[Any]:
        noted = len(faults)
        faults.unknown_keys(raw, RANGE_KEYS, path)
        if len(faults) == noted:  # a misspelt key is not also a missing one
            for key in {"low", "high"} - set(raw):
                faults.add((*path, key), "is missing")
        bounds = {key: self._reader.value(raw[key], faults, (*path, key)) for key in ("low", "high") if key in raw}
        log = raw.get("log", False)
        if not isinstance(log, bool):
            faults.add((*path, "log"), f"must be true or false, got {shown(log)}")
        if len(faults) > noted:
            return _FAULTY
        low, high = bounds["low"], bounds["high"]
        if not _is_number(low) or not _is_number(high):
            faults.add(path, "a range needs two numbers; give a value or { choices = [...] }")
            return _FAULTY
        if low > high:
            faults.add(path, f"low <= high must hold, but got low = {low} and high = {high}")
        if log and low <= 0:
            faults.add((*path, "low"), f"log = true needs low > 0, got {low}")
        if low == high:
            return fixed(low)
        return IntRange(low, high, bool(log)) if isinstance(low, int) else FloatRange(low, high, bool(log))


def note_per(per: object, known: Sequence[str], faults: FieldFaults) -> None:
    """Note a `per` that is not known."""
    if per not in known:
        faults.add(("per",), f"{shown(per)} is not valid; {nearest(per if isinstance(per, str) else '', known)}")


@dataclass(frozen=True)
class StageAxis:
    """One axis for every stage, or one for each.

    Attributes:
        per: "stage" draws a value for each stage, "network" one for all.
    """

    axes: tuple[Axis[Any], ...]
    per: Literal["stage", "network"] = "stage"

    def at(self, stage: int) -> Axis[Any]:
        """The axis of `stage`; the last one's for stages that the space does not have."""
        return self.axes[min(stage, len(self.axes) - 1)]

    def plain(self) -> object:
        """The axis as a search space file writes it."""
        entries = [axis.plain() for axis in self.axes]
        if len(entries) > 1:
            return entries
        return {**entries[0], "per": self.per} if isinstance(entries[0], dict) else entries[0]


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
        return StageAxis((axis,)) if isinstance(axis, Choices) and axis.fixed else StageAxis((axis,), per)
