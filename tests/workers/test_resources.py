"""How many networks are trained at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from jobs import CPU

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import UsageError
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.workers.executor import HERE, Execution
from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.processes import ProcessExecutor
from pure_nas.workers.resources import Resources, Work, Workers, calibrate, check_workers
from pure_nas.workers.worker_main import Speed

CUDA = torch.device("cuda")


def work() -> Work:
    architecture = Architecture.uniform("product", (1,), base_width=8)
    candidate = Candidate(architecture, Recipe.usual(PRODUCT, batch_size=16))
    return Work(candidate, candidate)


def resources(dataset: Dataset, workers: Workers, device: torch.device = CPU, **more: Any) -> Resources:
    return Resources(
        dataset=dataset, load=lambda: dataset, device=device, train_images=1, workers=workers, work=work, **more
    )


def count(dataset: Dataset, workers: Workers, device: torch.device = CPU, *, left: int = 100) -> int | None:
    """How many workers are planned."""
    return resources(dataset, workers, device).workers_for(left).count


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 CPUs, 8 threads, and memory for 1000 processes."""
    held = [8]
    monkeypatch.setattr(torch, "get_num_threads", lambda: held[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: held.__setitem__(0, number))
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("pure_nas.workers.resources._fitting_into_memory", lambda: 1000)


def test_on_a_cpu_each_worker_has_a_thread(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert count(dataset, "auto") == 8
    assert count(dataset, "auto", left=3) == 3
    assert count(dataset, "auto", left=0) == 1
    monkeypatch.setattr("pure_nas.workers.resources._fitting_into_memory", lambda: 2)
    assert count(dataset, "auto") == 2


@pytest.mark.parametrize(
    ("execution", "workers", "left", "seconds", "kind"),
    [
        (HERE, 1, 9, None, InlineExecutor),
        (HERE, "auto", 1, None, InlineExecutor),
        (HERE, 2, 9, None, ProcessExecutor),
        (HERE, 1, 9, 60.0, ProcessExecutor),
        (Execution(kind="pool"), 1, 9, None, ProcessExecutor),
        (Execution(kind="inline"), "auto", 9, None, InlineExecutor),
    ],
)
def test_who_trains(
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    execution: Execution,
    workers: Workers,
    left: int,
    seconds: float | None,
    kind: type[object],
) -> None:
    monkeypatch.setattr(ProcessExecutor, "start", lambda _: None)
    found = resources(dataset, workers, execution=execution, job_seconds=seconds)
    executor, plan = found.start_workers(left)
    executor.close()
    assert type(executor) is kind
    assert plan.count == (workers if workers != "auto" else 1)


def test_what_takes_long_is_not_lost_with_its_process(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single worker that was not asked for is then a process that can be ended and replaced."""
    monkeypatch.setattr(ProcessExecutor, "start", lambda _: None)
    monkeypatch.setattr("pure_nas.workers.resources._fitting_into_memory", lambda: 1)
    for images, kind in ((1, InlineExecutor), (10**9, ProcessExecutor)):
        executor, plan = replace(resources(dataset, "auto"), train_images=images).start_workers(9)
        executor.close()
        assert (type(executor), plan.count) == (kind, 1)


def test_a_number_is_taken_up_to_the_trials_that_are_left(dataset: Dataset) -> None:
    assert count(dataset, 3) == 3
    assert count(dataset, 3, CUDA, left=2) == 2
    assert count(dataset, "auto", CUDA) is None


@pytest.mark.parametrize("workers", [0, -1, 100_000])
def test_numbers_that_make_no_sense_are_refused(workers: int) -> None:
    with pytest.raises(UsageError, match=f"The number of workers cannot be {workers}"):
        check_workers(workers, HERE)


class FakeExecutor:
    """Delivers what it is told to with each number of workers."""

    def __init__(self, rates: dict[int, float], devices: list[torch.device], peak_bytes: int = 0) -> None:
        self.rates = rates
        self.devices = devices
        self.peak_bytes = peak_bytes
        self.workers = 0

    def resize(self, workers: int) -> None:
        self.workers = workers

    def speed(self, candidate: Candidate, seconds: float) -> Speed:
        return Speed(self.rates[self.workers], self.peak_bytes)


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
    rates: dict[int, float], devices: int, most: int, tried: list[int], expected: int
) -> None:
    executor = FakeExecutor(rates, [CPU] * devices)
    plan = calibrate(executor, work(), most, 0.1)  # type: ignore[arg-type]
    assert plan.measured == {workers: rates[workers] for workers in tried}
    assert plan.count == executor.workers == expected


def test_on_gpus_no_more_than_their_memory_holds_with_the_largest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs with 20 GB each; a worker keeps 1 GB and needs 3 GB more for the largest network."""
    gpus = [torch.device("cuda:0"), torch.device("cuda:1")]
    executor = FakeExecutor({2: 100.0, 4: 190.0, 8: 300.0, 16: 500.0}, gpus, peak_bytes=3 * 10**9)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: ((20 - bool(executor.workers)) * 10**9, 20 * 10**9))
    plan = calibrate(executor, work(), 100, 0.1)  # type: ignore[arg-type]
    assert plan.measured == {2: 100.0, 4: 190.0, 8: 300.0}


def test_what_is_measured_with_comes_from_the_space() -> None:
    space = load_space("digits").with_images(in_chans=1, num_classes=10, image_size=8)
    found = Work.of_space(space)
    costs = [cost_of(network).flops for _, network in space.baseline_architectures()]
    assert min(costs) < cost_of(found.middle.architecture).flops < max(costs)
    largest = max(cost_of(network).flops for network in space.largest_architectures())
    assert cost_of(found.largest.architecture).flops == largest
