"""The controller's end of one worker, wherever it is: what it was given, whether it is ready, how long it is silent."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from pure_nas.workers.messages import Job
from pure_nas.workers.worker_main import SECONDS_TO_LOAD, Report, SaveEveryEpoch, Speed, Task


class Worker(ABC):
    """A worker that was started, or will be once there is a place for it."""

    def __init__(self, name: str) -> None:
        self.name = name  # for people, as the subject of a sentence
        self.placed = True  # whether it runs somewhere, or is about to
        self.job: Job | None = None
        self.speed: Speed | None = None
        self.ready = False  # whether it has loaded the images
        self.silent = 0.0  # seconds since its last message; below zero while it may stay silent longer
        self.patience: float | None = None  # how long it may be silent; None while it has nothing to say
        self._began = time.monotonic()  # its job

    @property
    def busy_seconds(self) -> float:
        """How long it has had its job; 0 while it has none."""
        return time.monotonic() - self._began if self.job is not None else 0.0

    @property
    def hangs(self) -> bool:
        """Whether it has been silent for too long. Loading is silent, but the images were loaded here before."""
        if not self.placed:
            return False
        if not self.ready:
            return self.silent > SECONDS_TO_LOAD
        return self.patience is not None and self.silent > self.patience

    def give(self, task: Task | float, patience: float) -> None:
        """Give a task, or the seconds that a speed test shall take."""
        if isinstance(task, Task) and isinstance(task.work, Job):
            self.job, self._began = task.work, time.monotonic()
        self.patience, self.silent = patience, 0.0
        self.tell(task)

    def finish(self) -> None:
        """It has done what it was given."""
        self.job = self.patience = None

    @abstractmethod
    def tell(self, message: Task | float | SaveEveryEpoch) -> None: ...

    @abstractmethod
    def reports(self) -> Sequence[Report]:
        """What it has said since."""

    @abstractmethod
    def fate(self) -> str | None:
        """How it ended, as a clause; None while it lives."""

    @abstractmethod
    def end(self) -> None:
        """Kill it; what it still does can reach nothing of the job, which another takes up."""
