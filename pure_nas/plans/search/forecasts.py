"""What the trials that have ended say of a search's next one: what to train, and when to stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from threadpoolctl import ThreadpoolController

from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import Forecast, Forecaster, Known
from pure_nas.forecast.proposal import likely_growth, propose
from pure_nas.forecast.variation import Point, point_of
from pure_nas.plans.search.limits import Limits
from pure_nas.run.directory import Stopping, TrialDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

CHANCE = 0.02
"""Of reaching the front, below which a trial stops."""
AUDIT = 0.05
"""Share of trials that are trained to their end whatever their stops say: how often is that wrong?"""
_PROPOSAL, _AUDIT, _GROWTH = range(3)
"""Purposes of random numbers."""


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts of one search; each follows from the records that it is given, and from a trial's number."""

    space: SearchSpace
    objectives: Sequence[str]
    worst: float  # the error of guessing
    images: int  # to validate on
    limits: Limits
    seed: int
    _points: dict[int, Point] = field(default_factory=dict, init=False, repr=False)
    _last: dict[int, Forecast] = field(default_factory=dict, init=False, repr=False)

    def stops(self, known: Sequence[TrialRecord], candidate: Candidate, folder: TrialDirectory) -> Mapping[int, float]:
        """By epoch, the error above which a trial ends; decided once, and written into its folder."""
        decided = folder.stops()
        if decided is None:
            with _one_thread().limit(limits=1, user_api="blas"):
                found = self._after(known).stops(self._point(folder.number, candidate), CHANCE)
            audit = bool(self._generator(folder.number, _AUDIT).random() < AUDIT)
            folder.write_stops(len(known), found, audit=audit)
            decided = Stopping(found, audit)
        return {} if decided.audit else decided.errors

    def proposal(self, known: Sequence[TrialRecord], begun: Sequence[Candidate], given: int) -> Candidate:
        """What to train next.

        Args:
            known: of the trials that were begun those that it follows from.
            begun: what all of them train.
            given: how many of them were not proposed, such as baselines.
        """
        number, taken = len(begun), self._taken(begun)
        with _one_thread().limit(limits=1, user_api="blas"):
            return propose(self._after(known), number - given, taken, self._generator(number, _PROPOSAL)).candidate

    def growth(self, known: Sequence[TrialRecord], begun: Sequence[Candidate], trials: int) -> float:
        """By how much so many further trials are expected to increase the hypervolume."""
        number, taken = len(begun), self._taken(begun)
        with _one_thread().limit(limits=1, user_api="blas"):
            return likely_growth(self._after(known), trials, taken, self._generator(number, _GROWTH))

    def _taken(self, begun: Sequence[Candidate]) -> Callable[[Point], bool]:
        """Whether a point need not be trained: it was, or is over a limit."""
        points = [self._point(number, candidate) for number, candidate in enumerate(begun)]
        trained = {frozenset(point.params.items()) for point in points}
        return lambda point: (
            frozenset(point.params.items()) in trained or not self.limits.kept_by(point.candidate.architecture)
        )

    def _generator(self, number: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number, purpose])

    @cached_property
    def _forecaster(self) -> Forecaster:
        encoding = Encoding(self.space, self.objectives[1:])
        return Forecaster(encoding, self.space.run.epochs, self.worst, 1 / self.images)

    def _after(self, records: Sequence[TrialRecord]) -> Forecast:
        if len(records) not in self._last:
            self._last.clear()
            self._last[len(records)] = self._forecaster.after([self._known(each) for each in records if _teaches(each)])
        return self._last[len(records)]

    def _known(self, record: TrialRecord) -> Known:
        errors = [float("nan") if (error := epoch["validation_error"]) is None else error for epoch in record.curve]
        if record.state == "diverged":
            errors.append(float("nan"))
        return Known(self._point(record.number, record.candidate), tuple(errors), record.state != "stopped")

    def _point(self, number: int, candidate: Candidate) -> Point:
        if number not in self._points:
            self._points[number] = point_of(self.space, candidate)
        return self._points[number]


def _teaches(record: TrialRecord) -> bool:
    return record.state in ("complete", "stopped", "diverged") and record.replay_of is None


@cache
def _one_thread() -> ThreadpoolController:
    """Of the libraries that compute: small matrices gain nothing by more, which would wait for the cores of workers."""
    return ThreadpoolController()
