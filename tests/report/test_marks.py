"""Where marks and labels go."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pure_nas.report.marks import axis_range, end_labels, labelled, log_ticks


@given(st.lists(st.floats(min_value=1e-3, max_value=1), min_size=1, max_size=40), st.booleans())
def test_labels_at_line_ends_keep_their_order_their_distance_and_within_the_axis(ends: list[float], log: bool) -> None:
    limits = (-3.2, 0.2) if log else (-0.1, 1.1)
    found = end_labels(ends, limits, log=log)
    places = [((math.log10(value) if log else value) - limits[0]) / (limits[1] - limits[0]) for value in found]
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    by_end = sorted(range(len(ends)), key=lambda index: ends[index])
    gap = min(0.06, 1 / len(ends))
    assert all(places[above] - places[below] >= gap - 1e-9 for below, above in pairwise(by_end))


@pytest.mark.parametrize("log", [False, True])
def test_a_label_with_room_stands_where_its_line_ends(log: bool) -> None:
    assert end_labels([0.1, 0.5], (-2.0, 1.0), log=log) == pytest.approx([0.1, 0.5])


@given(st.floats(1e-6, 1e12), st.floats(1.0001, 1e6))
@example(low=633333333334.0, ratio=1.5)
def test_log_axis_has_a_few_ticks_at_least_one(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 12
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


@given(st.lists(st.floats(1e-3, 1e9), min_size=1))
def test_axis_holds_every_value(values: list[float]) -> None:
    low, high = axis_range(values, log=True)
    assert low < min(map(math.log10, values))
    assert high > max(map(math.log10, values))


def test_labels_that_would_touch_are_left_out() -> None:
    assert labelled([(1e5, 0.1), (1.0001e5, 0.1), (1e6, 0.05)]) == {0, 2}
    assert labelled([]) == set()
