"""What earlier searches of the same images expect of the errors of candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pure_nas.analysis import pareto
from pure_nas.forecast.forecast import Forecast
from pure_nas.forecast.gaussian_process import GaussianProcess, Hyperparameters, on_one_thread
from pure_nas.forecast.variation import Point

Floats = NDArray[np.float64]

MOST_GIVEN = 10
"""Candidates of earlier fronts that a search trains first."""


class Prior:
    """One model of the trials of several searches, each with its own number of epochs, and so with a shift of its own.

    Args:
        searches: what their trials say, all by one encoding.
        allowed: whether a candidate keeps the limits of the search that begins.
    """

    def __init__(self, searches: Sequence[Forecast], allowed: Callable[[Point], bool]) -> None:
        self._searches, self._allowed, self.encoding = searches, allowed, searches[0].encoding

    def expected(self, features: Floats) -> tuple[Floats, Floats]:
        """Means and variances of logarithms of errors (n,), but for a shift that all share, at (n, features)."""
        return self._process.predict(self._marked(features))

    @cached_property
    @on_one_thread
    def front(self) -> tuple[Point, ...]:
        """What nothing of these trials is expected to beat at its cost, cheap ones first, spread over costs if many."""
        points = [each for search in self._searches for each in search.complete_points if self._allowed(each)]
        points = list({frozenset(each.params.items()): each for each in points}.values())
        if not points:
            return ()
        costs = self.encoding.costs(points)
        values = np.column_stack([self.expected(self.encoding.features(points))[0], costs])
        found = sorted(pareto.front(values), key=lambda place: tuple(costs[place]))
        chosen = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_GIVEN)).astype(int))
        return tuple(points[found[place]] for place in chosen)

    @cached_property
    @on_one_thread
    def _process(self) -> GaussianProcess:
        x = np.vstack([self._marked(each.features, place) for place, each in enumerate(self._searches)])
        y, variances = (np.concatenate(parts) for parts in zip(*(each.targets for each in self._searches), strict=True))
        return GaussianProcess(Hyperparameters.fitted(x, y, variances), x, y, variances)

    def _marked(self, rows: Floats, search: int = 0) -> Floats:
        """With a column for each search but the first, in which it differs from that."""
        marks = np.zeros((len(rows), len(self._searches) - 1))
        marks[:, search - 1 : search] = 1.0
        return np.hstack([rows, marks])
