"""What a command trains with: the images, the device, and so many networks at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.devices import devices_of, threads_for
from pure_nas.errors import UsageError
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.workers import Executor
from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.pool import ProcessExecutor
from pure_nas.workers.worker_main import Load

Workers = int | Literal["auto"]

_CALIBRATION_SECONDS = 3.0
_SHARE_OF_MEMORY = 0.9
_MAX_PER_CPU = 4
_TOLERANCE = 0.05  # more workers that deliver less than this more are not worth their memory


def check_workers(workers: Workers) -> None:
    """Check that a number of workers makes sense on this machine; else it is a `UsageError`."""
    cpus = os.cpu_count() or 1
    if workers != "auto" and not 1 <= workers <= _MAX_PER_CPU * cpus:
        raise UsageError(
            f"The number of workers cannot be {workers} on {cpus} CPUs.",
            hint=f'Take "auto", or from 1 to {_MAX_PER_CPU * cpus}: more would wait for each other.',
        )


@dataclass(frozen=True)
class WorkerPlan:
    """How many workers there will be, and why."""

    count: int | None  # None where it will be measured
    reason: str  # in words for the user
    measured: dict[int, float] = field(default_factory=dict)  # images per second of all together, by their number


@dataclass(frozen=True)
class Work:
    """What there is to train: a candidate of middle cost, to measure with, and the one that needs most memory."""

    middle: Candidate
    largest: Candidate

    @classmethod
    def of_space(cls, space: SearchSpace) -> Work:
        networks = [network for _, network in space.baseline_architectures()] or space.smallest_architectures()
        networks = sorted(networks, key=lambda network: cost_of(network).flops)
        largest = max(space.largest_architectures(), key=lambda network: cost_of(network).flops)
        middle, most = (
            Candidate(network, space.baseline_recipe([get_unit(name) for name in sorted(network.unit_set)]))
            for network in (networks[len(networks) // 2], largest)
        )
        return cls(middle, most)

    @classmethod
    def of_candidates(cls, candidates: Sequence[Candidate]) -> Work:
        ordered = sorted(candidates, key=lambda candidate: cost_of(candidate.architecture).flops)
        return cls(ordered[len(ordered) // 2], ordered[-1])


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a plan trains with."""

    dataset: Dataset
    load: Load  # loads the images in another process
    device: torch.device
    train_images: int  # images that an epoch trains on
    workers: Workers  # networks trained at once, as asked for
    work: Callable[[], Work]
    job_seconds: float | None = None  # that a training may take; None: as long as it gets on
    retries: int = 1  # of a training that lost its worker

    def workers_for(self, left: int) -> WorkerPlan:
        """How many networks are trained at once while `left` are to go."""
        if self.workers != "auto":
            return WorkerPlan(max(1, min(self.workers, left)), "as requested")
        if self.device.type == "cuda":
            return WorkerPlan(None, "their number is measured at the start")
        if self.device.type != "cpu":
            return WorkerPlan(max(1, min(len(devices_of(self.device)), left)), "one for each device")
        threads, middle = torch.get_num_threads(), self.work().middle
        with threads_for(cost_of(middle.architecture).flops * middle.recipe.batch_size):
            fed = torch.get_num_threads()
        count = max(1, min(threads // fed, left, _fitting_into_memory()))
        return WorkerPlan(count, f"a training step keeps {fed} of {threads} CPU threads busy")

    def start_workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains while `left` networks are to go. Processes get ready while the caller goes on."""
        plan = self.workers_for(left)
        if plan.count == 1 and self.job_seconds is None:
            return InlineExecutor(self.dataset, self.device), plan
        executor = ProcessExecutor(
            self.load,
            self.dataset.fingerprint,
            self.device,
            plan.count or 1,
            job_seconds=self.job_seconds,
            retries=self.retries,
        )
        try:
            plan = plan if plan.count else calibrate(executor, self.work(), left)
            executor.start()
        except BaseException:
            executor.close()
            raise
        return executor, plan


def calibrate(executor: ProcessExecutor, work: Work, left: int, seconds: float = _CALIBRATION_SECONDS) -> WorkerPlan:
    """Give `executor` the fewest workers that deliver nearly the most images per second together, by measurement."""
    most = min(left, os.cpu_count() or 1, _fitting_into_memory())
    if executor.devices[0].type == "cuda":
        most = min(most, _fitting_onto_devices(executor, work.largest))
    workers, best, measured = max(1, min(len(executor.devices), most)), 0.0, dict[int, float]()
    while not measured or workers <= most:
        executor.resize(workers)
        measured[workers] = rate = executor.speed(work.middle, seconds).images_per_second
        if rate <= best * (1 + _TOLERANCE):
            break
        best, workers = rate, 2 * workers
    enough = (1 - _TOLERANCE) * max(measured.values())
    count = min(workers for workers, rate in measured.items() if rate >= enough)
    executor.resize(count)
    return WorkerPlan(count, "the fewest with nearly the most images/s", measured)


def _fitting_onto_devices(executor: ProcessExecutor, largest: Candidate) -> int:

    def free() -> int:
        return min(torch.cuda.mem_get_info(device)[0] for device in executor.devices)

    devices, before = len(executor.devices), free()
    executor.resize(devices)
    peak = executor.speed(largest, seconds=0.0).peak_bytes
    if peak == 0:
        # Not even one for each device fits; trials of the largest networks will say so.
        return devices
    # What is still taken now that nothing trains: PyTorch itself and the images.
    kept = before - free()
    return devices * int(_SHARE_OF_MEMORY * before / max(peak + kept, 1))


def _fitting_into_memory() -> int:
    meminfo, own = Path("/proc/meminfo"), Path("/proc/self/statm")
    if not (meminfo.exists() and own.exists()):
        return sys.maxsize
    available = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="ascii"))
    if available is None:
        return sys.maxsize
    resident = int(own.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return max(1, int(_SHARE_OF_MEMORY * int(available[1]) * 1024 / resident))
