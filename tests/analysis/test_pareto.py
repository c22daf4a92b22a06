"""Dominance, fronts, hypervolume and the knee."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.analysis.pareto import dominates, front, grouped, hypervolume, knee

COORDINATES = st.integers(0, 6).map(float)
POINT_LISTS = st.integers(2, 4).flatmap(
    lambda n_objectives: st.lists(st.tuples(*[COORDINATES] * n_objectives), min_size=1, max_size=9)
)


def volume_by_inclusion_and_exclusion(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    """Volume of a union of boxes, added and taken away over all subsets."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for subset in combinations(points, size):
            corner = np.max(np.array(subset), axis=0)
            total += (-1) ** (size + 1) * float(np.prod(np.maximum(np.array(reference) - corner, 0.0)))
    return total


@given(POINT_LISTS)
def test_front_is_what_brute_force_finds(points: list[tuple[float, ...]]) -> None:
    expected = {index for index, point in enumerate(points) if not any(dominates(other, point) for other in points)}
    members = front(points)
    assert set(members) == expected
    assert [points[index] for index in members] == sorted(points[index] for index in expected)


@given(POINT_LISTS)
def test_hypervolume_is_what_inclusion_and_exclusion_finds(points: list[tuple[float, ...]]) -> None:
    reference = (5.0,) * len(points[0])
    assert hypervolume(points, reference) == pytest.approx(volume_by_inclusion_and_exclusion(points, reference))
    assert hypervolume([], reference) == 0.0


def test_nothing_dominates_an_equal_point() -> None:
    assert [dominates(point, (1, 2)) for point in ((1, 2), (1, 1), (0, 3))] == [False, True, False]


@pytest.mark.parametrize(
    ("points", "expected"),
    [([(1, 1), (2, 0), (1, 1), (3, 3)], [0, 2, 1]), ([(float("nan"), 0.0), (1.0, 1.0)], [1]), ([], [])],
    ids=["equal points", "nan", "no points"],
)
def test_front_keeps_equal_points_and_leaves_nan_out(points: list[tuple[float, float]], expected: list[int]) -> None:
    assert front(points) == expected


def test_points_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="points have 2 objectives, but the reference has 3"):
        hypervolume([(1.0, 1.0)], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \(n, objectives\)"):
        front([1.0, 2.0])
    with pytest.raises(ValueError, match="an empty front has no knee"):
        knee([])


def test_knee_is_the_corner_of_the_front() -> None:
    assert knee([(0.5, 1e5), (0.1, 2e5), (0.09, 1e7), (0.6, 1e7)]) == 1
    assert knee([(0.5, 1e5)]) == 0


@given(POINT_LISTS, st.floats(0, 2), st.floats(0, 0.5))
def test_groups_hold_every_member_once_close_to_the_first(
    points: list[tuple[float, ...]], absolute: float, relative: float
) -> None:
    members = front(points)
    groups = grouped(points, members, [(absolute, relative)] * len(points[0]))
    assert sorted(index for group in groups for index in group) == sorted(members)
    assert [group[0] for group in groups] == [index for index in members if index in {group[0] for group in groups}]
    for group in groups:
        for index in group:
            for a, b in zip(points[group[0]], points[index], strict=True):
                assert abs(a - b) <= absolute + relative * max(abs(a), abs(b))


def test_without_tolerance_only_equal_points_are_grouped() -> None:
    points = [(1.0, 2.0), (2.0, 1.0), (1.0, 2.0)]
    assert grouped(points, front(points), [(0.0, 0.0)] * 2) == [[0, 2], [1]]
