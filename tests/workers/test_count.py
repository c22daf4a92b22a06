"""How many workers follow from what they deliver."""

from __future__ import annotations

import pytest
from jobs import CPU

from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.workers.child import Speed
from pure_nas.workers.count import Work, calibrate


class FakeExecutor:
    """Delivers what it is told to with each number of workers."""

    def __init__(self, rates: dict[int, float], devices: int) -> None:
        self.rates = rates
        self.devices = [CPU] * devices
        self.workers = 0

    def resize(self, workers: int) -> None:
        self.workers = workers

    def speed(self, candidate: Candidate, seconds: float) -> Speed:
        return Speed(self.rates[self.workers])


@pytest.mark.parametrize(
    ("rates", "devices", "most", "tried", "expected"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 500}, 1, 8, [1, 2, 4, 8], 8),
        ({1: 100, 2: 190, 4: 300, 8: 500}, 1, 7, [1, 2, 4], 4),
        ({1: 100, 2: 190, 4: 250, 8: 255}, 1, 8, [1, 2, 4, 8], 4),
        ({1: 100, 2: 104, 4: 300}, 1, 8, [1, 2], 1),
        ({1: 100, 2: 106}, 1, 3, [1, 2], 2),
        ({1: 100, 2: 60, 4: 300}, 1, 8, [1, 2], 1),
        ({1: 100, 2: 0, 4: 300}, 1, 8, [1, 2], 1),
        ({3: 100, 6: 150}, 3, 8, [3, 6], 6),
        ({2: 100}, 3, 2, [2], 2),
        ({1: 100}, 1, 0, [1], 1),
        ({1: 0}, 1, 8, [1], 1),
    ],
)
def test_workers_are_doubled_while_that_pays_and_the_fewest_that_are_nearly_the_best_are_kept(
    rates: dict[int, float],
    devices: int,
    most: int,
    tried: list[int],
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("pure_nas.workers.count._fitting_into_memory", lambda: 1000)
    candidate = Candidate(Architecture.uniform("product", (1,)), Recipe.usual(PRODUCT))
    executor = FakeExecutor(rates, devices)
    plan = calibrate(executor, Work(most, candidate, candidate), 0.1)  # type: ignore[arg-type]
    assert plan.measured == {workers: rates[workers] for workers in tried}
    assert plan.count == executor.workers == expected
