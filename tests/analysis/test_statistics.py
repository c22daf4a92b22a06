"""What several seeds say: intervals, differences and their correction."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from pure_nas.analysis.statistics import difference, holm, mean_interval

ACCURACIES = st.lists(st.floats(0, 1), min_size=2, max_size=6)


def test_the_interval_of_a_mean_is_students() -> None:
    # By hand: mean 0.92, standard deviation 0.02, t of two degrees of freedom 4.3027.
    reach = 4.302652729911275 * 0.02 / math.sqrt(3)
    assert mean_interval([0.90, 0.92, 0.94]) == pytest.approx((0.92 - reach, 0.92 + reach))
    assert mean_interval([0.9]) is None
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5)


def test_the_interval_of_a_difference_is_welchs() -> None:
    first, second = [0.90, 0.92, 0.94], [0.80, 0.86, 0.83, 0.87]
    # By hand: means 0.92 and 0.84, variances 0.0004 and 0.001 over 3 and 4 values.
    of_first, of_second = 0.0004 / 3, 0.001 / 4
    error = math.sqrt(of_first + of_second)
    freedom = (of_first + of_second) ** 2 / (of_first**2 / 2 + of_second**2 / 3)
    reach = float(stats.t.ppf(0.975, freedom)) * error
    found = difference(first, second)
    assert (found.value, found.low, found.high) == pytest.approx((0.08, 0.08 - reach, 0.08 + reach))
    theirs = stats.ttest_ind(first, second, equal_var=False)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.p == pytest.approx(theirs.pvalue)


@given(ACCURACIES, ACCURACIES)
@example([0.0, 0.0], [0.0, 4e-131])
def test_an_interval_excludes_zero_where_p_is_small(first: list[float], second: list[float]) -> None:
    found = difference(first, second)
    assert found.low <= found.value <= found.high
    if found.p is not None and abs(found.p - 0.05) > 1e-6:
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
    back = difference(second, first)
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_values_that_do_not_vary_have_no_p_value() -> None:
    found = difference([0.5, 0.5], [0.25, 0.25])
    assert (found.value, found.low, found.high, found.p) == (0.25, 0.25, 0.25, None)
    found = difference([0.5, 0.5], [0.25, 0.35])
    assert found.low < 0.2 < found.high
    assert found.p is not None


def test_p_values_are_adjusted_by_holm() -> None:
    # By hand: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 are 0.02, 0.03, 0.06, 0.04, the last raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
