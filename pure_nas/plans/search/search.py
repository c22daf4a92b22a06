"""The search as a plan: asks for candidates and tells the study, until the trials are used up."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optuna.trial import TrialState

from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.plans.budget import Budget
from pure_nas.plans.plan import Plan
from pure_nas.plans.search.baselines import Baseline, is_turn_of_a_baseline
from pure_nas.plans.search.confirmations import LAG, Confirmations, Confirmed
from pure_nas.plans.search.forecasts import Forecasts
from pure_nas.plans.search.limits import Latency, how_broken, needs_as_much_memory
from pure_nas.plans.search.lost_weights import Restored, have_lost_weights, restored_folder, take_place
from pure_nas.plans.search.outlook import FLAT, Outlook, outlook_of
from pure_nas.plans.search.settings import SearchSettings, objective_values
from pure_nas.plans.search.study import BASELINE_KEY, Asked, SearchStudy
from pure_nas.quantities import counted
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.schema import SCHEMA
from pure_nas.run.search_results import Results, TrialRecord, over_seeds, read_trial
from pure_nas.workers.messages import Job, Outcome

FLATNESS_EVERY = 5
OUT_OF_MEMORY = "memory"  # the constraint of a trial that was not tried, as a smaller one did not fit
REJECTIONS_IN_A_ROW = 200  # rejected suggestions in a row after which a search stops


def reconcile(
    run: RunDirectory, study: SearchStudy, objectives: Sequence[str], plan: Sequence[Baseline]
) -> tuple[dict[int, TrialRecord], list[Asked]]:
    """Finished trials by number, and unfinished ones, as their folders say; the study is brought to them or rebuilt."""
    labels = {baseline.candidate.digest: baseline.label for baseline in plan}
    candidates = {baseline.label: baseline.candidate for baseline in plan}
    finished: dict[int, TrialRecord] = {}
    unfinished: list[Asked] = []
    stored = study.trials
    for number in range(max([len(stored), *(trial.number + 1 for trial in run.trials())])):
        folder = run.trial(number)
        record = read_trial(folder, objectives) if folder.has_candidate else None
        candidate = folder.candidate() if record is None and folder.has_candidate else None
        if number >= len(stored):
            if record is not None:
                study.begin(record.candidate, record.baseline)
            elif candidate is not None:
                study.begin(candidate, labels.get(candidate.digest, ""))
            else:
                raise RunError(
                    f"{folder.path} is missing, but there are later trials.",
                    hint="Restore it, or start a new search with another --study.",
                )
            stored = study.trials
        running = stored[number].state == TrialState.RUNNING
        if record is not None:
            if running:
                study.tell(record)
            finished[number] = record
        elif running:
            label = str(stored[number].user_attrs.get(BASELINE_KEY, ""))
            candidate = candidate or candidates.get(label) or study.candidate_of(number)
            unfinished.append(Asked(number, candidate, label))
        else:
            raise RunError(
                f"Trial {number} is {stored[number].state.name.lower()} in the study, but {folder.path} has no result.",
                hint="Restore the folder. If another program added the trial, move study.db away: the study is "
                "rebuilt from the folders.",
            )
    return finished, unfinished


@dataclass(eq=False)
class SearchPlan(Plan[TrialRecord | Restored | Confirmed]):
    """First trials that have lost their weights, then samples; one that equals another waits for it and repeats it.

    Last, further seeds of those whose place on the front is in doubt.
    """

    run: RunDirectory
    settings: SearchSettings
    study: SearchStudy
    baselines: list[Baseline]
    reference: tuple[float, ...]  # the worst value of each objective
    latency: Latency
    forecasts: Forecasts
    budget: Budget
    restore_weights: bool = False
    kind = "search"

    def __post_init__(self) -> None:
        self._running: dict[int, Asked] = {}
        self._restoring: dict[int, TrialRecord] = {}
        self._confirming = False
        self._waiting: defaultdict[int, list[Asked]] = defaultdict(list)
        self._records, unfinished = reconcile(self.run, self.study, self.settings.objectives, self.baselines)
        self._unfinished = deque(unfinished)
        candidates = {number: record.candidate for number, record in self._records.items()}
        candidates |= {asked.number: asked.candidate for asked in unfinished}
        self._begun = [candidates[number] for number in sorted(candidates)]  # what each trial trains, by its number
        begun = {record.baseline for record in self._records.values()} | {asked.baseline for asked in unfinished}
        self._baselines = deque(baseline for baseline in self.baselines if baseline.label not in begun)
        if self.settings.lag is not None:
            by_cost = sorted(self._baselines, key=lambda each: cost_of(each.candidate.architecture).flops)
            self._baselines = deque(by_cost)
        self._flat: Outlook | None = None
        lost, self.without_weights = have_lost_weights(self.run, self.results, everything=self.restore_weights)
        self.lost = deque(lost)
        self.confirmations = Confirmations(
            self.run,
            self.settings.objectives,
            self.reference,
            images=self.forecasts.images,
            seed=self.settings.seed,
            limit=self.settings.confirmations,
            lag=LAG if self.settings.lag is None else self.settings.lag,
        )
        if self._ends_with(0) and not self._unfinished:
            self.confirmations.look(self._records)

    @property
    def results(self) -> Results:
        names, records = tuple(self.settings.objectives), sorted(self._records.items())
        trials = tuple(over_seeds(self.run, record, names, self.reference) for _, record in records)
        return Results(names, self.reference, trials)

    @property
    def counted(self) -> int:
        return sum(record.counts for record in self._records.values())

    @property
    def done(self) -> int:
        """Trials that count, and confirmations."""
        return self.counted + self.confirmations.done

    @property
    def total(self) -> int:
        """Trials and confirmations when all is done, as far as is known."""
        trials = max(self.settings.candidates - self.counted, len(self._unfinished))
        return self.done + trials + self.confirmations.left

    @property
    def left(self) -> int:
        """What is to be trained, what is in training among it."""
        return len(self.lost) + len(self._restoring) + self.total - self.done

    @property
    def unfinished(self) -> int:
        """Trials that an earlier session began, or that waited for one that they equal, and those that lost weights."""
        return len(self.lost) + len(self._unfinished) + self.confirmations.unfinished

    @property
    def expected_seconds(self) -> float:
        trained = [record.seconds for record in self._records.values() if record.counts and record.replay_of is None]
        return sum(trained) / len(trained) if trained else 0.0

    @property
    def finished(self) -> str:
        trials, confirmed = self.settings.candidates, self.confirmations
        if self.counted >= trials:
            done = f"all {trials} trials are done"
        elif flat := self._flat:
            done = f"another {flat.trials} trials would likely add less than {FLAT:.1%} to the hypervolume"
        else:
            done = f"{counted(self.counted, 'trial')} fit into the time"
        if not confirmed.limit:
            return done
        settled = "; more would not settle the front" if confirmed.settled else ""
        return f"{done}, and {counted(confirmed.done, 'confirmation')}{settled}"

    def _ends_with(self, begun: int) -> bool:
        """Whether no further trial is sampled once those `begun` have ended."""
        if self._confirming or self._flat or self.counted + begun >= self.settings.candidates:
            return True
        # The rest of the time is for confirmations.
        share = 1 - (self.settings.confirm or 0.0)
        return share < 1 and self.budget.forbids(self.expected_seconds, share)

    def _confirmation(self) -> Job | None:
        if self._running or self._waiting or self._restoring:  # what these find may be what is confirmed
            return None
        self._confirming = self._ends_with(0)  # from now on, however the time that a trial is expected to take changes
        if (found := self.confirmations.next(self._records)) is None:
            return None
        job = self._job(self._records[found.number], self.confirmations.folder(found))
        return replace(job, seed=found.seed, label=f"seed {found.seed}", keep_weights=False)

    def next(self) -> Job | TrialRecord | None:
        if self.lost:
            lost = self.lost.popleft()
            self._restoring[lost.number] = lost
            folder = restored_folder(self.run, lost.number)
            folder.write_candidate(lost.candidate)
            return self._job(lost, folder)
        while True:
            begun = len(self._running) + sum(map(len, self._waiting.values()))
            if self._unfinished:
                asked = self._unfinished.popleft()
            elif self.confirmations.unfinished or self._ends_with(begun):
                return self._confirmation()
            elif self._baselines and (self.settings.lag is None or is_turn_of_a_baseline(len(self._begun))):
                baseline = self._baselines.popleft()
                asked = self.study.begin(baseline.candidate, baseline.label)
            elif (known := self._known_to(len(self._begun))) is None:
                return None
            elif self._ends_flat(known):
                return self._confirmation()
            else:
                asked = self._ask(known)
            if asked.number == len(self._begun):
                self._begun.append(asked.candidate)
            digest = asked.candidate.digest
            equal = next((number for number, each in self._running.items() if each.candidate.digest == digest), None)
            if record := self._without_training(asked, repeats=equal is None):
                return record
            stops = {} if equal is not None else self._stops(asked)
            self._keep_candidate(asked)
            if equal is None:
                self._running[asked.number] = asked
                return replace(self._job(asked, self.run.trial(asked.number)), stops=stops)
            self._waiting[equal].append(asked)

    def tell(self, job: Job, outcome: Outcome) -> TrialRecord | Restored | Confirmed:
        if job.number in self.confirmations.running:
            return self.confirmations.end(job.number, outcome, self._result(self._records[job.number], outcome))
        if before := self._restoring.pop(job.number, None):
            return self._restore(before, outcome)
        asked = self._running.pop(job.number)
        record = self._end(asked, self._result(asked, outcome))
        # Those that waited repeat the trial now, or train themselves where it has failed.
        self._unfinished.extendleft(reversed(self._waiting.pop(job.number, [])))
        return record

    def _known_to(self, number: int) -> list[TrialRecord] | None:
        """The trials that trial `number` may follow from; None while one of them has not ended.

        They do not depend on how fast others train, so that any number of workers gives the same search.
        """
        lag = self.settings.lag
        if lag is None:
            return [self._records[each] for each in sorted(self._records)]
        first = range(max(number - lag, 0))
        return [self._records[each] for each in first] if all(each in self._records for each in first) else None

    def _ends_flat(self, known: Sequence[TrialRecord]) -> bool:
        """Whether the search ends here; looked into every few trials, as it takes as long as some proposals."""
        if self.settings.until_flat and self._flat is None and len(self._begun) % FLATNESS_EVERY == 0:
            results = Results(tuple(self.settings.objectives), self.reference, tuple(known))
            model = self.forecasts if self.settings.closed_form else None
            found = outlook_of(results, model=model, begun=self._begun)
            self._flat = found if found and found.flat else None
        return self._flat is not None

    def _ask(self, known: Sequence[TrialRecord]) -> Asked:
        if self.study.sampler != "forecast":
            if (given := self.forecasts.given(self._begun)) is not None:
                return self.study.begin(given)
            return self.study.ask(None if self.settings.lag is None else len(known))
        failed = [each.candidate for each in self._out_of_memory]
        candidate = self.forecasts.proposal(known, self._begun, self.study.given, failed)
        return self.study.begin(candidate)

    def _stops(self, asked: Asked) -> Mapping[int, float]:
        """When a trial ends early. Baselines never do: others are compared with them."""
        if not self.settings.stops or asked.baseline:
            return {}
        known = self._known_to(asked.number)
        return self.forecasts.stops(known or (), asked.candidate, self.run.trial(asked.number))

    def noun(self, training: Job | TrialRecord | Restored | Confirmed) -> str:
        if isinstance(training, Restored) or (isinstance(training, Job) and training.number in self._restoring):
            return "weights"
        confirms = isinstance(training, Job) and training.number in self.confirmations.running
        return "confirmation" if confirms or isinstance(training, Confirmed) else "trial"

    def name(self, job: Job) -> Mapping[str, Any]:
        confirmation = self.confirmations.running.get(job.number)
        return {"number": job.number} if confirmation is None else confirmation._asdict()

    def entry(self, record: TrialRecord | Restored | Confirmed) -> Mapping[str, Any]:
        if isinstance(record, TrialRecord):
            return {"number": record.number, "state": record.state, "reason": record.reason}
        if isinstance(record, Confirmed):
            outcome = record.outcome
            return {**record.confirmation._asdict(), "state": outcome.state, "reason": outcome.reason}
        state = "lost" if record.after is None else "restored"
        return {"number": record.before.number, "state": state, "reason": record.reason}

    def _job(self, asked: Asked | TrialRecord, folder: TrialDirectory) -> Job:
        source = self.forecasts.source_of(asked.candidate)
        return Job(
            number=asked.number,
            candidate=asked.candidate,
            directory=folder.path,
            seed=self.settings.seed,
            measures=self.settings.measures,
            label=asked.baseline or (f"as {source}" if source else ""),
        )

    def _result(self, asked: Asked | TrialRecord, outcome: Outcome) -> dict[str, Any]:
        objectives: dict[str, float] = {}
        if outcome.state in ("complete", "stopped"):
            names = self.settings.objectives
            objectives = dict(zip(names, objective_values(names, outcome.metrics, outcome.cost), strict=True))
        constraints = self.settings.limits.constraints(asked.candidate.architecture, self.latency)
        result = {**asdict(outcome), "baseline": asked.baseline, "objectives": objectives, "constraints": constraints}
        if source := self.forecasts.source_of(asked.candidate):
            result["source"] = source
        if outcome.state == "stopped":
            result["stopped_after"] = len(self.run.trial(asked.number).curve())
        return result

    def _restore(self, before: TrialRecord, outcome: Outcome) -> Restored:
        number = before.number
        if outcome.state != "complete":
            return Restored(before, None, outcome.reason)
        new = restored_folder(self.run, number)
        new.finish({"schema": SCHEMA, "number": number, **self._result(before, outcome)})
        take_place(self.run, new)
        record = self._read(number)
        for repeat in [each for each in self._records.values() if each.replay_of == number]:
            result = self._repeated(record, repeat.baseline)
            self.run.trial(repeat.number).finish({"schema": SCHEMA, "number": repeat.number, **result})
            self._read(repeat.number)
        return Restored(before, record)

    def _without_training(self, asked: Asked, *, repeats: bool) -> TrialRecord | None:
        """The record of a trial that is over a limit, or that `repeats` one that has ended if there is such."""
        constraints = self.settings.limits.constraints(asked.candidate.architecture, self.latency)
        if any(value > 0 for value in constraints.values()):
            return self._reject(asked, constraints, how_broken(self.settings.limits, constraints))
        too_large = (each for each in self._out_of_memory if needs_as_much_memory(asked.candidate, each.candidate))
        if smaller := next(too_large, None):
            reason = f"it needs more memory than trial {smaller.number}, which ran out of it"
            return self._reject(asked, {**constraints, OUT_OF_MEMORY: 1.0}, reason)
        ended = (each for each in self._records.values() if each.state in ("complete", "stopped", "diverged"))
        trained = (each for each in ended if each.replay_of is None)
        earlier = next((each for each in trained if each.candidate.digest == asked.candidate.digest), None)
        return self._end(asked, self._repeated(earlier, asked.baseline)) if earlier and repeats else None

    @property
    def _out_of_memory(self) -> list[TrialRecord]:
        return [each for each in self._records.values() if each.out_of_memory]

    def _reject(self, asked: Asked, constraints: Mapping[str, float], reason: str) -> TrialRecord:
        result = {"state": "rejected", "reason": reason, "baseline": asked.baseline, "constraints": dict(constraints)}
        record = self._end(asked, result)
        last = [each.state for _, each in sorted(self._records.items())][-REJECTIONS_IN_A_ROW:]
        if len(last) == REJECTIONS_IN_A_ROW and set(last) == {"rejected"}:
            raise RunError(
                f"{REJECTIONS_IN_A_ROW} suggestions in a row were rejected; the last one: {reason}.",
                hint="Raise the limits in a new --study, or write a space with smaller networks.",
            )
        return record

    def _keep_candidate(self, asked: Asked) -> None:
        """Write what a trial trains before any later trial is begun: a lost study is rebuilt in their order."""
        folder = self.run.trial(asked.number)
        if not folder.has_candidate:
            folder.write_candidate(asked.candidate)

    def _repeated(self, earlier: TrialRecord, baseline: str) -> dict[str, Any]:
        """The result of a trial that trains what `earlier` trained: the same, in no time."""
        same = {name: getattr(earlier, name) for name in ("state", "reason", "metrics", "cost", "constraints")}
        objectives = dict(zip(self.settings.objectives, earlier.objectives, strict=False))
        if earlier.stopped_after is not None:
            same["stopped_after"] = earlier.stopped_after
        if earlier.source:
            same["source"] = earlier.source
        return {**same, "objectives": objectives, "replay_of": earlier.number, "baseline": baseline}

    def _end(self, asked: Asked, result: dict[str, Any]) -> TrialRecord:
        """Complete a trial's folder, then tell the study: a search killed in between tells it on the next start."""
        self._keep_candidate(asked)
        folder = self.run.trial(asked.number)
        folder.finish({"schema": SCHEMA, "number": asked.number, **result})
        record = self._read(asked.number)
        self.study.tell(record)
        self._drop_weights()
        return record

    def _drop_weights(self) -> None:
        """Of trials that others beat, where those of the front alone are kept."""
        if self.settings.keep_weights == "front":
            front = {trial.trained for group in self.results.groups for trial in group}
            for number in self._records.keys() - front:
                self.run.trial(number).weights.unlink(missing_ok=True)

    def _read(self, number: int) -> TrialRecord:
        record = read_trial(self.run.trial(number), self.settings.objectives)
        if record is None:
            raise RunError(f"{self.run.trial(number).path} was removed while the search ran.")
        self._records[number] = record
        return record
