"""Two networks are compared image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pure_nas.analysis.statistics import mcnemar

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


def hits(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = ((1, 1), both), ((1, 0), first), ((0, 1), second), ((0, 0), neither)
    table = np.array([pair for pair, count in counts for _ in range(count)], dtype=bool)
    return table[:, 0], table[:, 1]


def test_by_hand() -> None:
    # Of 8 images on which they differ the first has 1: p = 2 (C(8, 0) + C(8, 1)) / 2**8.
    found = mcnemar(*hits(88, 1, 7, 4))
    assert (found.images, found.only_first, found.only_second) == (100, 1, 7)
    assert found.p == pytest.approx(2 * (1 + 8) / 256)
    assert found.difference == pytest.approx(0.06)
    # Bonett and Price: shares (7 + 1) / 102 and (1 + 1) / 102.
    more, less = 8 / 102, 2 / 102
    reach = 1.959963984540054 * math.sqrt((more + less - (more - less) ** 2) / 102)
    assert (found.low, found.high) == pytest.approx((more - less - reach, more - less + reach))


def test_networks_that_are_right_on_the_same_images_are_not_told_apart() -> None:
    found = mcnemar(*hits(90, 0, 0, 10))
    assert (found.p, found.difference) == (1.0, 0.0)
    assert found.low < 0 < found.high


@given(PAIRS)
def test_it_is_a_binomial_test_of_the_images_on_which_they_differ(pairs: list[tuple[bool, bool]]) -> None:
    first, second = np.array(pairs, dtype=bool).T
    found = mcnemar(first, second)
    apart = found.only_first + found.only_second
    assert apart == (first != second).sum()
    assert found.p == (stats.binomtest(found.only_first, apart, 0.5).pvalue if apart else 1.0)
    assert found.difference == pytest.approx((~first).mean() - (~second).mean())
    assert -1 <= found.low <= found.high <= 1


@given(PAIRS)
def test_the_other_way_round_only_signs_change(pairs: list[tuple[bool, bool]]) -> None:
    first, second = np.array(pairs, dtype=bool).T
    found, turned = mcnemar(first, second), mcnemar(second, first)
    assert turned.p == pytest.approx(found.p)
    assert (turned.low, turned.high, turned.difference) == pytest.approx((-found.high, -found.low, -found.difference))
