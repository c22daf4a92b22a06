"""Axes: the values that one field of a candidate may take."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

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
    @abstractmethod
    def count(self) -> int:
        """How many architectures the axis tells apart: its values, or 1 for a range of floats."""

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

    @property
    def count(self) -> int:
        return 1

    def ask(self, trial: Suggester, name: str) -> T:
        return self.value

    def distribution(self) -> None:
        return None

    def plain(self) -> object:
        return _written(self.value)


@dataclass(frozen=True)
class Choices(Axis[T]):
    """Two or more values, suggested by name or number."""

    choices: tuple[T, ...]

    @property
    def values(self) -> tuple[T, ...]:
        if any(isinstance(choice, str | bool) for choice in self.choices):
            return self.choices
        return tuple(sorted(self.choices, key=lambda value: math.inf if value is None else cast(float, value)))

    @property
    def count(self) -> int:
        return len(self.choices)

    def ask(self, trial: Suggester, name: str) -> T:
        return cast(T, trial.suggest_categorical(name, self.choices))

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(cast(tuple[Value, ...], self.choices))

    def plain(self) -> object:
        return {"choices": [_written(choice) for choice in self.choices]}


@dataclass(frozen=True)
class IntRange(Axis[int]):
    """Every integer from `low` to `high`, both included; small ones more often where `log`."""

    low: int
    high: int
    log: bool = False

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1))

    @property
    def count(self) -> int:
        return self.high - self.low + 1

    def ask(self, trial: Suggester, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)

    def plain(self) -> object:
        return {"low": self.low, "high": self.high, **({"log": True} if self.log else {})}


@dataclass(frozen=True)
class FloatRange(Axis[float]):
    """Every number from `low` to `high`; evenly over magnitudes where `log`."""

    low: float
    high: float
    log: bool = False

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
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

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

    def plain(self) -> object:
        return {"low": self.low, "high": self.high, **({"log": True} if self.log else {})}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(value: object, other: object) -> float:
    return abs(cast(float, value) - cast(float, other)) if _is_number(value) else math.inf


def _written(value: object) -> object:
    return "none" if value is None else value
