"""New candidates lie in the space, differ from their parents as they should, and follow from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.front.variation import crossing, mutation, random_candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.search_space import SearchSpace

SHIPPED = [load_space(name) for name in ("digits", "cifar10", "units")]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SHIPPED), st.integers(0, 2**32 - 1))
def test_every_candidate_lies_in_the_space(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_candidate(space, rng), random_candidate(space, rng)
    for candidate in (first, second, mutation(space, first, rng), crossing(space, first, second, rng)):
        assert space.parameters_of(candidate).outside == ()


def test_a_generator_decides_a_candidate() -> None:
    space = SHIPPED[0]
    first, again, other = (random_candidate(space, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_mutation_keeps_most_parameters() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(3)
    shares = []
    for _ in range(60):
        parent = random_candidate(space, rng)
        before, after = (space.parameters_of(each).params for each in (parent, mutation(space, parent, rng)))
        shared = before.keys() & after.keys()
        shares.append(sum(before[name] == after[name] for name in shared) / len(shared))
    assert 0.85 < np.mean(shares) < 1.0


def test_a_crossing_takes_every_parameter_from_a_parent() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(4)
    first, second = random_candidate(space, rng), random_candidate(space, rng)
    parents = [space.parameters_of(each).params for each in (first, second)]
    child = space.parameters_of(crossing(space, first, second, rng)).params
    given_by_one = [name for name, value in child.items() if value in [each.get(name) for each in parents]]
    assert set(given_by_one) == {name for name in child if any(name in each for each in parents)}
    assert len({tuple(child[name] == each.get(name) for each in parents) for name in given_by_one}) > 1


def test_random_values_spread_over_magnitudes_where_the_space_says_so() -> None:
    space, rng = SHIPPED[0], np.random.default_rng(5)
    rates = [random_candidate(space, rng).recipe.learning_rate.trunk for _ in range(300)]
    assert min(rates) >= 0.005
    assert max(rates) <= 0.3
    assert np.median(np.log(rates)) == pytest.approx(np.log(0.005 * 0.3) / 2, abs=0.35)
