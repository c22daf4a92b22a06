"""New candidates lie in the space, differ from their parents as they should, and follow from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pure_nas.forecast.variation import crossing, mutation, point_of, random_point
from pure_nas.space.catalogue import load_space
from pure_nas.space.search_space import SearchSpace

SHIPPED = [load_space(name) for name in ("digits", "cifar10", "units")]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SHIPPED), st.integers(0, 2**32 - 1))
def test_every_candidate_lies_in_the_space(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_point(space, rng), random_point(space, rng)
    for point in (first, second, mutation(space, first, rng), crossing(space, first, second, rng)):
        assert space.parameters_of(point.candidate).outside == ()
        assert point_of(space, point.candidate) == point


def test_a_mutation_keeps_most_parameters() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(3)
    shares = []
    for _ in range(60):
        parent = random_point(space, rng)
        before, after = parent.params, mutation(space, parent, rng).params
        shared = before.keys() & after.keys()
        shares.append(sum(before[name] == after[name] for name in shared) / len(shared))
    assert 0.85 < np.mean(shares) < 1.0


def test_a_crossing_takes_most_parameters_from_a_parent() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(4)
    first, second = random_point(space, rng), random_point(space, rng)
    shares, holders = [], set()
    for _ in range(60):
        child = crossing(space, first, second, rng).params
        held = [name for name in child if name in first.params or name in second.params]
        by = [tuple(child[name] == each.params.get(name) for each in (first, second)) for name in held]
        shares.append(sum(map(any, by)) / len(by))
        holders.update(by)
    assert 0.85 < np.mean(shares) < 1.0
    assert {(True, False), (False, True)} <= holders


def test_random_values_spread_over_magnitudes_where_the_space_says_so() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(5)
    rates = [random_point(space, rng).candidate.recipe.learning_rate.trunk for _ in range(300)]
    assert min(rates) >= 0.005
    assert max(rates) <= 0.3
    assert np.median(np.log(rates)) == pytest.approx(np.log(0.005 * 0.3) / 2, abs=0.35)
