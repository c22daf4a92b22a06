"""What a driver tells, kept for a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pure_nas.plans.plan import Trained
from pure_nas.plans.search.confirmations import Confirmed
from pure_nas.plans.search.lost_weights import Restored
from pure_nas.run.search_results import TrialRecord
from pure_nas.training.training import EpochMetrics
from pure_nas.workers import Job
from pure_nas.workers.resources import WorkerPlan


class Heard:
    """Keeps what a driver tells.

    Attributes:
        begun: jobs, by number in a search, by name in a list, with the epochs that were done before.
        epochs: the job of each epoch.
    """

    def __init__(self) -> None:
        self.workers: list[WorkerPlan] = []
        self.begun: list[tuple[int | str, int]] = []
        self.epochs: list[int] = []
        self.trials: list[TrialRecord] = []
        self.restored: list[Restored] = []
        self.confirmed: list[Confirmed] = []
        self.trained: list[Trained] = []

    def workers_started(self, workers: WorkerPlan) -> None:
        self.workers.append(workers)

    def started(self, job: Job, epochs_done: int) -> None:
        self.begun.append((job.label if job.directory.name == job.label else job.number, epochs_done))

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        self.epochs.append(job.number)

    def ended(self, record: TrialRecord | Restored | Confirmed | Trained) -> None:
        match record:
            case TrialRecord():
                self.trials.append(record)
            case Restored():
                self.restored.append(record)
            case Confirmed():
                self.confirmed.append(record)
            case Trained():
                self.trained.append(record)


class Acting(Heard):
    """Does something to a run when a job has "started", has an "epoch done", or has "ended"."""

    def __init__(self, acts: dict[tuple[str, int], Callable[[], object]]) -> None:
        super().__init__()
        self._acts = acts

    def _act(self, when: str, number: int) -> None:
        if act := self._acts.pop((when, number), None):
            act()

    def started(self, job: Job, epochs_done: int) -> None:
        super().started(job, epochs_done)
        self._act("started", job.number)

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        super().epoch_done(job, metrics)
        self._act("epoch done", job.number)

    def ended(self, record: Any) -> None:
        super().ended(record)
        self._act("ended", record.number)
