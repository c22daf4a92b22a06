"""Running an experiment: trains what is missing of its grid, until all is done or the time is used up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol

from pure_nas.plans.grid.file import ExperimentFile
from pure_nas.plans.grid.grid import Grid
from pure_nas.plans.grid.trainings import Training, trainings_of
from pure_nas.run.directory import RunDirectory
from pure_nas.run.schema import SCHEMA
from pure_nas.training import EpochMetrics
from pure_nas.workers import Ended, EpochDone, Event, Executor, Job, Judging, Outcome, Started, WorkerLost
from pure_nas.workers.count import WorkerPlan

TIME_IS_UP = "the time is used up"


class Listener(Protocol):
    """Is told what an experiment does, to show it."""

    def workers_started(self, workers: WorkerPlan) -> None:
        """So many networks will be trained at once."""

    def training_started(self, training: Training, epochs_done: int) -> None:
        """A training begins, or goes on after `epochs_done` epochs."""

    def epoch_done(self, training: Training, metrics: EpochMetrics) -> None:
        """A training has finished an epoch."""

    def training_ended(self, training: Training, outcome: Outcome) -> None:
        """A training has ended."""


class ExperimentRun:
    """Runs an experiment in a run directory whose lock is held.

    Args:
        judging: what trained networks are judged by beside the error.
        start_workers: gives what trains while so many trainings are to go.

    Attributes:
        run: the folder.
        failed: those that ran out of memory or whose workers died, with the reason; the same command tries again.
        file_replaced: whether the file's words, or what else need not stay, have changed since the run was started.
        epoch_seconds: how long an epoch took of what was trained before as it would be now, by digest.
    """

    def __init__(
        self,
        run: RunDirectory,
        grid: Grid,
        file: ExperimentFile,
        judging: Judging | None,
        start_workers: Callable[[int], tuple[Executor, WorkerPlan]],
        *,
        file_replaced: bool,
        epoch_seconds: Mapping[str, float],
    ) -> None:
        self.run = run
        self.grid = grid
        self.failed: list[tuple[Training, str]] = []
        self.file_replaced = file_replaced
        self.epoch_seconds = epoch_seconds
        self._trainings = list(trainings_of(run, grid))
        self._ended = {each.name for each in self._trainings if each.directory.result() is not None}
        self._file = file
        self._judging = judging
        self._start_workers = start_workers
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._running: dict[int, Training] = {}
        self._at_rest: set[int] = set()
        self._got_further = False

    @property
    def missing(self) -> list[Training]:
        """Trainings to go, in the order in which they are trained."""
        return [each for each in self._trainings if each.name not in self._ended]

    @property
    def done(self) -> int:
        """How many trainings have ended."""
        return len(self._ended)

    def workers(self) -> tuple[Executor, WorkerPlan]:
        """What trains. It starts with the first call, and gets ready while the caller goes on."""
        if self._workers is None:
            self._workers = self._start_workers(len(self.missing))
        return self._workers

    def close(self) -> None:
        """End what trains; trainings stay where they are."""
        if self._workers is not None:
            self._workers[0].close()
            self._workers = None

    def go(self, listener: Listener, seconds: float | None = None) -> str:
        """Train what is missing; returns why it stopped.

        Args:
            listener: is told what happens.
            seconds: after which nothing more begins. Epochs in progress are finished, and a training whose last epoch
                is done is scored, so that sessions get further however short they are.

        Raises:
            RunError: a file cannot be written.
        """
        began = time.monotonic()
        stopped = "an error"
        try:
            stopped = self._train(listener, None if seconds is None else began + seconds)
        except KeyboardInterrupt:
            stopped = "interrupted"
            raise
        finally:
            self.run.log("experiment stopped", reason=stopped, seconds=round(time.monotonic() - began, 3))
            self.close()
        return stopped

    def _train(self, listener: Listener, deadline: float | None) -> str:
        waiting = deque(enumerate(self.missing))
        if not waiting:
            return self.all_done()
        executor, workers = self.workers()
        self.run.log("workers started", **asdict(workers))
        listener.workers_started(workers)
        late = False
        while waiting or self._running:
            # One that fails at once, for want of memory say, must not be all that every session does.
            while waiting and executor.free > 0 and not (late and self._got_further):
                number, training = waiting.popleft()
                self._submit(number, training, executor, every_epoch=deadline is not None)
            self._handle(executor.next_event(), listener)
            late = deadline is not None and time.monotonic() > deadline
            if late and self._got_further and self._running.keys() <= self._at_rest and (waiting or self._running):
                return TIME_IS_UP
            if not late:
                self._at_rest.clear()
        return self.all_done()

    def all_done(self) -> str:
        """How much is done, where nothing is left that could be trained now."""
        total = self.grid.trainings
        if self.failed:
            return f"{self.done} of {total} trainings are done"
        return f"all {total} trainings are done" if total > 1 else "the training is done"

    def _submit(self, number: int, training: Training, executor: Executor, *, every_epoch: bool) -> None:
        if not training.directory.has_candidate:
            training.directory.write_candidate(training.cell.candidate)
        self._running[number] = training
        executor.submit(
            Job(
                number=number,
                candidate=training.cell.candidate,
                directory=training.directory.path,
                seed=training.seed,
                final=self._file.split == "test",
                curve=self._file.validation_curve,
                judging=self._judging,
                every_epoch=every_epoch,
            )
        )

    def _handle(self, event: Event, listener: Listener) -> None:
        training = self._running[event.number]
        match event:
            case Started():
                self.run.log("training started", training=training.name, epochs_done=event.epoch)
                listener.training_started(training, event.epoch)
            case EpochDone():
                self._got_further = True
                if event.metrics.epoch < training.cell.candidate.recipe.epochs:
                    self._at_rest.add(event.number)
                else:  # Scoring goes on.
                    self._at_rest.discard(event.number)
                listener.epoch_done(training, event.metrics)
            case WorkerLost():
                self._at_rest.discard(event.number)
                self.run.log("worker lost", training=training.name, reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._at_rest.discard(event.number)
                self._got_further |= event.outcome.state != "failed"
                self._end(training, event.outcome)
                listener.training_ended(training, event.outcome)

    def _end(self, training: Training, outcome: Outcome) -> None:
        """Keep how a training ended; one that failed for want of memory is tried again by the same command."""
        if outcome.state == "failed":
            self.failed.append((training, outcome.reason))
        else:
            training.directory.finish({"schema": SCHEMA, "seed": training.seed, **asdict(outcome)})
            self._ended.add(training.name)
        self.run.log("training ended", training=training.name, state=outcome.state, reason=outcome.reason)
