from __future__ import annotations

import time

import pytest
from space_samples import SMALL_SPACES, every_candidate, small_space

from pure_nas.space.search_space import SearchSpace


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_the_count_is_the_number_of_distinct_canonical_architectures(name: str) -> None:
    space = small_space(name)
    assert space.count() == len({candidate.architecture.canonical() for candidate in every_candidate(space)})


def test_one_flag_a_layer_counts_powers_of_two() -> None:
    space = SearchSpace.from_toml("""
        [architecture]
        blocks_per_stage = 9
        units = { choices = ["conv", "product"], per = "layer" }
    """)
    assert space.count() == 2**27


def test_a_continuous_threshold_counts_once() -> None:
    space = SearchSpace.from_toml("""
        [architecture]
        blocks_per_stage = { low = 1, high = 3 }
        units = { choices = ["conv", "product"], per = "layer" }
        threshold_init = { low = -4.0, high = 3.0 }
    """)
    assert space.count() == (2 + 4 + 8) ** 3


def test_a_huge_space_is_counted_at_once() -> None:
    space = SearchSpace.from_toml("""
        [architecture]
        stages = 6
        blocks_per_stage = { low = 1, high = 200 }
        base_width = { low = 1, high = 4096 }
        units = { choices = ["conv", "product"], per = "layer" }
    """)
    started = time.perf_counter()
    assert space.count() == 4096 * (2**201 - 2) ** 6
    assert time.perf_counter() - started < 2
