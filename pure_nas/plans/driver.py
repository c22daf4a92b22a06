"""The one road of every command: a plan says what to train next, the driver has it trained and tells the plan.

    options -> settings -> plan --Job--> driver --Job--> executor
                            ^------------Outcome---------|  (Started, EpochDone, WorkerLost, Ended)

`search` is a plan that samples; `experiment`, `retrain` and `train` are plans over a fixed list. Whatever is not a
question of what to train happens here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from pure_nas.files import require_in_place
from pure_nas.plans.budget import Budget
from pure_nas.run.directory import RunDirectory
from pure_nas.training import EpochMetrics
from pure_nas.workers import Ended, EpochDone, Event, Executor, Job, Outcome, Started, WorkerLost
from pure_nas.workers.count import WorkerPlan

TIME_IS_UP = "the time is used up"

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Plan(Protocol[R]):
    """What to train next. Its records say what came of it, in the words of its command.

    Attributes:
        kind: what it is in the log: "search", "experiment", "retraining".
        noun: what it calls one training in the log: "trial", "training".
    """

    kind: str
    noun: str

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
    """Is told what happens, to show it. Everything comes from one thread."""

    def workers_started(self, workers: WorkerPlan) -> None:
        """So many networks will be trained at once."""

    def started(self, job: Job, epochs_done: int) -> None:
        """A job begins, or goes on after `epochs_done` epochs."""

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """A job has finished an epoch."""

    def ended(self, record: R_contra) -> None:
        """A job has ended, or needs no training."""


class Driver:
    """Trains what plans ask for, in a run directory whose lock is held.

    Args:
        start_workers: gives what trains while so many trainings are to go.
        budget: of time, and the clock.
        epoch_images: images that an epoch trains on, to tell how many there are a second.
    """

    def __init__(
        self,
        run: RunDirectory,
        start_workers: Callable[[int], tuple[Executor, WorkerPlan]],
        budget: Budget,
        *,
        epoch_images: int = 0,
    ) -> None:
        self.run = run
        self.budget = budget
        self._start_workers = start_workers
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._running: dict[int, Job] = {}
        self._at_rest: set[int] = set()
        self._got_further = False
        self._epoch_images = epoch_images
        self._epochs = 0
        self._training_since: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what trains; trainings stay where they are."""
        if self._workers is not None:
            self._workers[0].close()
            self._workers = None

    def workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains. It starts with the first call, and gets ready while the caller goes on."""
        if self._workers is None:
            self._workers = self._start_workers(left)
        return self._workers

    @property
    def images_per_second(self) -> float:
        """Training images of this session by its time since the first training began, over all workers."""
        since = self._training_since
        return self._epochs * self._epoch_images / (self.budget.session_seconds - since) if since is not None else 0.0

    def go(self, plan: Plan[R], listener: Listener[R]) -> str:
        """Train until nothing is left or the time is used up; returns which.

        Raises:
            RunError: a file cannot be written, or the plan cannot go on.
        """
        if not plan.unfinished and (reason := self._nothing_to_begin(plan)):
            return reason
        stopped = "an error"
        try:
            stopped = self._train(plan, listener)
        except KeyboardInterrupt:
            stopped = "interrupted"
            raise
        finally:
            seconds, rate = round(self.budget.session_seconds, 3), round(self.images_per_second)
            self.run.log(f"{plan.kind} stopped", reason=stopped, seconds=seconds, images_per_second=rate)
        self.budget.keep()
        return stopped

    def _train(self, plan: Plan[R], listener: Listener[R]) -> str:
        executor, workers = self.workers(plan.left)
        self.run.log("workers started", **asdict(workers))
        listener.workers_started(workers)
        while True:
            stopped = self._fill(executor, plan, listener)
            if not self._running:
                return stopped or plan.finished
            self._handle(executor.next_event(), plan, listener)
            if self._breaks_off():
                return TIME_IS_UP

    def _fill(self, executor: Executor, plan: Plan[R], listener: Listener[R]) -> str | None:
        """Give the executor as much as it can begin; says why where nothing more may."""
        while executor.free > 0:
            require_in_place(self.run.path)
            if not plan.unfinished and (reason := self._nothing_to_begin(plan)):
                return reason
            found = plan.next()
            if found is None:
                break
            if isinstance(found, Job):
                self._running[found.number] = found
                executor.submit(replace(found, every_epoch=self.budget.breaks_off))
            else:
                self._tell(found, plan, listener)
        return None

    def _nothing_to_begin(self, plan: Plan[R]) -> str | None:
        """Why no further training may begin, if that is so."""
        if not plan.left:
            return plan.finished
        # One that fails at once, for want of memory say, must not be all that every session does.
        if self.budget.forbids(plan.expected_seconds) and (self._got_further or not self.budget.breaks_off):
            return TIME_IS_UP
        return None

    def _breaks_off(self) -> bool:
        """Whether the time is up, and everything that trains has just finished an epoch."""
        if not (self.budget.breaks_off and self.budget.forbids()):
            self._at_rest.clear()
            return False
        return self._got_further and bool(self._running) and self._running.keys() <= self._at_rest

    def _handle(self, event: Event, plan: Plan[R], listener: Listener[R]) -> None:
        job = self._running[event.number]
        self._at_rest.discard(event.number)
        match event:
            case Started():
                if self._training_since is None:
                    self._training_since = self.budget.session_seconds
                self.run.log(f"{plan.noun} started", **plan.name(job), epochs_done=event.epoch)
                self.budget.keep()
                listener.started(job, event.epoch)
            case EpochDone():
                self._epochs += 1
                self._got_further = True
                if event.metrics.epoch < job.candidate.recipe.epochs:  # else it is scored yet
                    self._at_rest.add(event.number)
                listener.epoch_done(job, event.metrics)
            case WorkerLost():
                self.run.log("worker lost", **plan.name(job), reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._got_further |= event.outcome.state != "failed"
                self._tell(plan.tell(job, event.outcome), plan, listener)

    def _tell(self, record: R, plan: Plan[R], listener: Listener[R]) -> None:
        self.run.log(f"{plan.noun} ended", **plan.entry(record))
        self.budget.keep()
        listener.ended(record)
