"""The search as a plan: asks for candidates and tells the study, until the trials are used up."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from optuna.trial import TrialState

from pure_nas.errors import RunError
from pure_nas.plans.plan import Plan
from pure_nas.plans.search.limits import Latency, shown
from pure_nas.plans.search.settings import SearchSettings, objective_values
from pure_nas.plans.search.study import BASELINE_KEY, Asked, SearchStudy
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import Results, TrialRecord, read_trial
from pure_nas.run.schema import SCHEMA
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.workers import Job, Outcome

REJECTIONS_IN_A_ROW = 200
"""Rejected suggestions in a row after which a search stops."""


class Baseline(NamedTuple):
    """A candidate to compare with; the label says its unit, size and recipe: "conv small, usual recipe"."""

    label: str
    candidate: Candidate


def baselines(space: SearchSpace) -> list[Baseline]:
    """All-conv and all-product networks at the space's smallest, middle and largest depth.

    Each is trained twice: by the recipe usual for its unit, and by one shared recipe between them, because the
    learning rate alone can decide such a race.
    """
    networks = [(label, network, network.units[0][0]) for label, network in space.baseline_architectures()]
    shared = space.baseline_recipe([get_unit(name) for name in dict.fromkeys(unit for _, _, unit in networks)])
    found: list[Baseline] = []
    for label, network, unit in networks:
        usual = space.baseline_recipe([get_unit(unit)])
        found.append(Baseline(f"{label}, usual recipe", Candidate(network, usual)))
        if usual != shared:
            found.append(Baseline(f"{label}, shared recipe", Candidate(network, shared)))
    return found


def reconcile(
    run: RunDirectory, study: SearchStudy, objectives: Sequence[str], plan: Sequence[Baseline]
) -> tuple[dict[int, TrialRecord], list[Asked]]:
    """Finished trials by number, and unfinished ones, as their folders say, which are the truth.

    The study is brought to them; one that was lost is rebuilt.
    """
    labels = {baseline.candidate.digest: baseline.label for baseline in plan}
    candidates = {baseline.label: baseline.candidate for baseline in plan}
    finished: dict[int, TrialRecord] = {}
    unfinished: list[Asked] = []
    for number in range(max([len(study.trials), *(trial.number + 1 for trial in run.trials())])):
        folder = run.trial(number)
        record = read_trial(folder, objectives) if folder.has_candidate else None
        candidate = folder.candidate() if record is None and folder.has_candidate else None
        if number >= len(study.trials):
            if record is not None:
                study.begin(record.candidate, record.baseline)
            elif candidate is not None:
                study.begin(candidate, labels.get(candidate.digest, ""))
            else:
                raise RunError(
                    f"{folder.path} is missing, but later trials are there.",
                    hint="Put it back, or start anew with another --study.",
                )
        stored = study.trials[number]
        running = stored.state == TrialState.RUNNING
        if record is not None:
            if running:
                study.tell(record)
            finished[number] = record
        elif running:
            label = str(stored.user_attrs.get(BASELINE_KEY, ""))
            candidate = candidate or candidates.get(label) or study.candidate_of(number)
            unfinished.append(Asked(number, candidate, label))
        else:
            raise RunError(
                f"Trial {number} is {stored.state.name.lower()} in the study, but {folder.path} has no result.",
                hint="Put the folder back. If another program added the trial, move study.db away: the study is "
                "rebuilt from the folders.",
            )
    return finished, unfinished


class SearchPlan(Plan[TrialRecord]):
    """Samples what to train next.

    Several trials may run at the same time; the order in which they end is then up to the machine. A suggestion that
    equals a running trial waits for it and repeats it, as one that equals an ended trial does at once.

    Args:
        reference: the worst value of each objective.
        latency: measures an architecture, for a limit on latency.
    """

    kind = "search"
    noun = "trial"

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        study: SearchStudy,
        *,
        baselines: list[Baseline],
        reference: tuple[float, ...],
        latency: Latency,
    ) -> None:
        self._run = run
        self._settings = settings
        self._study = study
        self._reference = reference
        self._latency = latency
        self._running: dict[int, Asked] = {}
        self._waiting: defaultdict[int, list[Asked]] = defaultdict(list)
        self._records, unfinished = reconcile(run, study, settings.objectives, baselines)
        self._unfinished = deque(unfinished)
        begun = {record.baseline for record in self._records.values()} | {asked.baseline for asked in unfinished}
        self._baselines = deque(baseline for baseline in baselines if baseline.label not in begun)

    @property
    def results(self) -> Results:
        trials = tuple(self._records[number] for number in sorted(self._records))
        return Results(tuple(self._settings.objectives), self._reference, trials)

    @property
    def counted(self) -> int:
        """Trials that count and have ended."""
        return sum(record.counts for record in self._records.values())

    @property
    def left(self) -> int:
        """Trials to go, those in training among them."""
        return max(self._settings.trials - self.counted, len(self._unfinished))

    @property
    def unfinished(self) -> int:
        """Trials that an earlier session began, or that waited for one that they equal."""
        return len(self._unfinished)

    @property
    def expected_seconds(self) -> float:
        """Mean training time of the trials so far."""
        trained = [record.seconds for record in self._records.values() if record.counts and record.replay_of is None]
        return sum(trained) / len(trained) if trained else 0.0

    @property
    def finished(self) -> str:
        return f"all {self._settings.trials} trials are done"

    def next(self) -> Job | TrialRecord | None:
        while True:
            begun = len(self._running) + sum(map(len, self._waiting.values()))
            if self._unfinished:
                asked = self._unfinished.popleft()
            elif self.counted + begun >= self._settings.trials:
                return None
            elif self._baselines:
                baseline = self._baselines.popleft()
                asked = self._study.begin(baseline.candidate, baseline.label)
            else:
                asked = self._study.ask()
            digest = asked.candidate.digest
            equal = next((number for number, each in self._running.items() if each.candidate.digest == digest), None)
            if record := self._without_training(asked, repeats=equal is None):
                return record
            self._keep_candidate(asked)
            if equal is None:
                self._running[asked.number] = asked
                return self.job(asked, self._run.trial(asked.number).path)
            self._waiting[equal].append(asked)

    def tell(self, job: Job, outcome: Outcome) -> TrialRecord:
        asked = self._running.pop(job.number)
        record = self._end(asked, self.result(asked, outcome))
        # Those that waited repeat the trial now, or train themselves where it has failed.
        self._unfinished.extendleft(reversed(self._waiting.pop(job.number, [])))
        return record

    def entry(self, record: TrialRecord) -> Mapping[str, Any]:
        return {"number": record.number, "state": record.state, "reason": record.reason}

    def job(self, asked: Asked | TrialRecord, directory: Path) -> Job:
        """The training of a trial in a folder."""
        return Job(
            number=asked.number,
            candidate=asked.candidate,
            directory=directory,
            seed=self._settings.seed,
            measures=self._settings.measures,
            label=asked.baseline,
        )

    def result(self, asked: Asked | TrialRecord, outcome: Outcome) -> dict[str, Any]:
        """What result.json says of a trial that was trained."""
        objectives: dict[str, float] = {}
        if outcome.state == "complete":
            names = self._settings.objectives
            objectives = dict(zip(names, objective_values(names, outcome.metrics, outcome.cost), strict=True))
        constraints = self._settings.limits.constraints(asked.candidate.architecture, self._latency)
        return {**asdict(outcome), "baseline": asked.baseline, "objectives": objectives, "constraints": constraints}

    def replaced(self, number: int) -> TrialRecord:
        """The record of a trial whose folder holds another training of it now; trials that repeat it follow."""
        record = self._read(number)
        for repeat in [each for each in self._records.values() if each.replay_of == number]:
            result = self._repeated(record, repeat.baseline)
            self._run.trial(repeat.number).finish({"schema": SCHEMA, "number": repeat.number, **result})
            self._read(repeat.number)
        return record

    def _without_training(self, asked: Asked, *, repeats: bool) -> TrialRecord | None:
        """The record of a trial that is over a limit, or that `repeats` one that has ended if there is such."""
        constraints = self._settings.limits.constraints(asked.candidate.architecture, self._latency)
        if any(value > 0 for value in constraints.values()):
            return self._reject(asked, constraints)
        if repeats and (earlier := self._same_as(asked.candidate.digest)):
            return self._end(asked, self._repeated(earlier, asked.baseline))
        return None

    def _reject(self, asked: Asked, constraints: Mapping[str, float]) -> TrialRecord:
        limits = self._settings.limits.given
        over = "; ".join(
            f"{shown(name, bound * (1 + constraints[f'max_{name}']))} is over {shown(name, bound)}"
            for name, bound in limits.items()
            if constraints[f"max_{name}"] > 0
        )
        result = {"state": "rejected", "reason": over, "baseline": asked.baseline, "constraints": dict(constraints)}
        record = self._end(asked, result)
        last = [each.state for _, each in sorted(self._records.items())][-REJECTIONS_IN_A_ROW:]
        if len(last) == REJECTIONS_IN_A_ROW and set(last) == {"rejected"}:
            raise RunError(
                f"{REJECTIONS_IN_A_ROW} suggestions in a row were over the limits "
                f"({', '.join(shown(*limit) for limit in limits.items())}).",
                hint="Raise the limits in a new --study, or write a space with smaller networks.",
            )
        return record

    def _same_as(self, digest: str) -> TrialRecord | None:
        """An ended trial that trained the same, if there is one."""
        trained = (each for each in self._records.values() if each.replay_of is None)
        ended = (each for each in trained if each.state in ("complete", "diverged"))
        return next((each for each in ended if each.candidate.digest == digest), None)

    def _keep_candidate(self, asked: Asked) -> None:
        """Write what a trial trains before any later trial is begun: a lost study is rebuilt in their order."""
        folder = self._run.trial(asked.number)
        if not folder.has_candidate:
            folder.write_candidate(asked.candidate)

    def _repeated(self, earlier: TrialRecord, baseline: str) -> dict[str, Any]:
        """The result of a trial that trains what `earlier` trained: the same, in no time."""
        same = {name: getattr(earlier, name) for name in ("state", "reason", "metrics", "cost", "constraints")}
        objectives = dict(zip(self._settings.objectives, earlier.objectives, strict=False))
        return {**same, "objectives": objectives, "replay_of": earlier.number, "baseline": baseline}

    def _end(self, asked: Asked, result: dict[str, Any]) -> TrialRecord:
        """Complete a trial's folder, then tell the study: a search killed in between tells it on the next start."""
        self._keep_candidate(asked)
        folder = self._run.trial(asked.number)
        folder.finish({"schema": SCHEMA, "number": asked.number, **result})
        record = self._read(asked.number)
        self._study.tell(record)
        return record

    def _read(self, number: int) -> TrialRecord:
        """The record of a trial as its folder has it now."""
        record = read_trial(self._run.trial(number), self._settings.objectives)
        if record is None:
            raise RunError(f"{self._run.trial(number).path} was removed while the search ran.")
        self._records[number] = record
        return record
