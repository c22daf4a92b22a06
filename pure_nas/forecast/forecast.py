"""What earlier trials say about the error of a candidate, before its training and during it.

Costs of a candidate are known before its first epoch; only its error has to be learned. It is learned from the
logarithms of final errors: of complete trials as they are, of stopped ones as their curves promise, with the spread of
promises as noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pure_nas.analysis import pareto
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.gaussian_process import GaussianProcess, Hyperparameters, on_one_thread
from pure_nas.forecast.variation import Point

if TYPE_CHECKING:
    from pure_nas.forecast.prior import Prior

Floats = NDArray[np.float64]

FEWEST_CURVES = 6
"""Complete curves before a trial may be stopped."""
FEWEST_TRIALS = 6
"""Trials before the model says anything."""
_RUNG_RATIO = 1.3
_LAST_RUNG = 0.8
_PRIOR_SPREAD, _PRIOR_SHARE, _LEAST_SPREAD, _PRIOR_CURVES = 0.3, 0.5, 0.02, 3
"""What is assumed of the spread of curves' promises, as if so many curves had shown it: at most, as a share of what
errors are to fall, and at least."""
_FIT_GROWTH = 1.25
_WEIGHTS = (1.0, 0.5, 0.0)
"""How much of what earlier searches expect may be believed; the last: nothing."""


@dataclass(frozen=True)
class Known:
    """A trial that has ended.

    Attributes:
        errors: validation error after each epoch that it was trained.
        complete: whether it was trained to its end; its last error is then final.
    """

    point: Point
    errors: tuple[float, ...]
    complete: bool

    @classmethod
    def ended(cls, point: Point, errors: Iterable[float | None], state: str) -> Known:
        """A trial as a run or a study has it: None is an error that was not a number, as is where one diverged."""
        curve = [math.nan if error is None else error for error in errors]
        return cls(point, (*curve, *[math.nan] * (state == "diverged")), state != "stopped")


def rungs(epochs: int) -> tuple[int, ...]:
    """Epochs after which a trial may be stopped: closer together at first, none in the last fifth."""
    steps = (math.ceil(_RUNG_RATIO**power) for power in range(epochs))
    return tuple(dict.fromkeys(epoch for epoch in steps if epoch <= _LAST_RUNG * epochs))


@dataclass(frozen=True)
class Promise:
    """The logarithm of final / present error after an epoch: its mean and variance."""

    mean: float
    variance: float


@dataclass
class Forecaster:
    """Makes forecasts in one search.

    Args:
        epochs: of a complete training.
        worst: the error of guessing.
        resolution: the smallest difference of errors: of one validation image.
        prior: what earlier searches expect.
    """

    encoding: Encoding
    epochs: int
    worst: float
    resolution: float
    prior: Prior | None = None

    def __post_init__(self) -> None:
        self._fitted: dict[tuple[int, float], Hyperparameters] = {}

    def after(self, known: Sequence[Known]) -> Forecast:
        """What these trials, the first of a search in their order, say."""
        return Forecast(self, known)

    def hyperparameters(self, known: Sequence[Known], weight: float = 0.0) -> Hyperparameters:
        """Fitted to the first trials, again each time that they are a quarter more: every session has the same.

        Args:
            weight: how much of what earlier searches expect is subtracted before.
        """
        size = FEWEST_TRIALS
        while math.ceil(size * _FIT_GROWTH) <= len(known):
            size = math.ceil(size * _FIT_GROWTH)
        if (size, weight) not in self._fitted:
            first = self.after(known[:size])
            y, variances = first.targets
            self._fitted[size, weight] = Hyperparameters.fitted(first.features, y - weight * first.expected, variances)
        return self._fitted[size, weight]

    def trust(self, known: Sequence[Known]) -> float:
        """The weight with which what earlier searches expect makes these trials most probable."""
        return min(_WEIGHTS, key=lambda weight: self.hyperparameters(known, weight).loss) if self.prior else 0.0


@dataclass
class Prospects:
    """What points may bring to the front.

    Attributes:
        mean, spread: (n,), of the logarithms of their errors.
        reached: (n, K), the cells that each dominates, if its error is low enough.
        least: (K,), the lowest error that is to be had for the costs of a cell.
    """

    mean: Floats
    spread: Floats
    reached: NDArray[np.bool_]
    least: Floats
    resolution: float

    @property
    def gain(self) -> Floats:
        """(n,): expected growth of the hypervolume of logarithms of error and costs, mean over the cells."""
        spread = self.spread[:, None]
        below = np.log(self.least[None, :] + self.resolution) - self.mean[:, None]
        z = below / spread
        gain = below * ndtr(z) + spread * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return np.asarray((np.maximum(gain, 0.0) * self.reached).mean(1))

    def taken(self, place: int) -> Floats:
        """Let a point be trained and its error be as expected; returns (K,), how far errors of cells are to fall."""
        mean, spread, least = self.mean[place], self.spread[place], self.least + self.resolution
        z = (np.log(least) - mean) / spread
        falls = least * ndtr(z) - math.exp(mean + spread**2 / 2) * ndtr(z - spread)
        falls = np.where(self.reached[place], np.maximum(falls, 0.0), 0.0)
        self.least = self.least - falls
        self.reached = np.where(np.arange(len(self.mean))[:, None] == place, False, self.reached)
        return np.asarray(falls)


class Forecast:
    """What trials that have ended say."""

    def __init__(self, of: Forecaster, known: Sequence[Known]) -> None:
        self._of, self._known = of, known
        self._processes: dict[float, GaussianProcess] = {}
        self.encoding, self.worst = of.encoding, of.worst
        complete = [each for each in known if each.complete]
        self.curves = np.array([self._logs(each.errors) for each in complete if len(each.errors) == of.epochs])
        self._costs = of.encoding.costs([each.point for each in complete])
        self._errors = np.array([self._final(each) for each in complete], dtype=np.float64)

    @cached_property
    def trust(self) -> float:
        """How much of what earlier searches expect is used, from 0 to 1; all, until the trials say something."""
        return self._of.trust(self._known) if self.ready else float(self._of.prior is not None)

    @property
    def prior(self) -> Prior | None:
        """What earlier searches expect, unless the trials show that it is of no use."""
        return self._of.prior if self.trust else None

    @cached_property
    def expected(self) -> Floats:
        """What earlier searches expect of the targets (n,), but for a shift; 0 where there are none."""
        return self._expected(self.features)

    @cached_property
    def complete_points(self) -> list[Point]:
        """Those of the trials that were trained to their end."""
        return [each.point for each in self._known if each.complete]

    @cached_property
    def features(self) -> Floats:
        """(n, features)"""
        return self.encoding.features([each.point for each in self._known])

    @cached_property
    def targets(self) -> tuple[Floats, Floats]:
        """Logarithms of final errors (n,), and the variances of those that are promises."""
        pairs = [self._target(each) for each in self._known]
        return np.array([mean for mean, _ in pairs]), np.array([variance for _, variance in pairs])

    @property
    def front(self) -> list[Point]:
        """Complete trials that no other equals at its cost or less."""
        complete = [each.point for each in self._known if each.complete]
        points = np.column_stack([self._errors, self._costs]) if complete else np.zeros((0, 2))
        return [complete[place] for place in pareto.front(points)]

    def prospects(self, points: Sequence[Point], running: Sequence[Point] = ()) -> Prospects:
        """What these points may bring to the front.

        Args:
            running: trials that have not ended, which count as though they had, as expected.
        """
        mean, variance = self._predict(points)
        least = self._least
        if running:
            expected = np.exp(self._predict(running)[0]) - self._of.resolution
            least = np.minimum(
                least, np.where(self._reached(self.encoding.costs(running)), expected[:, None], np.inf).min(0)
            )
        reached = self._reached(self.encoding.costs(points))
        return Prospects(mean, np.sqrt(variance), reached, least, self._of.resolution)

    @on_one_thread
    def stops(self, point: Point, chance: float) -> dict[int, float]:
        """By epoch, the error above which a trial ends: it then enters the front at its cost with less than `chance`.

        Decided before the first epoch, so that whoever trains need ask nobody.
        """
        if len(self.curves) < FEWEST_CURVES:
            return {}
        cheaper = (self._costs <= self.encoding.costs([point])).all(1)
        bar = math.log(min([*self._errors[cheaper], self._of.worst]) + self._of.resolution)
        expected, precision = 0.0, 0.0
        if self.ready:
            # By the trials of this search alone: with earlier ones more stops were wrong (docs/design.md).
            mean, variance = self._process(0.0).predict(self.encoding.features([point]))
            precision = 1 / (float(variance[0]) + self._of.hyperparameters(self._known).noise)
            expected = float(mean[0])
        found: dict[int, float] = {}
        for epoch in rungs(self._of.epochs):
            promise = self._promise(epoch)
            # The precision-weighted mean of what model and curve say, solved for the curve.
            total = precision + 1 / promise.variance
            most = bar - float(ndtri(chance)) / math.sqrt(total)
            limit = (most * total - expected * precision) * promise.variance - promise.mean
            found[epoch] = math.exp(min(limit, 1.0)) - self._of.resolution
        return found

    @property
    def ready(self) -> bool:
        """Whether the model has seen enough to say something."""
        return len(self._known) >= FEWEST_TRIALS

    @cached_property
    def _least(self) -> Floats:
        """(K,): the lowest error that is to be had for the costs of a cell."""
        errors = np.where(self._reached(self._costs), self._errors[:, None], np.inf)
        return np.asarray(np.minimum(errors.min(0, initial=np.inf), self._of.worst))

    def _reached(self, costs: Floats) -> NDArray[np.bool_]:
        """(n, K): which cells cost as much as `costs` (n, costs), or more, in every cost."""
        return np.asarray((costs[:, None, :] <= self.encoding.cells[None, :, :] + 1e-12).all(2))

    def _predict(self, points: Sequence[Point]) -> tuple[Floats, Floats]:
        features = self.encoding.features(points)
        if not self.ready and self._of.prior is not None:
            mean, variance = self._of.prior.expected(features)
            return mean + (float((self.targets[0] - self.expected).mean()) if self._known else 0.0), variance
        mean, variance = self._process(self.trust).predict(features)
        return mean + self.trust * self._expected(features), variance

    def _expected(self, features: Floats) -> Floats:
        return np.zeros(len(features)) if self._of.prior is None else self._of.prior.expected(features)[0]

    def _process(self, weight: float) -> GaussianProcess:
        """Of what remains of the targets without so much of what earlier searches expect."""
        if weight not in self._processes:
            y, variances = self.targets
            found = self._of.hyperparameters(self._known, weight)
            self._processes[weight] = GaussianProcess(found, self.features, y - weight * self.expected, variances)
        return self._processes[weight]

    def _target(self, trial: Known) -> tuple[float, float]:
        if trial.complete or not trial.errors:
            return math.log(self._final(trial) + self._of.resolution), 0.0
        promise = self._promise(len(trial.errors))
        return float(self._logs(trial.errors)[-1]) + promise.mean, promise.variance

    def _promise(self, epoch: int) -> Promise:
        gains = self.curves[:, -1] - self.curves[:, epoch - 1] if len(self.curves) else np.zeros(0)
        mean = float(gains.mean()) if len(gains) else -1.0
        # Where errors fall little, as on images that are hard to tell apart, what they still fall differs little.
        usual = min(_PRIOR_SPREAD**2 * (1 - epoch / self._of.epochs), (_PRIOR_SHARE * mean) ** 2 + _LEAST_SPREAD**2)
        squares = float(((gains - mean) ** 2).sum()) + _PRIOR_CURVES * usual
        return Promise(mean, squares / (len(gains) + _PRIOR_CURVES) * (1 + 1 / (len(gains) + 1)))

    def _logs(self, errors: Sequence[float]) -> Floats:
        values = np.array(errors, dtype=np.float64)
        return np.log(np.where(np.isfinite(values), values, self._of.worst) + self._of.resolution)

    def _final(self, trial: Known) -> float:
        last = trial.errors[-1] if trial.errors and trial.complete else math.nan
        return last if math.isfinite(last) else self._of.worst
