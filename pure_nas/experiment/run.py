"""Running an experiment: trains what is missing of its grid, until all is done or the time is used up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from pure_nas.experiment.file import ExperimentFile
from pure_nas.experiment.grid import Grid
from pure_nas.experiment.trainings import Training, trainings_of
from pure_nas.run_directory import RunDirectory
from pure_nas.runner import Ended, EpochDone, Event, Executor, Job, Judging, Outcome, Started, WorkerLost
from pure_nas.search.workers import WorkerPlan
from pure_nas.training import EpochMetrics

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
        missing: trainings to go, in the order in which they are trained.
        done: how many have ended.
        failed: those that ran out of memory or whose workers died, with the reason; the same command tries again.
    """

    def __init__(
        self,
        run: RunDirectory,
        grid: Grid,
        file: ExperimentFile,
        judging: Judging | None,
        start_workers: Callable[[int], tuple[Executor, WorkerPlan]],
        listener: Listener,
    ) -> None:
        trainings = list(trainings_of(run, grid))
        self.run = run
        self.grid = grid
        self.missing = [each for each in trainings if each.directory.result() is None]
        self.done = len(trainings) - len(self.missing)
        self.failed: list[tuple[Training, str]] = []
        self._file = file
        self._judging = judging
        self._start_workers = start_workers
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._listener = listener
        self._running: dict[int, Training] = {}

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

    def go(self, seconds: float | None = None) -> str:
        """Train what is missing, for so long at most; returns why it stopped.

        Raises:
            RunError: a file cannot be written.
        """
        began = time.monotonic()
        stopped = "an error"
        try:
            stopped = self._train(None if seconds is None else began + seconds)
        except KeyboardInterrupt:
            stopped = "interrupted"
            raise
        finally:
            self.run.log("experiment stopped", reason=stopped, seconds=round(time.monotonic() - began, 3))
            self.close()
        return stopped

    def _train(self, deadline: float | None) -> str:
        if not self.missing:
            return self._all_done()
        executor, workers = self.workers()
        self.run.log("workers started", **asdict(workers))
        self._listener.workers_started(workers)
        waiting = deque(enumerate(self.missing))
        while waiting or self._running:
            while waiting and executor.free > 0:
                number, training = waiting.popleft()
                self._submit(number, training, executor)
            self._handle(executor.next_event())
            if deadline is not None and time.monotonic() > deadline and (waiting or self._running):
                return TIME_IS_UP
        return self._all_done()

    def _all_done(self) -> str:
        total = self.grid.trainings
        return f"all {total} trainings are done" if not self.failed else f"{self.done} of {total} trainings are done"

    def _submit(self, number: int, training: Training, executor: Executor) -> None:
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
            )
        )

    def _handle(self, event: Event) -> None:
        training = self._running[event.number]
        match event:
            case Started():
                self.run.log("training started", training=training.name, epochs_done=event.epoch)
                self._listener.training_started(training, event.epoch)
            case EpochDone():
                self._listener.epoch_done(training, event.metrics)
            case WorkerLost():
                self.run.log("worker lost", training=training.name, reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._end(training, event.outcome)

    def _end(self, training: Training, outcome: Outcome) -> None:
        """Keep how a training ended; one that failed for want of memory is tried again by the same command."""
        if outcome.state == "failed":
            self.failed.append((training, outcome.reason))
        else:
            training.directory.write_result({"schema": 1, "seed": training.seed, **asdict(outcome)})
            self.done += 1
        self.run.log("training ended", training=training.name, state=outcome.state, reason=outcome.reason)
        self._listener.training_ended(training, outcome)
