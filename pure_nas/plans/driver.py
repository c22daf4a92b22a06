"""The road of every command (docs/design.md): all that is no question of what to train, once; and the clock."""

from __future__ import annotations

import json
import logging
import time
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from itertools import pairwise

from pure_nas.errors import RunError, reason
from pure_nas.files import decoded, read_json, require_in_place, write_whole
from pure_nas.plans.plan import Listener, Plan, R
from pure_nas.run.directory import RunDirectory
from pure_nas.run.schema import SCHEMA, State
from pure_nas.workers import Ended, EpochDone, Event, Executor, Job, Started, WorkerLost
from pure_nas.workers.resources import Resources, WorkerPlan

logger = logging.getLogger(__name__)

TIME_IS_UP = "the time is used up"
STARTED = "search started"
"""The event with which a session of a search begins in the log."""
_OF_SEARCHES = ("search ", "trial ", "worker", "weights ")
"""How the events of a search begin; a retraining in the same folder has others."""


class Budget:
    """The time that a command may take, by the clock on the wall, from when it is made; None is unbounded.

    That of a `run` is summed over sessions, in state.json. With `breaks_off` trainings stop between two epochs when
    it is used up, and go on in another session.
    """

    def __init__(
        self, seconds: float | None = None, *, run: RunDirectory | None = None, breaks_off: bool = False
    ) -> None:
        self.limit = seconds
        self.breaks_off = breaks_off and seconds is not None
        self._path = None if run is None else run.path / "state.json"
        self._earlier = 0.0 if run is None else _seconds_used(run)
        self._began = time.monotonic()

    @property
    def session_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """Over all sessions."""
        return self._earlier + self.session_seconds

    @property
    def left(self) -> float | None:
        return None if self.limit is None else max(self.limit - self.seconds, 0.0)

    def forbids(self, expected: float = 0.0) -> bool:
        """Whether something that is expected to take so many seconds would end after the time."""
        return self.limit is not None and self.seconds + expected > self.limit

    def keep(self) -> None:
        """Write the time used so far, so that a session that is killed counts up to here."""
        if self._path is not None and self._path.parent.is_dir():
            write_whole(self._path, json.dumps({"schema": SCHEMA, "seconds": round(self.seconds, 3)}) + "\n")


def _seconds_used(run: RunDirectory) -> float:
    """By earlier sessions. Those of a run that has no state.json lasted from first to last event in its log."""
    path = run.path / "state.json"
    if path.exists():
        content = read_json(path, State, hint="Put a good copy back, or remove it: the time is then read from the log.")
        return float(content["seconds"])
    if not run.log_path.exists():
        return 0.0
    try:
        lines = run.log_path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(
            f"The log {run.log_path} cannot be read: {reason(error)}.", hint="Move it away: the search begins another."
        ) from error
    events = [event for line in lines if (event := _event(line))]
    # A kill cuts the last line short, and the next session writes on.
    if len(events) < len(lines) - 1:
        logger.warning(
            "%d lines of %s are damaged and are passed over: the time of earlier sessions may be counted short.",
            len(lines) - len(events),
            run.log_path,
        )
    return sum(
        max((after - before).total_seconds(), 0.0)
        for (first, before), (name, after) in pairwise(events)
        if name != STARTED and all(each.startswith(_OF_SEARCHES) for each in (first, name))
    )


def _event(line: bytes) -> tuple[str, datetime] | None:
    """Name and time of an event; None for a line that a kill or a full disk cut short."""
    try:
        record = decoded(line)
        time = datetime.fromisoformat(record["time"])
        return None if time.tzinfo is None else (str(record["event"]), time)
    except (ValueError, KeyError, TypeError):
        return None


class Driver:
    """Trains what plans ask for, in a run directory whose lock is held."""

    def __init__(self, run: RunDirectory, resources: Resources, budget: Budget) -> None:
        self.run = run
        self.budget = budget
        self._resources = resources
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._running: dict[int, Job] = {}
        self._between_epochs: set[int] = set()
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
        with closing(self):
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
            if self._breaks_off():
                return TIME_IS_UP

    def _fill(self, executor: Executor, plan: Plan[R], listener: Listener[R]) -> str | None:
        """Give the executor as much as it can begin; says why where nothing more may."""
        while executor.free > 0:
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
        if not (self.budget.breaks_off and self.budget.forbids()):
            self._between_epochs.clear()
            return False
        return self._got_further and bool(self._running) and self._running.keys() <= self._between_epochs

    def _handle(self, event: Event, plan: Plan[R], listener: Listener[R]) -> None:
        job = self._running[event.number]
        self._between_epochs.discard(event.number)
        match event:
            case Started():
                if self._training_since is None:
                    self._training_since = self.budget.session_seconds
                self.run.log(f"{plan.noun(job)} started", **plan.name(job), epochs_done=event.epoch)
                self.budget.keep()
                listener.started(job, event.epoch)
            case EpochDone():
                self._epochs += 1
                self._got_further = True
                if event.metrics.epoch < job.candidate.recipe.epochs:  # after the last it is scored
                    self._between_epochs.add(event.number)
                listener.epoch_done(job, event.metrics)
            case WorkerLost():
                self.run.log("worker lost", **plan.name(job), reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._got_further |= event.outcome.state != "failed"
                self._ended(plan.tell(job, event.outcome), plan, listener)

    def _ended(self, record: R, plan: Plan[R], listener: Listener[R]) -> None:
        self.run.log(f"{plan.noun(record)} ended", **plan.entry(record))
        self.budget.keep()
        listener.ended(record)
