"""Search in a table: a strategy proposes and stops, the table answers, and the hypervolume is written down."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.front.problems import Problem, hypervolume, scale_of
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.forecast import Known
from pure_nas.forecast.variation import Point

_MOST_IDLE = 200


class Strategy(Protocol):
    """Proposes candidates, and says when one ends early."""

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        """The next candidate: `known` are the first of those that were `begun`."""

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        """By epoch, the error above which it ends."""


@dataclass
class Trace:
    """What a search had found after each trial.

    Attributes:
        cost: flops x epochs so far, in complete trainings of mean cost.
        epochs: so far, in complete trainings.
        volume: hypervolume of what is complete.
        stopped, wrong: trials that ended early, and those of them that would have entered the front.
        seconds: that the strategy took for a trial.
    """

    cost: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    volume: list[float] = field(default_factory=list)
    stopped: int = 0
    wrong: int = 0
    seconds: float = 0.0

    def cost_at(self, volume: float, by: str = "cost") -> float:
        """What it took to reach a hypervolume; infinite where it did not."""
        values: list[float] = getattr(self, by)
        return next((each for each, found in zip(values, self.volume, strict=True) if found >= volume), float("inf"))

    def volume_at(self, cost: float) -> float:
        return max((found for each, found in zip(self.cost, self.volume, strict=True) if each <= cost), default=0.0)


def simulate(problem: Problem, strategy: Strategy, budget: float, unit: float, *, seed: int, lag: int = 0) -> Trace:
    """Search until `budget` is used up.

    Args:
        budget: in `unit`.
        unit: flops x epochs of a complete training, on average.
        lag: how many of the trials before one are unknown when it begins, as where several train at once.
    """
    trace, scale = Trace(), scale_of(problem.space)
    begun: list[Point] = []
    ended: list[Known] = []
    seen: dict[str, Known] = {}
    complete: list[tuple[float, float]] = []
    cost = epochs = 0.0
    idle = 0
    while cost < budget and idle < _MOST_IDLE:
        known = ended[: max(len(begun) - lag, 0)]
        start = time.perf_counter()
        point = strategy.propose(known, begun)
        stops = strategy.stops(known, point)
        trace.seconds += time.perf_counter() - start
        flops = float(cost_of(point.candidate.architecture).flops)
        before = seen.get(point.candidate.digest)
        curve = problem.curve(point.candidate, seed)
        end = next((epoch for epoch, most in sorted(stops.items()) if curve[epoch - 1] > most), problem.epochs)
        first = len(before.errors) if before else 0  # what is known already costs nothing
        end = max(first, end)
        idle = idle + 1 if end == first else 0
        result = Known(point, curve[:end], end == problem.epochs)
        cost, epochs = cost + flops * (end - first) / unit, epochs + (end - first) / problem.epochs
        if not result.complete:
            trace.stopped += 1
            trace.wrong += all(f > flops or e > curve[-1] for f, e in complete)
        elif end > first:
            complete.append((flops, curve[-1]))
        begun.append(point)
        ended.append(result)
        seen[point.candidate.digest] = result
        trace.cost.append(cost)
        trace.epochs.append(epochs)
        points = np.array(complete).reshape(-1, 2)
        trace.volume.append(hypervolume(np.log(points[:, 0]), points[:, 1], scale, problem.worst))
    trace.seconds /= max(len(begun), 1)
    return trace
