"""Where jobs run. A search talks to an `Executor` and does not know which."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset
from pure_nas.devices import hand_back_freed_memory, threads_for
from pure_nas.space.candidate import Candidate
from pure_nas.workers.attempt import attempt
from pure_nas.workers.messages import Ended, Event, Job
from pure_nas.workers.rehearsal import Rehearsal


class Executor(Protocol):
    """Takes jobs and tells what becomes of them."""

    @property
    def free(self) -> int:
        """Jobs it can begin at once."""

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image while all that can train do, measured for some seconds; None: it does not fit."""

    def submit(self, job: Job) -> None:
        """Take a job; numbers of jobs that run at the same time differ."""

    def next_event(self) -> Event:
        """The next thing that happens to a submitted job; waits for it."""

    def close(self) -> None:
        """Leave every job where it is and let go of what was held."""


class InlineExecutor:
    """Runs one job at a time in this process."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self._dataset = dataset
        self._device = device
        self._running: deque[Iterator[Event]] = deque()

    @property
    def free(self) -> int:
        """One, or none while a job runs."""
        return 1 - len(self._running)

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image, measured for some seconds; None where it does not fit into memory."""
        try:
            with threads_for(cost_of(candidate.architecture).flops * candidate.recipe.batch_size):
                return 1 / Rehearsal(candidate, self._dataset, self._device).images_per_second(seconds)
        except torch.OutOfMemoryError:
            return None
        finally:
            hand_back_freed_memory(self._device)

    def submit(self, job: Job) -> None:
        """Take a job; it advances only in `next_event`."""
        self._running.append(attempt(job, self._dataset, self._device))

    def next_event(self) -> Event:
        """Run the job up to its next event."""
        event = next(self._running[0])
        if isinstance(event, Ended):
            self._running.popleft().close()  # type: ignore[attr-defined]
            hand_back_freed_memory(self._device)
        return event

    def close(self) -> None:
        """Drop the job that runs."""
        self._running.clear()
