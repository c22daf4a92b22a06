"""What the driver asks of a plan, and what it tells a listener."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pure_nas.training import EpochMetrics
from pure_nas.workers import Job, Outcome
from pure_nas.workers.count import WorkerPlan

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Plan(Protocol[R]):
    """What to train next. Its records say what came of it, in the words of its command."""

    kind: str  # in the log: "search", "experiment", "retraining"
    noun: str  # one training in the log: "trial", "training"

    @property
    def left(self) -> int:
        """Trainings to go, as far as is known."""

    @property
    def unfinished(self) -> int:
        """Those of them that are begun however little time is left, because an earlier session began them."""

    @property
    def expected_seconds(self) -> float:
        """How long a training is expected to take, as far as earlier ones tell; 0 where that decides nothing."""

    @property
    def finished(self) -> str:
        """Why nothing is left, as a clause."""

    def next(self) -> Job | R | None:
        """A job, or what came of one that needs no training; None: nothing to begin now."""

    def tell(self, job: Job, outcome: Outcome) -> R:
        """Keep how a job ended."""

    def name(self, job: Job) -> Mapping[str, Any]:
        """What a job is called in the log."""

    def entry(self, record: R) -> Mapping[str, Any]:
        """What the log says of a record."""


class Listener(Protocol[R_contra]):
    """Is told what happens, to show it, from one thread. Whoever inherits from it overrides what it wants to hear."""

    def workers_started(self, workers: WorkerPlan) -> None:
        """So many networks will be trained at once."""
        return None

    def started(self, job: Job, epochs_done: int) -> None:
        """A job begins, or goes on after `epochs_done` epochs."""
        return None

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """A job has finished an epoch."""
        return None

    def ended(self, record: R_contra) -> None:
        """A job has ended, or needs no training."""
