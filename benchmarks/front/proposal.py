"""Which candidate to train next: the one that promises most hypervolume for its cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from benchmarks.front.forecast import Forecast
from benchmarks.front.variation import crossing, mutation, random_candidate
from pure_nas.space.candidate import Candidate

STARTUP_TRIALS = 8
_START_POOL = 24
_DRAWN, _VARIED, _CROSSED = 48, 80, 0.3
_COST_POWER = 0.5


def propose(forecast: Forecast, number: int, taken: Collection[str], rng: np.random.Generator) -> Candidate:
    """The candidate for trial `number`, not one of the digests `taken` if the pool has another.

    Args:
        number: of trials before it that were not given.
    """
    space, encoding = forecast.encoding.space, forecast.encoding
    if number < STARTUP_TRIALS or not forecast.ready:
        pool = _new((random_candidate(space, rng) for _ in range(_START_POOL)), taken)
        order = np.argsort(encoding.costs(pool)[:, 0], kind="stable")
        return pool[int(order[int(_ladder(number) * len(pool))])]
    parents = forecast.front
    varied = [random_candidate(space, rng) for _ in range(_DRAWN)]
    for _ in range(_VARIED):
        parent = parents[int(rng.integers(len(parents)))]
        if rng.random() < _CROSSED:
            parent = crossing(space, parent, parents[int(rng.integers(len(parents)))], rng)
        varied.append(mutation(space, parent, rng))
    pool = _new(varied, taken)
    gain = np.log(np.maximum(forecast.expected_gain(pool), 1e-300))
    return pool[int(np.argmax(gain - _COST_POWER * encoding.costs(pool)[:, 0]))]


def _new(candidates: Iterable[Candidate], taken: Collection[str]) -> list[Candidate]:
    """Distinct ones that are not taken, or all of them where every one is."""
    found = {each.digest: each for each in candidates}
    return [each for digest, each in found.items() if digest not in taken] or list(found.values())


def _ladder(number: int) -> float:
    """Shares from 0 to 1 that fill the lower end more than the upper: small networks say much for little."""
    share, step = 0.0, 0.5
    while number:
        share, number, step = share + step * (number % 2), number // 2, step / 2
    return share**2
