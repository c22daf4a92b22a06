"""Several jobs at once in one process, step by step in turn: what happens is decided, not raced for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
import torch

from pure_nas.data.dataset import Dataset
from pure_nas.space.candidate import Candidate
from pure_nas.workers import Ended, Event, Job
from pure_nas.workers.resources import Resources, WorkerPlan
from pure_nas.workers.work import work


class Interleaved:
    """An executor of `slots` jobs; the one that was submitted last goes first.

    Args:
        stop_after: events after which it raises `KeyboardInterrupt`.

    Attributes:
        most: jobs that ran at the same time.
        submitted: every job.
    """

    def __init__(self, dataset: Dataset, slots: int, *, stop_after: int | None = None) -> None:
        self.most = 0
        self.submitted: list[Job] = []
        self._dataset = dataset
        self._slots = slots
        self._left = stop_after
        self._running: deque[tuple[Job, Iterator[Event]]] = deque()

    @property
    def free(self) -> int:
        return self._slots - len(self._running)

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        return 1e-3

    def expect(self, seconds: float) -> None:
        self.expected = seconds

    def submit(self, job: Job) -> None:
        assert self.free > 0
        assert job.number not in {other.number for other, _ in self._running}
        self.submitted.append(job)
        self._running.appendleft((job, work(job, self._dataset, torch.device("cpu"))))
        self.most = max(self.most, len(self._running))

    def next_event(self) -> Event:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        job, events = self._running.popleft()
        event = next(events)
        if not isinstance(event, Ended):
            self._running.append((job, events))
        return event

    def close(self) -> None:
        self._running.clear()


def train_interleaved(patch: pytest.MonkeyPatch, slots: int, *, stop_after: int | None = None) -> list[Interleaved]:
    """Let commands train in `slots` interleaved jobs; returns the executors that they start."""
    executors: list[Interleaved] = []

    def start(resources: Resources, left: int) -> tuple[Interleaved, WorkerPlan]:
        executors.append(Interleaved(resources.dataset, slots, stop_after=stop_after))
        return executors[-1], WorkerPlan(slots, "for a test")

    patch.setattr(Resources, "start_workers", start)
    return executors
