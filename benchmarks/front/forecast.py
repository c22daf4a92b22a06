"""What earlier trials say about the error of a candidate, before its training and during it.

Costs of a candidate are known before its first epoch; only its error has to be learned. It is learned from the
logarithms of final errors: of complete trials as they are, of stopped ones as their curves promise, with the spread of
promises as noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.special import ndtr, ndtri
from scipy.stats.qmc import Halton

from benchmarks.front.gaussian_process import GaussianProcess, Hyperparameters
from benchmarks.front.variation import random_candidate
from pure_nas.analysis import pareto
from pure_nas.cost.layers import cost_of
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

Floats = NDArray[np.float64]

FEWEST_CURVES = 6
"""Complete curves before a trial may be stopped."""
FEWEST_TRIALS = 6
"""Trials before the model says anything."""
_RUNG_RATIO = 1.3
_LAST_RUNG = 0.8
_PRIOR_SPREAD, _PRIOR_CURVES = 0.3, 3
_FIT_GROWTH = 1.25
_CELLS = 512
_SAMPLE = 256


@dataclass(frozen=True)
class Known:
    """A trial that has ended.

    Attributes:
        errors: validation error after each epoch that it was trained.
        complete: whether it was trained to its end; its last error is then final.
    """

    candidate: Candidate
    errors: tuple[float, ...]
    complete: bool


def rungs(epochs: int) -> tuple[int, ...]:
    """Epochs after which a trial may be stopped: closer together at first, none in the last fifth."""
    steps = (math.ceil(_RUNG_RATIO**power) for power in range(epochs))
    return tuple(dict.fromkeys(epoch for epoch in steps if epoch <= _LAST_RUNG * epochs))


class Encoding:
    """Candidates of a space as numbers: costs, and features standardised over the space.

    Args:
        costs: names of objectives whose value follows from the architecture, such as "flops".
    """

    def __init__(self, space: SearchSpace, costs: Sequence[str]) -> None:
        self.space = space
        self._cost, self._n_costs = attrgetter(*costs), len(costs)
        self._rows: dict[str, Floats] = {}
        self._costs: dict[str, Floats] = {}
        rng = np.random.default_rng(0)
        sample = [random_candidate(space, rng) for _ in range(_SAMPLE)]
        features = [self._features(each) for each in sample]
        self._names = sorted(set().union(*features))
        values = self._values(features)
        with np.errstate(invalid="ignore"):
            self._mean, self._std = np.nanmean(values, 0), np.nanstd(values, 0)
        self._used = np.flatnonzero(self._std > 1e-9)
        extremes = [*space.smallest_architectures(), *space.largest_architectures()]
        costs_of = np.log([self._cost_of(each) for each in extremes])
        self.cells = _cells(costs_of.min(0), costs_of.max(0))
        """(K, costs): places spread evenly over what networks of the space can cost, as logarithms."""

    def costs(self, candidates: Sequence[Candidate]) -> Floats:
        """(n, costs), as logarithms."""
        for each in candidates:
            if each.digest not in self._costs:
                self._costs[each.digest] = np.log(self._cost_of(each.architecture))
        return np.array([self._costs[each.digest] for each in candidates]).reshape(-1, self._n_costs)

    def features(self, candidates: Sequence[Candidate]) -> Floats:
        """(n, features)."""
        new = {each.digest: each for each in candidates if each.digest not in self._rows}
        if new:
            values = self._values([self._features(each) for each in new.values()])
            rows = (values - self._mean)[:, self._used] / self._std[self._used]
            self._rows |= zip(new, np.where(np.isnan(rows), 0.0, rows), strict=True)
        return np.array([self._rows[each.digest] for each in candidates])

    def _cost_of(self, architecture: Any) -> Floats:
        return np.atleast_1d(np.array(self._cost(cost_of(architecture)), dtype=np.float64))

    def _values(self, rows: Sequence[Mapping[str, float]]) -> Floats:
        usual = [(name, 0.0 if " " in name else math.nan) for name in self._names]
        return np.array([[row.get(name, other) for name, other in usual] for row in rows], dtype=np.float64)

    def _features(self, candidate: Candidate) -> dict[str, float]:
        """Values that were searched, where units are, costs.

        A name with a space in it is 0 where a candidate lacks it; any other is then unknown.
        """
        located = self.space.parameters_of(candidate)
        found: dict[str, float] = {}
        for name, value in located.params.items():
            if not name.startswith("units"):
                found |= _numbers(name, value, located.distributions[name])
        layers = [name for stage in candidate.architecture.units for name in stage]
        for unit in dict.fromkeys(layers):
            found[f"share {unit}"] = layers.count(unit) / len(layers)
            for stage, names in enumerate(candidate.architecture.units):
                found[f"share {unit} {stage}"] = names.count(unit) / len(names)
                found[f"first {unit} {stage}"] = float(names[0] == unit)
                found[f"last {unit} {stage}"] = float(names[-1] == unit)
        found |= {f"depth {stage}": math.log(len(names)) for stage, names in enumerate(candidate.architecture.units)}
        return found | {f"cost {place}": float(cost) for place, cost in enumerate(self.costs([candidate])[0])}


def _numbers(name: str, value: Any, distribution: BaseDistribution) -> dict[str, float]:
    match distribution:
        case CategoricalDistribution(choices=choices):
            numbers = [each for each in choices if isinstance(each, int | float) and not isinstance(each, bool)]
            if len(numbers) < len(choices):
                return {f"{name} {value}": 1.0}
            return {name: math.log(value) if min(numbers) > 0 else float(value)}
        case FloatDistribution(log=log) | IntDistribution(log=log):
            return {name: math.log(value) if log else float(value)}
    raise TypeError(f"{name} has an unknown distribution, {distribution}")


def _cells(low: Floats, high: Floats) -> Floats:
    if len(low) == 1:
        unit = (np.arange(_CELLS)[:, None] + 0.5) / _CELLS
    else:
        unit = Halton(len(low), scramble=False).random(_CELLS + 1)[1:]
    return np.asarray(low + (high - low) * unit)


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
    """

    encoding: Encoding
    epochs: int
    worst: float
    resolution: float

    def __post_init__(self) -> None:
        self._fitted: dict[int, Hyperparameters] = {}

    def after(self, known: Sequence[Known]) -> Forecast:
        """What these trials, the first of a search in their order, say."""
        return Forecast(self, known)

    def hyperparameters(self, known: Sequence[Known]) -> Hyperparameters:
        """Fitted to the first trials, again each time that they are a quarter more: every session has the same."""
        size = FEWEST_TRIALS
        while math.ceil(size * _FIT_GROWTH) <= len(known):
            size = math.ceil(size * _FIT_GROWTH)
        if size not in self._fitted:
            first = self.after(known[:size])
            self._fitted[size] = Hyperparameters.fitted(first.features, *first.targets)
        return self._fitted[size]


