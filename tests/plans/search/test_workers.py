"""How many networks are trained at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from searches import settings_for

from pure_nas.cost.layers import cost_of
from pure_nas.errors import UsageError
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.plans.search.setup import prepare
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.workers.child import Speed
from pure_nas.workers.count import Work, calibrate, check_workers, plan_workers

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def work(depth: int = 1, batch_size: int = 16, left: int = 100) -> Work:
    architecture = Architecture.uniform("product", (depth,), base_width=8)
    candidate = Candidate(architecture, Recipe.usual(PRODUCT, batch_size=batch_size))
    return Work(left, candidate, candidate)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 8 threads."""
    held = [8]
    monkeypatch.setattr(torch, "get_num_threads", lambda: held[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: held.__setitem__(0, number))
    monkeypatch.setattr("pure_nas.workers.count._fitting_into_memory", lambda: 1000)


@pytest.mark.usefixtures("threads")
def test_on_a_cpu_the_threads_are_shared_out_by_what_a_step_feeds() -> None:
    assert plan_workers("auto", work(), CPU).count == 8
    flops = cost_of(work().middle.architecture).flops
    assert plan_workers("auto", work(batch_size=round(2.5e8 / flops)), CPU).count == 4
    assert plan_workers("auto", work(batch_size=round(1e10 / flops)), CPU).count == 1
    assert plan_workers("auto", work(left=3), CPU).count == 3
    assert plan_workers("auto", work(left=0), CPU).count == 1


@pytest.mark.usefixtures("threads")
def test_no_more_workers_than_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.workers.count._fitting_into_memory", lambda: 2)
    assert plan_workers("auto", work(), CPU).count == 2


def test_a_number_is_taken_up_to_the_trials_that_are_left() -> None:
    assert plan_workers(3, work(), CPU).count == 3
    assert plan_workers(3, work(left=2), CUDA).count == 2
    assert plan_workers("auto", work(), CUDA).count is None


@pytest.mark.parametrize("workers", [0, -1, 100_000])
def test_numbers_that_make_no_sense_are_refused(workers: int) -> None:
    with pytest.raises(UsageError, match="--workers"):
        check_workers(workers)


@pytest.mark.parametrize(
    "changes", [{"objectives": ("error", "latency")}, {"limits": Limits(latency_ms=100.0)}], ids=["objective", "limit"]
)
def test_latency_is_measured_with_nothing_beside(
    changes: dict[str, object], image_folder: Path, tiny_space_file: Path
) -> None:
    with pytest.raises(UsageError, match="Latency cannot be measured while 2 networks"):
        settings_for(image_folder, tiny_space_file, workers=2, **changes)
    plan = prepare(settings_for(image_folder, tiny_space_file, workers="auto", **changes)).workers_for(5)
    assert plan.count == 1
    assert "latency" in plan.reason


class FakeExecutor:
    """Delivers what it is told to with each number of workers."""

    devices: tuple[torch.device, ...] = (CPU,)

    def __init__(self, rates: dict[int, float], peak_bytes: int = 0) -> None:
        self.rates = rates
        self.peak_bytes = peak_bytes
        self.workers = 0

    def resize(self, workers: int) -> None:
        self.workers = workers

    def speed(self, candidate: Candidate, seconds: float) -> Speed:
        return Speed(self.rates[self.workers], self.peak_bytes)


def test_calibration_keeps_the_fewest_that_are_nearly_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("pure_nas.workers.count._fitting_into_memory", lambda: 1000)
    executor = FakeExecutor({1: 100.0, 2: 190.0, 4: 300.0, 8: 302.0, 16: 900.0})
    plan = calibrate(executor, work(), 0.1)  # type: ignore[arg-type]
    assert (plan.count, executor.workers) == (4, 4)
    assert plan.measured == {1: 100.0, 2: 190.0, 4: 300.0, 8: 302.0}
    few = calibrate(executor, work(left=3), 0.1)  # type: ignore[arg-type]
    assert few.measured == {1: 100.0, 2: 190.0}


def test_on_gpus_no_more_than_their_memory_holds_with_the_largest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs with 20 GB each; a worker keeps 1 GB and needs 3 GB more for the largest network."""
    executor = FakeExecutor({2: 100.0, 4: 190.0, 8: 300.0, 16: 500.0}, peak_bytes=3 * 10**9)
    executor.devices = (torch.device("cuda:0"), torch.device("cuda:1"))
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("pure_nas.workers.count._fitting_into_memory", lambda: 1000)
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: ((20 - (1 if executor.workers else 0)) * 10**9, 20 * 10**9)
    )
    plan = calibrate(executor, work(), 0.1)  # type: ignore[arg-type]
    assert plan.measured == {2: 100.0, 4: 190.0, 8: 300.0}


def test_what_is_measured_with_comes_from_the_space() -> None:
    space = load_space("digits").with_images(in_chans=1, num_classes=10, image_size=8)
    found = Work.of_space(space, 5)
    costs = [cost_of(network).flops for _, network in space.baseline_architectures()]
    assert min(costs) < cost_of(found.middle.architecture).flops < max(costs)
    assert cost_of(found.largest.architecture).flops == max(
        cost_of(network).flops for network in space.largest_architectures()
    )
    assert found.left == 5


def test_workers_may_differ_when_a_run_goes_on(image_folder: Path, tiny_space_file: Path) -> None:
    fields = settings_for(image_folder, tiny_space_file, workers="auto")
    assert isinstance(fields, SearchSettings)
    assert fields.resolved()["workers"] == "auto"
