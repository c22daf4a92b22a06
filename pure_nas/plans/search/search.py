"""The search: asks for candidates, has them trained, tells the study, until the trials or the time are used up."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from pure_nas.errors import RunError
from pure_nas.files import require_in_place
from pure_nas.plans.search.baselines import Baseline
from pure_nas.plans.search.clock import Clock
from pure_nas.plans.search.limits import Latency, shown
from pure_nas.plans.search.lost_weights import finish_moves, have_lost_weights, move_into_place, restored_folder
from pure_nas.plans.search.reconcile import reconcile
from pure_nas.plans.search.samplers import ChosenSampler
from pure_nas.plans.search.settings import SearchSettings, objective_values
from pure_nas.plans.search.study import Asked, SearchStudy
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import Results, TrialRecord, read_trial
from pure_nas.run.schema import SCHEMA
from pure_nas.training import EpochMetrics
from pure_nas.workers import Ended, EpochDone, Event, Executor, Job, Outcome, Started, WorkerLost
from pure_nas.workers.count import WorkerPlan

REJECTIONS_IN_A_ROW = 200
"""Suggestions over the limits that a search bears before it gives up."""


class Listener(Protocol):
    """Is told what a search does, to show it."""

    def workers_started(self, workers: WorkerPlan) -> None:
        """So many networks will be trained at once."""

    def trial_started(self, trial: Asked, epochs_done: int) -> None:
        """A trial begins, or goes on after `epochs_done` epochs."""

    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None:
        """A trial has finished an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial has ended, was rejected, or repeats another."""

    def weights_restored(self, before: TrialRecord, after: TrialRecord | None, reason: str = "") -> None:
        """The weights of a trial were lost, and it was trained again; `after` is None where that failed."""


class Search:
    """Runs a search in a run directory whose lock is held.

    Several trials may run at the same time; the order in which they end is then up to the machine. A suggestion that
    equals a running trial waits for it and repeats it, as one that equals an ended trial does at once.

    Args:
        start_workers: gives what trains while so many trials are to go.
        sampler: what proposes candidates, decided when the run began.
        plan: baselines to train first.
        reference: the worst value of each objective.
        latency: measures an architecture, for a limit on latency.
        train_images: how many an epoch takes.
        restore_weights: train again every complete trial that has lost its weights, not only those of the front.

    Attributes:
        clock: time taken so far.
        lost: complete trials whose weights are missing or damaged, which are trained again first.
        without_weights: other complete trials that have none.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        study: SearchStudy,
        start_workers: Callable[[int], tuple[Executor, WorkerPlan]],
        *,
        sampler: ChosenSampler,
        plan: list[Baseline],
        reference: tuple[float, ...],
        latency: Latency,
        train_images: int,
        listener: Listener,
        restore_weights: bool = False,
    ) -> None:
        self.sampler = sampler
        self.clock = Clock(run)
        self._run = run
        self._settings = settings
        self._study = study
        self._start_workers = start_workers
        self._workers: tuple[Executor, WorkerPlan] | None = None
        self._reference = reference
        self._latency = latency
        self._train_images = train_images
        self._listener = listener
        self._running: dict[int, Asked] = {}
        self._waiting: defaultdict[int, list[Asked]] = defaultdict(list)
        self._epochs = 0
        self._training_since: float | None = None
        finish_moves(run)
        self._records, unfinished = reconcile(run, study, settings.objectives, plan)
        self._unfinished = deque(unfinished)
        begun = {record.baseline for record in self._records.values()} | {asked.baseline for asked in unfinished}
        self._plan = deque(baseline for baseline in plan if baseline.label not in begun)
        self.lost, self.without_weights = have_lost_weights(run, self.results, everything=restore_weights)

    @property
    def results(self) -> Results:
        """What has been found so far."""
        trials = tuple(self._records[number] for number in sorted(self._records))
        return Results(tuple(self._settings.objectives), self._reference, trials)

    @property
    def counted(self) -> int:
        """Trials that count and have ended."""
        return sum(record.counts for record in self._records.values())

    @property
    def left(self) -> int:
        """Trials to go, as far as is known; none once the time is used up."""
        if self._used_up() and not self._unfinished:
            return len(self.lost)
        return max(self._settings.trials - self.counted, len(self._unfinished)) + len(self.lost)

    def workers(self) -> tuple[Executor, WorkerPlan]:
        """What trains. It starts with the first call, and gets ready while the caller goes on."""
        if self._workers is None:
            self._workers = self._start_workers(self.left)
        return self._workers

    def close(self) -> None:
        """End what trains; trials stay where they are."""
        if self._workers is not None:
            self._workers[0].close()
            self._workers = None

    @property
    def images_per_second(self) -> float:
        """Training images of this session by its time since the first trial began, over all workers."""
        since = self._training_since
        return self._epochs * self._train_images / (self.clock.session_seconds - since) if since is not None else 0.0

    def go(self) -> str:
        """Search until the trials or the time are used up; returns which.

        Raises:
            RunError: a file cannot be written, or nothing that is suggested keeps the limits.
        """
        stopped = None if self._unfinished or self.lost else self._used_up()
        if stopped is None:
            stopped = "an error"
            try:
                stopped = self._train()
            except KeyboardInterrupt:
                stopped = "interrupted"
                raise
            finally:
                seconds = self.clock.session_seconds
                rate = round(self.images_per_second)
                self._run.log("search stopped", reason=stopped, seconds=round(seconds, 3), images_per_second=rate)
                self.close()
        return stopped

    def _train(self) -> str:
        executor, workers = self.workers()
        self._run.log("workers started", **asdict(workers))
        self._listener.workers_started(workers)
        self._restore_weights(executor)
        while True:
            exhausted = self._fill(executor)
            if exhausted and not self._running:
                return exhausted
            self._handle(executor.next_event())

    def _restore_weights(self, executor: Executor) -> None:
        """Train again what has lost its weights: in a folder of its own, which then takes the place of the trial's."""
        waiting, running = deque(self.lost), dict[int, TrialRecord]()
        while waiting or running:
            while waiting and executor.free > 0:
                record = waiting.popleft()
                running[record.number] = record
                folder = restored_folder(self._run, record.number)
                folder.write_candidate(record.candidate)
                executor.submit(self._job(Asked(record.number, record.candidate), folder.path))
            event = executor.next_event()
            if isinstance(event, Ended):
                self._restored(running.pop(event.number), event.outcome)
        self.lost = ()

    def _restored(self, before: TrialRecord, outcome: Outcome) -> None:
        if outcome.state != "complete":
            self._run.log("weights lost", number=before.number, reason=outcome.reason)
            self._listener.weights_restored(before, None, outcome.reason)
            return
        asked = Asked(before.number, before.candidate, before.baseline)
        folder = restored_folder(self._run, before.number)
        folder.finish({"schema": SCHEMA, "number": before.number, **self._result(asked, outcome)})
        move_into_place(self._run, before.number)
        after = self._read(before.number)
        for repeat in [each for each in self._records.values() if each.replay_of == before.number]:
            result = {**self._repeated(after), "baseline": repeat.baseline}
            self._run.trial(repeat.number).finish({"schema": SCHEMA, "number": repeat.number, **result})
            self._read(repeat.number)
        self._run.log("weights restored", number=before.number, error=after.error)
        self._listener.weights_restored(before, after)

    def _read(self, number: int) -> TrialRecord:
        """The record of a trial as its folder has it now."""
        record = read_trial(self._run.trial(number), self._settings.objectives)
        if record is None:
            raise RunError(f"{self._run.trial(number).path} was removed while the search ran.")
        self._records[number] = record
        return record

    def _fill(self, executor: Executor) -> str | None:
        """Give the executor as much as it can begin; says what is used up where nothing more may."""
        while executor.free > 0:
            require_in_place(self._run.path)
            if self._unfinished:
                asked = self._unfinished.popleft()
            elif used_up := self._used_up():
                return used_up
            else:
                asked = self._next()
            if not self._needs_no_training(asked):
                self._keep_candidate(asked)
                self._running[asked.number] = asked
                executor.submit(self._job(asked, self._run.trial(asked.number).path))
        return None

    def _used_up(self) -> str | None:
        """What forbids another trial, if anything does."""
        begun = len(self._running) + sum(map(len, self._waiting.values()))
        if self.counted + begun >= self._settings.trials:
            return f"all {self._settings.trials} trials are done"
        return "the time is used up" if self._out_of_time() else None

    def _out_of_time(self) -> bool:
        """Whether another trial of mean length would end after the time."""
        budget = self._settings.time_seconds
        if budget is None:
            return False
        trained = [record.seconds for record in self._records.values() if record.counts and record.replay_of is None]
        return self.clock.seconds + (sum(trained) / len(trained) if trained else 0.0) > budget

    def _next(self) -> Asked:
        """Begin a trial with the next baseline, or with what the sampler suggests."""
        if not self._plan:
            return self._study.ask()
        baseline = self._plan.popleft()
        return self._study.begin(baseline.candidate, baseline.label)

    def _needs_no_training(self, asked: Asked) -> bool:
        """Whether a trial is over a limit or repeats another; then it has ended, or waits for the other to end."""
        constraints = self._settings.limits.constraints(asked.candidate.architecture, self._latency)
        if any(value > 0 for value in constraints.values()):
            self._reject(asked, constraints)
            return True
        digest = asked.candidate.digest
        running = next((each for each in self._running.values() if each.candidate.digest == digest), None)
        if running is not None:
            self._keep_candidate(asked)
            self._waiting[running.number].append(asked)
            return True
        earlier = self._same_as(digest)
        if earlier is not None:
            self._end(asked, {**self._repeated(earlier), "baseline": asked.baseline})
            return True
        return False

    def _reject(self, asked: Asked, constraints: Mapping[str, float]) -> None:
        over = [
            f"{shown(name, bound * (1 + constraints[f'max_{name}']))} is over {shown(name, bound)}"
            for name, bound in self._settings.limits.given.items()
            if constraints[f"max_{name}"] > 0
        ]
        self._end(
            asked,
            {
                "state": "rejected",
                "reason": "; ".join(over),
                "baseline": asked.baseline,
                "constraints": dict(constraints),
            },
        )
        last = [record.state for _, record in sorted(self._records.items())][-REJECTIONS_IN_A_ROW:]
        if len(last) == REJECTIONS_IN_A_ROW and set(last) == {"rejected"}:
            raise RunError(
                f"{REJECTIONS_IN_A_ROW} suggestions in a row were over the limits "
                f"({', '.join(shown(name, bound) for name, bound in self._settings.limits.given.items())}).",
                hint="Raise the limits in a new --study, or write a space with smaller networks.",
            )

    def _same_as(self, digest: str) -> TrialRecord | None:
        """An ended trial that trained the same, if there is one."""
        for record in self._records.values():
            trained = record.state in ("complete", "diverged") and record.replay_of is None
            if trained and record.candidate.digest == digest:
                return record
        return None

    def _job(self, asked: Asked, directory: Path) -> Job:
        return Job(
            number=asked.number,
            candidate=asked.candidate,
            directory=directory,
            seed=self._settings.seed,
            measures=self._settings.measures,
        )

    def _keep_candidate(self, asked: Asked) -> None:
        """Write what a trial trains before any later trial is begun: a lost study is rebuilt in their order."""
        folder = self._run.trial(asked.number)
        if not folder.has_candidate:
            folder.write_candidate(asked.candidate)

    def _handle(self, event: Event) -> None:
        asked = self._running[event.number]
        match event:
            case Started():
                if self._training_since is None:
                    self._training_since = self.clock.session_seconds
                self._run.log("trial started", number=event.number, epochs_done=event.epoch)
                self._listener.trial_started(asked, event.epoch)
            case EpochDone():
                self._epochs += 1
                self._listener.epoch_done(asked, event.metrics)
            case WorkerLost():
                self._run.log("worker lost", number=event.number, reason=event.reason)
            case Ended():
                del self._running[event.number]
                self._end(asked, self._result(asked, event.outcome))
                # They repeat the trial now, or train themselves where it has failed.
                self._unfinished.extendleft(reversed(self._waiting.pop(event.number, [])))

    def _result(self, asked: Asked, outcome: Outcome) -> dict[str, Any]:
        objectives: dict[str, float] = {}
        if outcome.state == "complete":
            names = self._settings.objectives
            objectives = dict(zip(names, objective_values(names, outcome.metrics, outcome.cost), strict=True))
        constraints = self._settings.limits.constraints(asked.candidate.architecture, self._latency)
        return {
            **asdict(outcome),
            "baseline": asked.baseline,
            "objectives": objectives,
            "constraints": constraints,
        }

    def _repeated(self, earlier: TrialRecord) -> dict[str, Any]:
        """The result of a trial that trains what `earlier` trained: the same, in no time."""
        return {
            "state": earlier.state,
            "reason": earlier.reason,
            "metrics": earlier.metrics,
            "cost": earlier.cost,
            "constraints": earlier.constraints,
            "objectives": dict(zip(self._settings.objectives, earlier.objectives, strict=False)),
            "replay_of": earlier.number,
        }

    def _end(self, asked: Asked, result: dict[str, Any]) -> None:
        """Complete a trial's folder, then tell the study: a search killed in between tells it on the next start."""
        self._keep_candidate(asked)
        folder = self._run.trial(asked.number)
        folder.finish({"schema": SCHEMA, "number": asked.number, **result})
        record = self._read(asked.number)
        self._study.tell(record)
        self._run.log("trial ended", number=asked.number, state=record.state, reason=record.reason)
        self._listener.trial_ended(record)
