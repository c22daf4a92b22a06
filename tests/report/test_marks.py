"""Where labels go."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.report.marks import end_labels


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
