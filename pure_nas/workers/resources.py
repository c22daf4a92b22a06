"""What a command trains with: the images, the device, and so many networks at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.devices import nominal_flops_per_second
from pure_nas.errors import UsageError
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.workers.executor import HERE, Execution, Executor, devices_for, place_of
from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.processes import ProcessExecutor
from pure_nas.workers.worker_main import Load

if TYPE_CHECKING:
    from pure_nas.workers.ray_cluster import RayExecutor

Workers = int | Literal["auto"]

_CALIBRATION_SECONDS = 3.0
_SHARE_OF_MEMORY = 0.9
_MAX_PER_CPU = 4
_TRAINING_PASSES = 3
_LONG_SECONDS = 600.0
_TOLERANCE = 0.05  # more workers that deliver less than this more are not worth their memory


def check_workers(workers: Workers, execution: Execution) -> None:
    """Check that a number of workers makes sense where they are; else it is a `UsageError`."""
    if execution.kind == "inline" and workers not in (1, "auto"):
        raise UsageError(f"One process cannot train with {workers} workers.", hint="Use --executor pool.")
    cpus = os.cpu_count() or 1
    if execution.kind != "ray" and workers != "auto" and not 1 <= workers <= _MAX_PER_CPU * cpus:
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
    tests: bool = False  # whether trained networks are evaluated on the test images
    execution: Execution = HERE
    job_seconds: float | None = None  # that a training may take; None: as long as it gets on
    retries: int = 1  # of a training that lost its worker

    @property
    def devices(self) -> list[torch.device]:
        """On which workers of this machine train."""
        return devices_for(self.execution, self.device)

    @property
    def place(self) -> str:
        """Where networks are trained, for people."""
        return place_of(self.execution, self.device)

    def workers_for(self, left: int) -> WorkerPlan:
        """How many networks are trained at once while `left` are to go."""
        if self.execution.kind == "inline":
            return WorkerPlan(1, "in this process")
        if self.workers != "auto":
            return WorkerPlan(max(1, min(self.workers, left)), "as requested")
        if self.execution.kind == "ray":
            from pure_nas.workers.ray_cluster import room

            return WorkerPlan(max(1, min(room(self.execution), left)), "the cluster has room for as many, or more")
        if self.device.type == "cuda":
            return WorkerPlan(None, "their number is measured at the start")
        if self.device.type != "cpu":
            return WorkerPlan(max(1, min(len(self.devices), left)), "one for each device")
        # One thread each: two that share a step wait for each other, and deliver up to a third less.
        count = max(1, min(torch.get_num_threads(), left, _fitting_into_memory()))
        return WorkerPlan(count, "one for each CPU thread" if count > 1 else "one CPU thread, or one network left")

    def start_workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains while `left` networks are to go. Processes get ready while the caller goes on."""
        plan, kind = self.workers_for(left), self.execution.kind
        if kind == "inline" or (kind == "auto" and plan.count == 1 and not self._needs_process(left)):
            return InlineExecutor(self.dataset, self.device), plan
        executor = self._on_cluster(plan) if kind == "ray" else self._in_processes(plan)
        try:
            if plan.count is None and isinstance(executor, ProcessExecutor):
                plan = calibrate(executor, self.work(), left)
            executor.start()
        except BaseException:
            executor.close()
            raise
        return executor, plan

    def _needs_process(self, left: int) -> bool:
        """Whether a single worker is a process of its own: one that can be ended, or that may take much with it."""
        middle = self.work().middle
        flops = _TRAINING_PASSES * cost_of(middle.architecture).flops * self.train_images * middle.recipe.epochs * left
        takes_long = flops > _LONG_SECONDS * nominal_flops_per_second(self.device)
        return self.job_seconds is not None or (self.workers == "auto" and takes_long)

    def _in_processes(self, plan: WorkerPlan) -> ProcessExecutor:
        return ProcessExecutor(
            load=self.load,
            fingerprint=self.dataset.fingerprint,
            devices=self.devices,
            size=plan.count or 1,
            job_seconds=self.job_seconds,
            retries=self.retries,
        )

    def _on_cluster(self, plan: WorkerPlan) -> RayExecutor:
        from pure_nas.workers.ray_cluster import RayExecutor

        return RayExecutor(
            execution=self.execution,
            dataset=self.dataset,
            load=self.load,
            tests=self.tests,
            size=plan.count or 1,
            job_seconds=self.job_seconds,
            retries=self.retries,
        )


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
