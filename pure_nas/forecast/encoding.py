"""Points of a space as numbers: what they cost, and what a model of their errors reads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pure_nas.cost.layers import CountedOnce
from pure_nas.forecast.variation import Point, random_point
from pure_nas.space.architecture import Architecture
from pure_nas.space.search_space import SearchSpace

Floats = NDArray[np.float64]

_CELLS = 512
_SAMPLE = 256
_ABSENT = " "
"""In the name of a feature that is 0 where a point lacks it; any other is then unknown."""


class Encoding:
    """Points of a space as costs, and as features that are standardised over the space.

    Args:
        costs: names of objectives whose value follows from the architecture, such as "flops".
    """

    def __init__(self, space: SearchSpace, costs: Sequence[str]) -> None:
        self.space = space
        self._cost, self._n_costs = attrgetter(*costs), len(costs)
        self._counted = CountedOnce()
        rng = np.random.default_rng(0)
        points = [random_point(space, rng) for _ in range(_SAMPLE)]
        self._numbers = _numbers(points)
        sample = [self._features(point) for point in points]
        names = sorted(set().union(*sample))
        self._usual = {name: 0.0 if _ABSENT in name else math.nan for name in names}
        values = self._values(sample)
        with np.errstate(invalid="ignore"):
            self._mean, self._std = np.nanmean(values, 0), np.nanstd(values, 0)
        self._used = np.flatnonzero(self._std > 1e-9)
        extremes = [*space.smallest_architectures(), *space.largest_architectures()]
        costs_of = np.array([self._logs(each) for each in extremes])
        low, high = costs_of.min(0), costs_of.max(0)
        self.cells = _cells(low, high)
        """(K, costs): places spread evenly over what networks of the space can cost, as logarithms."""
        self.volumes = np.exp((self.cells - high).sum(1)) * np.prod(high - low) / len(self.cells)
        """(K,): the share that each of them stands for of all costs up to the largest network's, not as logarithms."""

    def costs(self, points: Sequence[Point]) -> Floats:
        """(n, costs), as logarithms."""
        return np.array([self._logs(point.candidate.architecture) for point in points]).reshape(-1, self._n_costs)

    def features(self, points: Sequence[Point]) -> Floats:
        """(n, features)"""
        values = self._values([self._features(point) for point in points])
        rows = (values - self._mean)[:, self._used] / self._std[self._used]
        return np.where(np.isnan(rows), 0.0, rows)

    def _logs(self, architecture: Architecture) -> Floats:
        return np.log(np.atleast_1d(np.array(self._cost(self._counted(architecture)), dtype=np.float64)))

    def _values(self, rows: Sequence[Mapping[str, float]]) -> Floats:
        values = [[row.get(name, other) for name, other in self._usual.items()] for row in rows]
        return np.array(values, dtype=np.float64).reshape(-1, len(self._usual))

    def _features(self, point: Point) -> dict[str, float]:
        """Values that were searched, where units are, costs."""
        found: dict[str, float] = {}
        for name, value in point.params.items():
            if isinstance(value, int | float) and name in self._numbers:
                found[name] = math.log(value) if self._numbers[name] else float(value)
            elif not name.startswith("units"):
                found[f"{name}{_ABSENT}{value}"] = 1.0
        stages = point.candidate.architecture.units
        layers = [name for stage in stages for name in stage]
        for unit in dict.fromkeys(layers):
            found[f"share {unit}"] = layers.count(unit) / len(layers)
            for stage, names in enumerate(stages):
                found[f"share {unit} {stage}"] = names.count(unit) / len(names)
                found[f"first {unit} {stage}"] = float(names[0] == unit)
                found[f"last {unit} {stage}"] = float(names[-1] == unit)
        found |= {f"depth {stage}": math.log(len(names)) for stage, names in enumerate(stages)}
        costs = self._logs(point.candidate.architecture).tolist()
        return found | {f"cost {place}": cost for place, cost in enumerate(costs)}


def _numbers(points: Sequence[Point]) -> dict[str, bool]:
    """The parameters that are numbers, and whether they count by their logarithms: those that are above 0 do."""
    values: defaultdict[str, set[Any]] = defaultdict(set)
    for point in points:
        for name, value in point.params.items():
            values[name].add(value)
    numbers = {name: each for name, each in values.items() if all(type(value) in (int, float) for value in each)}
    return {name: min(each) > 0 for name, each in numbers.items()}


def _cells(low: Floats, high: Floats) -> Floats:
    if len(low) == 1:
        unit = (np.arange(_CELLS)[:, None] + 0.5) / _CELLS
    else:
        from scipy.stats.qmc import Halton

        unit = Halton(len(low), scramble=False).random(_CELLS + 1)[1:]
    return np.asarray(low + (high - low) * unit)