class Forecast:
    """What trials that have ended say."""

    def __init__(self, of: Forecaster, known: Sequence[Known]) -> None:
        self._of, self._known = of, known
        self.encoding = of.encoding
        complete = [each for each in known if each.complete]
        self.curves = np.array([self._logs(each.errors) for each in complete if len(each.errors) == of.epochs])
        self._costs = of.encoding.costs([each.candidate for each in complete])
        self._errors = np.array([self._final(each) for each in complete], dtype=np.float64)

    @cached_property
    def features(self) -> Floats:
        """(n, features)"""
        return self.encoding.features([each.candidate for each in self._known])

    @cached_property
    def targets(self) -> tuple[Floats, Floats]:
        """Logarithms of final errors (n,), and the variances of those that are promises."""
        pairs = [self._target(each) for each in self._known]
        return np.array([mean for mean, _ in pairs]), np.array([variance for _, variance in pairs])

    @property
    def front(self) -> list[Candidate]:
        """Complete trials that no other equals at its cost or less."""
        complete = [each.candidate for each in self._known if each.complete]
        points = np.column_stack([self._errors, self._costs]) if complete else np.zeros((0, 2))
        return [complete[place] for place in pareto.front(points)]

    def expected_gain(self, candidates: Sequence[Candidate]) -> Floats:
        """(n,): expected growth of the hypervolume of error and logarithms of costs, as a share of the box."""
        mean, variance = self._predict(candidates)
        spread, offset = np.sqrt(variance)[:, None], self._of.resolution
        levels = self._least[None, :] + offset
        z = (np.log(levels) - mean[:, None]) / spread
        below = levels * ndtr(z) - np.exp(mean[:, None] + spread**2 / 2) * ndtr(z - spread)
        return np.asarray((np.maximum(below, 0.0) * self._reached(self.encoding.costs(candidates))).mean(1))

    def stops(self, candidate: Candidate, chance: float) -> dict[int, float]:
        """By epoch, the error above which a trial ends: it then enters the front at its cost with less than `chance`.

        Decided before the first epoch, so that whoever trains need ask nobody.
        """
        if len(self.curves) < FEWEST_CURVES:
            return {}
        cheaper = (self._costs <= self.encoding.costs([candidate])).all(1)
        bar = math.log(min([*self._errors[cheaper], self._of.worst]) + self._of.resolution)
        expected, precision = 0.0, 0.0
        if self.ready:
            mean, variance = self._predict([candidate])
            precision = 1 / (float(variance[0]) + self._hyperparameters.noise)
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

    def _predict(self, candidates: Sequence[Candidate]) -> tuple[Floats, Floats]:
        return self._process.predict(self.encoding.features(candidates))

    @cached_property
    def _hyperparameters(self) -> Hyperparameters:
        return self._of.hyperparameters(self._known)

    @cached_property
    def _process(self) -> GaussianProcess:
        return GaussianProcess(self._hyperparameters, self.features, *self.targets)

    def _target(self, trial: Known) -> tuple[float, float]:
        if trial.complete or not trial.errors:
            return math.log(self._final(trial) + self._of.resolution), 0.0
        promise = self._promise(len(trial.errors))
        return float(self._logs(trial.errors)[-1]) + promise.mean, promise.variance

    def _promise(self, epoch: int) -> Promise:
        gains = self.curves[:, -1] - self.curves[:, epoch - 1] if len(self.curves) else np.zeros(0)
        mean = float(gains.mean()) if len(gains) else -1.0
        squares = float(((gains - mean) ** 2).sum()) + _PRIOR_CURVES * _PRIOR_SPREAD**2 * (1 - epoch / self._of.epochs)
        return Promise(mean, squares / (len(gains) + _PRIOR_CURVES) * (1 + 1 / (len(gains) + 1)))

    def _logs(self, errors: Sequence[float]) -> Floats:
        values = np.array(errors, dtype=np.float64)
        return np.log(np.where(np.isfinite(values), values, self._of.worst) + self._of.resolution)

    def _final(self, trial: Known) -> float:
        last = trial.errors[-1] if trial.errors and trial.complete else math.nan
        return last if math.isfinite(last) else self._of.worst
