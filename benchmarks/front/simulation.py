"""Search in a table: a strategy proposes and stops, the table answers, and the hypervolume is written down."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from benchmarks.front.problems import Problem
from pure_nas.analysis.course import Course, Step, course_of
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


@dataclass(frozen=True)
class Simulated:
    """A simulated search.

    Attributes:
        course: epochs and flops x epochs in complete trainings; as time, the seconds that the strategy took.
        stopped, wrong: trials that ended early, and those of them that would have entered the front.
    """

    course: Course
    stopped: int
    wrong: int


def simulate(
    problem: Problem,
    strategy: Strategy,
    budget: float,
    unit: float,
    *,
    seed: int,
    lag: int = 0,
    trials: int | None = None,
) -> Simulated:
    """Search until `budget` is used up, or after so many trials.

    Args:
        budget: in `unit`.
        unit: flops x epochs of a complete training, on average.
        lag: how many of the trials before one are unknown when it begins, as where several train at once.
    """
    begun: list[Point] = []
    ended: list[Known] = []
    steps: list[Step] = []
    seen: dict[str, Known] = {}
    cost = seconds = 0.0
    idle = stopped = wrong = 0
    while cost < budget and idle < _MOST_IDLE and len(begun) != trials:
        known = ended[: max(len(begun) - lag, 0)]
        start = time.perf_counter()
        point = strategy.propose(known, begun)
        stops = strategy.stops(known, point)
        seconds += time.perf_counter() - start
        flops = float(cost_of(point.candidate.architecture).flops)
        before = seen.get(point.candidate.digest)
        curve = problem.curve(point.candidate, seed)
        end = next((epoch for epoch, most in sorted(stops.items()) if curve[epoch - 1] > most), problem.epochs)
        first = len(before.errors) if before else 0  # what is known already costs nothing
        end = max(first, end)
        idle = idle + 1 if end == first else 0
        result = Known(point, curve[:end], end == problem.epochs)
        cost += flops * (end - first) / unit
        if not result.complete:
            stopped += 1
            wrong += all(step.error is None or step.flops > flops or step.error > curve[-1] for step in steps)
        error = curve[-1] if result.complete else None
        steps.append(Step(seconds, (end - first) / problem.epochs, flops, error))
        begun.append(point)
        ended.append(result)
        seen[point.candidate.digest] = result
    course = course_of(steps, problem.box)
    work = [each * problem.epochs / unit for each in course.paid["work"]]
    return Simulated(replace(course, paid={**course.paid, "work": work}), stopped, wrong)
