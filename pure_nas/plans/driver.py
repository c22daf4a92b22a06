"""The road of every command (docs/design.md): all that is no question of what to train, once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace

from pure_nas.files import require_in_place
from pure_nas.plans.budget import Budget
from pure_nas.plans.plan import Listener, Plan, R
from pure_nas.process_state import stoppable
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Ended, EpochDone, Event, Executor, Job, Started, WorkerLost
from pure_nas.workers.resources import Resources, WorkerPlan

TIME_IS_UP = "the time is used up"


class Driver:
    """Trains what plans ask for, in a run directory whose lock is held."""

    def __init__(self, run: RunDirectory, resources: Resources, budget: Budget) -> None:
        self.run = run
        self.budget = budget
        self._resources = resources
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._running: dict[int, Job] = {}
        self._between_epochs: set[int] = set()
        self._begun: set[int] = set()
        self._asked_to_stop = False
        self._got_further = False
        self._epochs = 0
        self._training_since: float | None = None

    def close(self) -> None:
        """End what trains; trainings stay where they are."""
        if self._workers is not None:
            self._workers[0].close()
            self._workers = None

    def workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains. It starts with the first call, and gets ready while the caller goes on."""
        if self._workers is None:
            self._workers = self._resources.start_workers(left)
        return self._workers

    @property
    def images_per_second(self) -> float:
        """Training images of this session by its time since the first training began, over all workers."""
        if self._training_since is None:
            return 0.0
        return self._epochs * self._resources.train_images / (self.budget.session_seconds - self._training_since)

    def go(self, plan: Plan[R], listener: Listener[R]) -> str:
        """Train until nothing is left or the time is used up, and end the workers; returns which."""
        with closing(self), stoppable(self._stop_soon):
            if reason := self._nothing_to_begin(plan):
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
            if self._asked_to_stop and self._running.keys() & self._begun <= self._between_epochs:
                raise KeyboardInterrupt
            if self._breaks_off():
                return TIME_IS_UP

    def _stop_soon(self) -> None:
        """Stop as soon as everything that trains has finished an epoch and written a checkpoint."""
        if not self._begun:
            raise KeyboardInterrupt
        self._asked_to_stop = True
        self._between_epochs.clear()
        if self._workers is not None:
            self._workers[0].save_every_epoch()

    def _fill(self, executor: Executor, plan: Plan[R], listener: Listener[R]) -> str | None:
        """Give the executor as much as it can begin; says why where nothing more may."""
        while executor.free > 0 and not self._asked_to_stop:
            require_in_place(self.run.path)
            if reason := self._nothing_to_begin(plan):
                return reason
            found = plan.next()
            if found is None:
                break
            if isinstance(found, Job):
                self._running[found.number] = found
                executor.submit(replace(found, every_epoch=self.budget.breaks_off))
            else:
                self._ended(found, plan, listener)
        return None

    def _nothing_to_begin(self, plan: Plan[R]) -> str | None:
        """Why no further training may begin, if that is so."""
        if plan.unfinished:
            return None
        if not plan.left:
            return plan.finished
        # One that fails at once, for want of memory say, must not be all that every session does.
        if self.budget.forbids(plan.expected_seconds) and (self._got_further or not self.budget.breaks_off):
            return TIME_IS_UP
        return None

    def _breaks_off(self) -> bool:
        """Whether the time is up, and everything that trains has just finished an epoch."""
        if self._asked_to_stop:
            return False
        if not (self.budget.breaks_off and self.budget.forbids()):
            self._between_epochs.clear()
            return False
        return self._got_further and bool(self._running) and self._running.keys() <= self._between_epochs

    def _handle(self, event: Event, plan: Plan[R], listener: Listener[R]) -> None:
        job = self._running[event.number]
        self._between_epochs.discard(event.number)
        match event:
            case Started():
                self._begun.add(event.number)
                if self._training_since is None:
                    self._training_since = self.budget.session_seconds
                self.run.log(f"{plan.noun(job)} started", **plan.name(job), epochs_done=event.epoch)
                self.budget.keep()
                listener.started(job, event.epoch)
            case EpochDone():
                self._epochs += 1
                self._got_further = True
                if event.saved and event.metrics.epoch < job.candidate.recipe.epochs:  # after the last it is evaluated
                    self._between_epochs.add(event.number)
                listener.epoch_done(job, event.metrics)
            case WorkerLost():
                self.run.log("worker lost", **plan.name(job), reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._begun.discard(event.number)
                self._got_further |= event.outcome.state != "failed"
                self._ended(plan.tell(job, event.outcome), plan, listener)

    def _ended(self, record: R, plan: Plan[R], listener: Listener[R]) -> None:
        self.run.log(f"{plan.noun(record)} ended", **plan.entry(record))
        self.budget.keep()
        listener.ended(record)
