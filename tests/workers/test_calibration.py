"""How many workers follow from what they deliver."""

from __future__ import annotations

import pytest

from pure_nas.workers.calibration import fewest_sufficient, measure_doubling


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({1: 100.0}, 1),
        ({1: 100.0, 2: 104.0}, 1),
        ({1: 100.0, 2: 106.0}, 2),
        ({1: 100.0, 2: 190.0, 4: 250.0, 8: 255.0}, 4),
        ({1: 100.0, 2: 60.0}, 1),
        ({2: 100.0, 4: 0.0}, 2),
        ({1: 0.0}, 1),
    ],
)
def test_the_fewest_that_are_nearly_the_best_are_taken(measured: dict[int, float], expected: int) -> None:
    assert fewest_sufficient(measured) == expected


@pytest.mark.parametrize(
    ("rates", "first", "most", "tried"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 500}, 1, 8, [1, 2, 4, 8]),
        ({1: 100, 2: 190, 4: 300, 8: 500}, 1, 7, [1, 2, 4]),
        ({1: 100, 2: 103, 4: 300}, 1, 8, [1, 2]),
        ({1: 100, 2: 0, 4: 300}, 1, 8, [1, 2]),
        ({3: 100, 6: 150}, 3, 8, [3, 6]),
        ({2: 100}, 3, 2, [2]),
        ({1: 100}, 1, 0, [1]),
        ({1: 0}, 1, 8, [1]),
    ],
)
def test_workers_are_doubled_while_that_pays(rates: dict[int, float], first: int, most: int, tried: list[int]) -> None:
    asked: list[int] = []

    def rehearse(workers: int) -> float:
        asked.append(workers)
        return rates[workers]

    assert measure_doubling(rehearse, first, most) == {workers: rates[workers] for workers in tried}
    assert asked == tried
