"""Which candidate to train next: the one that promises most hypervolume for its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pure_nas.forecast.forecast import Floats, Forecast, Prospects
from pure_nas.forecast.gaussian_process import on_one_thread
from pure_nas.forecast.variation import Point, crossing, mutation, random_point

STARTUP_TRIALS = 8
"""Trials, besides baselines, that are chosen by their cost alone."""
_START_POOL = 24
_DRAWN, _VARIED, _CROSSED = 48, 80, 0.3
_COST_POWER = 0.25


@on_one_thread
def propose(
    forecast: Forecast,
    number: int,
    taken: Callable[[Point], bool],
    rng: np.random.Generator,
    running: Sequence[Point] = (),
) -> Point:
    """The point for the trial after `number` others that were not given.

    Args:
        taken: whether a point is of no use, as it is over a limit or was trained before; one that is not is chosen
            if the pool has such.
        running: trials that have not ended; they count only where earlier searches are believed, which could else
            propose the same several times at the start.
    """
    space, encoding, prior = forecast.encoding.space, forecast.encoding, forecast.prior
    if prior is None and (number < STARTUP_TRIALS or not forecast.ready):
        pool = _new((random_point(space, rng) for _ in range(_START_POOL)), taken)
        order = np.argsort(encoding.costs(pool)[:, 0], kind="stable")
        return pool[int(order[int(_ladder(number) * len(pool))])]
    pool = _pool(forecast, taken, rng)
    prospects = forecast.prospects(pool, running if prior is not None else ())
    return pool[_most_promising(prospects, encoding.costs(pool))]


@on_one_thread
def likely_growth(forecast: Forecast, trials: int, taken: Callable[[Point], bool], rng: np.random.Generator) -> float:
    """Expected growth of the hypervolume by so many trials that `propose` chooses, if each goes as expected.

    A share of the box from nothing to the costs of the largest networks and the error of guessing.
    """
    if not forecast.ready:
        return 1.0
    pool, encoding = _pool(forecast, taken, rng), forecast.encoding
    prospects, costs, growth = forecast.prospects(pool), encoding.costs(pool), 0.0
    for _ in range(min(trials, len(pool))):
        falls = prospects.taken(_most_promising(prospects, costs))
        growth += float(falls @ encoding.volumes) / forecast.worst
    return growth


def _pool(forecast: Forecast, taken: Callable[[Point], bool], rng: np.random.Generator) -> list[Point]:
    space = forecast.encoding.space
    theirs = [] if forecast.prior is None else forecast.prior.front
    parents = [*forecast.front, *theirs]
    varied = [*theirs, *(random_point(space, rng) for _ in range(_DRAWN))]
    for _ in range(_VARIED if parents else 0):
        parent, other = (parents[int(place)] for place in rng.integers(len(parents), size=2))
        if rng.random() < _CROSSED:
            varied.append(crossing(space, parent, other, rng))
        else:
            varied.append(mutation(space, parent, rng))
    return _new(varied, taken)


def _most_promising(prospects: Prospects, costs: Floats) -> int:
    return int(np.argmax(np.log(np.maximum(prospects.gain, 1e-300)) - _COST_POWER * costs[:, 0]))


def _new(points: Iterable[Point], taken: Callable[[Point], bool]) -> list[Point]:
    """Distinct ones that are not taken, or all of them where every one is."""
    found = list({tuple(point.params.items()): point for point in points}.values())
    return [point for point in found if not taken(point)] or found


def _ladder(number: int) -> float:
    """Shares from 0 to 1 that fill the lower end more than the upper: small networks say much for little."""
    share, step = 0.0, 0.5
    while number:
        share, number, step = share + step * (number % 2), number // 2, step / 2
    return share**2
