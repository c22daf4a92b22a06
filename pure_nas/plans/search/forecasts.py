"""What the trials that have ended say of a search's next one: what to train, and when to stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pure_nas.errors import ConfigError
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import Forecast, Forecaster, Known
from pure_nas.forecast.prior import Prior
from pure_nas.forecast.proposal import likely_growth, propose
from pure_nas.forecast.variation import Point, point_of
from pure_nas.objectives import CLOSED_FORM
from pure_nas.plans.search.limits import Limits, needs_as_much_memory
from pure_nas.run.directory import RunDirectory, Stopping, TrialDirectory
from pure_nas.run.search_results import Results, TrialRecord
from pure_nas.run.warm_start import WarmStart
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.validation import faults_explained

CHANCE = 0.02
"""Of reaching the front, below which a trial stops."""
AUDIT = 0.05
"""Share of trials that are trained to their end whatever their stops say: how often is that wrong?"""
_PROPOSAL, _AUDIT, CONFIRMATION, _GROWTH = range(4)
"""Purposes of a search's random numbers."""
_SHAPE = ("in_chans", "image_size")


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts of one search; each follows from the records that it is given, and from a trial's number."""

    space: SearchSpace
    objectives: Sequence[str]
    worst: float  # the error of guessing
    images: int  # to validate on
    limits: Limits
    seed: int
    warm_start: WarmStart | None = None
    _points: dict[int, Point] = field(default_factory=dict, init=False, repr=False)
    _last: dict[int, Forecast] = field(default_factory=dict, init=False, repr=False)

    def stops(self, known: Sequence[TrialRecord], candidate: Candidate, folder: TrialDirectory) -> Mapping[int, float]:
        """By epoch, the error above which a trial ends; decided once, and written into its folder."""
        decided = folder.stops()
        if decided is None:
            found = self._after(known).stops(self._point(folder.number, candidate), CHANCE)
            audit = bool(self._generator(folder.number, _AUDIT).random() < AUDIT)
            folder.write_stops(len(known), found, audit=audit)
            decided = Stopping(found, audit)
        return {} if decided.audit else decided.errors

    def proposal(
        self,
        known: Sequence[TrialRecord],
        begun: Sequence[Candidate],
        given: int,
        out_of_memory: Sequence[Candidate] = (),
    ) -> Candidate:
        """What to train next.

        Args:
            known: of the trials that were begun those that it follows from.
            begun: what all of them train.
            given: how many of them were not proposed, such as baselines.
            out_of_memory: what did not fit; nothing that needs as much is proposed.
        """
        number, points = len(begun), [self._point(*each) for each in enumerate(begun)]
        rng, begun_or_over = self._generator(number, _PROPOSAL), self._taken(points)

        def taken(point: Point) -> bool:
            too_large = any(needs_as_much_memory(point.candidate, each) for each in out_of_memory)
            return too_large or begun_or_over(point)

        return propose(self._after(known), number - given, taken, rng, points[len(known) :]).candidate

    def given(self, begun: Sequence[Candidate]) -> Candidate | None:
        """The next network of earlier searches' front, for a sampler that learns nothing else from them."""
        if self.prior is None:
            return None
        taken = self._taken([self._point(*each) for each in enumerate(begun)])
        return next((each.candidate for each in self.prior.front if not taken(each)), None)

    def trust(self, known: Sequence[TrialRecord]) -> float:
        """How much of what earlier searches expect is used, from 0 to 1."""
        return self._after(known).trust

    def source_of(self, candidate: Candidate) -> str:
        """The trial of an earlier search that trained the same; empty where none did."""
        return "" if self.warm_start is None else self.warm_start.source_of(point_of(self.space, candidate))

    def _taken(self, points: Sequence[Point]) -> Callable[[Point], bool]:
        """Whether a point is one of these, or over a limit."""
        trained = {frozenset(point.params.items()) for point in points}
        return lambda point: frozenset(point.params.items()) in trained or not self._allowed(point)

    def _allowed(self, point: Point) -> bool:
        return self.limits.kept_by(point.candidate.architecture)

    @cached_property
    def prior(self) -> Prior | None:
        """What earlier searches expect."""
        if self.warm_start is None:
            return None
        earlier = [
            Forecaster(self._encoding, each.epochs, each.worst, 1 / each.images).after([*each.trials.values()])
            for each in self.warm_start.searches
        ]
        return Prior(earlier, self._allowed)

    def growth(self, known: Sequence[TrialRecord], begun: Sequence[Candidate], trials: int) -> float:
        """By how much so many further trials are expected to increase the hypervolume."""
        taken = self._taken([self._point(*each) for each in enumerate(begun)])
        return likely_growth(self._after(known), trials, taken, self._generator(len(begun), _GROWTH))

    def _generator(self, number: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number, purpose])

    @cached_property
    def _forecaster(self) -> Forecaster:
        return Forecaster(self._encoding, self.space.run.epochs, self.worst, 1 / self.images, self.prior)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.space, [name for name in self.objectives[1:] if name in CLOSED_FORM] or CLOSED_FORM[:1])

    def _after(self, records: Sequence[TrialRecord]) -> Forecast:
        if len(records) not in self._last:
            self._last.clear()
            self._last[len(records)] = self._forecaster.after([self._known(each) for each in records if _teaches(each)])
        return self._last[len(records)]

    def _known(self, record: TrialRecord) -> Known:
        errors = [epoch["validation_error"] for epoch in record.curve]
        return Known.ended(self._point(record.number, record.candidate), errors, record.state)

    def _point(self, number: int, candidate: Candidate) -> Point:
        if number not in self._points:
            self._points[number] = point_of(self.space, candidate)
        return self._points[number]


def _teaches(record: TrialRecord) -> bool:
    return record.state in ("complete", "stopped", "diverged") and record.replay_of is None


def forecasts_of(run: RunDirectory, settings: Mapping[str, Any], results: Results) -> Forecasts | None:
    """The forecasts of a search that is read from its folder; None where its settings do not say what these need."""
    images = settings.get("data") or {}
    known = {*_SHAPE, "classes"} <= images.keys() and images.get("validation")
    if not settings.get("search_space") or not known:
        return None
    try:
        found = space_of(settings)
    except ConfigError:  # such as a unit of a package that is not installed here
        return None
    return Forecasts(
        space=found,
        objectives=results.objective_names,
        worst=results.reference[0],
        images=images["validation"],
        limits=Limits.of(settings.get("limits") or {}),
        seed=settings.get("seed", 0),
        warm_start=WarmStart.read(run, found) if settings.get("warm_start") else None,
    )


def space_of(settings: Mapping[str, Any]) -> SearchSpace:
    """The space of a search, by its run.toml; `ConfigError` where that has none, or nothing here knows a unit of it."""
    of_run = {name: settings[name] for name in ("trials", "epochs", "batch_size") if name in settings}
    images = settings.get("data") or {}
    with faults_explained(SearchSpace, "the space of the run"):
        found = SearchSpace.model_validate({**(settings.get("search_space") or {}), "run": of_run})
    if not {*_SHAPE, "classes"} <= images.keys():
        return found
    return found.with_images(**{name: images[name] for name in _SHAPE}, num_classes=len(images["classes"]))
