"""The search: asks for candidates, has them trained, tells the study, until the trials or the time are used up."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from pure_nas.candidate import Candidate
from pure_nas.errors import RunError
from pure_nas.results import Results, TrialRecord, read_trial
from pure_nas.run_directory import RunDirectory
from pure_nas.runner import Ended, EpochDone, Executor, Job, Outcome, Started
from pure_nas.search.baselines import Baseline
from pure_nas.search.limits import Latency, shown
from pure_nas.search.reconcile import reconcile
from pure_nas.search.samplers import ChosenSampler
from pure_nas.search.settings import COST_KEYS, SearchSettings
from pure_nas.search.study import Asked, SearchStudy
from pure_nas.training import EpochMetrics

REJECTIONS_IN_A_ROW = 200
"""Suggestions over the limits that a search bears before it gives up."""


class Listener(Protocol):
    """Is told what a search does, to show it."""

    def trial_started(self, trial: Asked, epochs_done: int) -> None:
        """A trial begins, or goes on after `epochs_done` epochs."""

    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None:
        """A trial has finished an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial has ended, was rejected, or repeats another."""


class Search:
    """Runs a search in a run directory whose lock is held.

    Args:
        sampler: what proposes candidates, decided when the run began.
        plan: baselines to train first.
        reference: the worst value of each objective.
        latency: measures an architecture, for a limit on latency.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        study: SearchStudy,
        executor: Executor,
        *,
        sampler: ChosenSampler,
        plan: list[Baseline],
        reference: tuple[float, ...],
        latency: Latency,
        listener: Listener,
    ) -> None:
        self.sampler = sampler
        self._run = run
        self._settings = settings
        self._study = study
        self._executor = executor
        self._reference = reference
        self._latency = latency
        self._listener = listener
        self._running: dict[int, Asked] = {}
        self._records, unfinished = reconcile(run, study, settings.objectives, plan)
        self._unfinished = deque(unfinished)
        begun = {record.baseline for record in self._records.values()} | {asked.baseline for asked in unfinished}
        self._plan = deque(baseline for baseline in plan if baseline.label not in begun)

    @property
    def results(self) -> Results:
        """What has been found so far."""
        trials = tuple(self._records[number] for number in sorted(self._records))
        return Results(tuple(self._settings.objectives), self._reference, trials)

    @property
    def counted(self) -> int:
        """Trials that count and have ended."""
        return sum(record.counts for record in self._records.values())

    def go(self) -> str:
        """Search until the trials or the time are used up; returns which.

        Raises:
            RunError: a file cannot be written, or nothing that is suggested keeps the limits.
        """
        while True:
            exhausted = self._fill()
            if exhausted and not self._running:
                return exhausted
            self._handle(self._executor.next_event())

    def _fill(self) -> str | None:
        """Give the executor as much as it can begin; says what is used up where nothing more may."""
        while self._executor.free > 0:
            if self._unfinished:
                asked = self._unfinished.popleft()
            elif self.counted + len(self._running) >= self._settings.trials:
                return f"all {self._settings.trials} trials are done"
            elif self._out_of_time():
                return "the time is used up"
            else:
                asked = self._next()
            if not self._ends_at_once(asked):
                self._submit(asked)
        return None

    def _out_of_time(self) -> bool:
        """Whether another trial of mean length would exceed the time."""
        budget = self._settings.time_seconds
        trained = [record.seconds for record in self._records.values() if record.counts and record.replay_of is None]
        spent = sum(trained)
        return budget is not None and spent + (spent / len(trained) if trained else 0.0) > budget

    def _next(self) -> Asked:
        """Begin a trial with the next baseline, or with what the sampler suggests."""
        if not self._plan:
            return self._study.ask()
        baseline = self._plan.popleft()
        return self._study.begin(baseline.candidate, baseline.label)

    def _ends_at_once(self, asked: Asked) -> bool:
        """Whether a trial needs no training, because it is over a limit or repeats another; then it has ended."""
        constraints = self._settings.limits.constraints(asked.candidate.architecture, self._latency)
        if any(value > 0 for value in constraints.values()):
            self._reject(asked, constraints)
            return True
        earlier = self._same_as(asked.candidate)
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

    def _same_as(self, candidate: Candidate) -> TrialRecord | None:
        """An ended trial that trained the same, if there is one."""
        digest = candidate.digest
        for record in self._records.values():
            trained = record.state in ("complete", "diverged") and record.replay_of is None
            if trained and record.candidate.digest == digest:
                return record
        return None

    def _submit(self, asked: Asked) -> None:
        folder = self._run.trial(asked.number)
        if not folder.has_candidate:
            folder.write_candidate(asked.candidate)
        self._running[asked.number] = asked
        self._executor.submit(
            Job(
                number=asked.number,
                candidate=asked.candidate,
                directory=folder.path,
                seed=self._settings.seed,
                measures=self._settings.measures,
            )
        )

    def _handle(self, event: Started | EpochDone | Ended) -> None:
        asked = self._running[event.number]
        match event:
            case Started():
                self._run.log("trial started", number=event.number, epochs_done=event.epoch)
                self._listener.trial_started(asked, event.epoch)
            case EpochDone():
                self._listener.epoch_done(asked, event.metrics)
            case Ended():
                del self._running[event.number]
                self._end(asked, self._result(asked, event.outcome))

    def _result(self, asked: Asked, outcome: Outcome) -> dict[str, Any]:
        objectives: dict[str, float] = {}
        if outcome.state == "complete":
            values = {"error": outcome.metrics["error"]}
            values |= {name: outcome.cost[key] for name, key in COST_KEYS.items() if key in outcome.cost}
            objectives = {name: values[name] for name in self._settings.objectives}
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
        folder = self._run.trial(asked.number)
        if not folder.has_candidate:
            folder.write_candidate(asked.candidate)
        folder.write_result({"schema": 1, "number": asked.number, **result})
        record = read_trial(folder, self._settings.objectives)
        if record is None:
            raise RunError(f"{folder.path} was removed while the search ran.")
        self._study.tell(record)
        self._records[asked.number] = record
        self._run.log("trial ended", number=asked.number, state=record.state, reason=record.reason)
        self._listener.trial_ended(record)
