"""How a search gets on: what it had paid, and how much of the front it had found, after each of its trainings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pure_nas.analysis import pareto

Payment = Literal["time", "epochs", "work"]
"""What a search is paid in: seconds on the clock, epochs, and FLOPs of an image times epochs."""


class Step(NamedTuple):
    """One training of a search; the error at its end is None where it stopped early or diverged."""

    ended: float  # seconds since the search began
    epochs: float
    flops: float
    error: float | None


class Box(NamedTuple):
    """Where points of error and logarithm of FLOPs count."""

    worst: float  # error
    least: float  # FLOPs
    most: float

    def place(self, flops: float) -> float:
        """How far between the least and the most FLOPs, 0 to 1, by logarithms."""
        return math.log(flops / self.least) / math.log(self.most / self.least)

    def share(self, points: Iterable[tuple[float, float]]) -> float:
        """The share of the box that points (FLOPs, error) dominate: their hypervolume."""
        placed = [(self.place(flops), error) for flops, error in points]
        return pareto.hypervolume(placed, (1.0, self.worst)) / self.worst


@dataclass(frozen=True)
class Course:
    """What a search had paid and found after each of its trainings; what it has paid and found never falls."""

    paid: Mapping[Payment, Sequence[float]]
    volume: Sequence[float]  # hypervolume of what was trained to its end
    lowest: Sequence[float]  # error of what was trained to its end; 1 before

    @property
    def found(self) -> float:
        """The hypervolume in the end."""
        return self.volume[-1] if self.volume else 0.0

    def paid_for(self, volume: float, by: Payment) -> float:
        """What it had paid when it first had a hypervolume; infinite where it never had."""
        return next((paid for paid, found in self._with(self.volume, by) if found >= volume), math.inf)

    def volume_at(self, paid: float, by: Payment) -> float:
        """The hypervolume that it had for a price."""
        return max((found for each, found in self._with(self.volume, by) if each <= paid), default=0.0)

    def lowest_at(self, paid: float, by: Payment) -> float:
        """The lowest error that it had for a price; 1 where it had trained nothing to its end."""
        return min((error for each, error in self._with(self.lowest, by) if each <= paid), default=1.0)

    def _with(self, values: Sequence[float], by: Payment) -> Iterator[tuple[float, float]]:
        return zip(self.paid[by], values, strict=True)


def course_of(steps: Iterable[Step], box: Box) -> Course:
    """The course of a search, from its trainings in the order in which they ended."""
    time: list[float] = []
    epochs: list[float] = []
    work: list[float] = []
    volume: list[float] = []
    lowest: list[float] = []
    complete: list[tuple[float, float]] = []
    for step in steps:
        time.append(step.ended)
        epochs.append(sum(epochs[-1:]) + step.epochs)
        work.append(sum(work[-1:]) + step.epochs * step.flops)
        if step.error is not None:
            complete.append((step.flops, step.error))
        volume.append(box.share(complete))
        lowest.append(min((error for _, error in complete), default=1.0))
    return Course({"time": time, "epochs": epochs, "work": work}, volume, lowest)


def price(course: Course, other: Course, by: Payment) -> float:
    """What a search paid for the hypervolume that both reached, by what the other one paid for it.

    Below 1 it was the cheaper one. NaN where one of them found nothing.
    """
    both = min(course.found, other.found)
    return course.paid_for(both, by) / other.paid_for(both, by) if both > 0 else math.nan
