"""What a search has found so far, read from its folder: trials, front, hypervolume, baselines. No PyTorch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from pure_nas.analysis import pareto
from pure_nas.errors import RunError, UsageError
from pure_nas.objectives import COST_KEYS, ERRORS
from pure_nas.run.directory import SETTINGS_HINT, RunDirectory, Stopping, TrialDirectory
from pure_nas.run.schema import TrialState
from pure_nas.run.seeds import Seed, read_seeds
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate

ERROR_TOLERANCE = 0.0025
COST_TOLERANCE = 0.01
"""Front points are grouped when their errors differ by at most the first (absolute; of a metric, as a share of its
worst value) and their costs by at most the second (relative); not at all where seeds confirm the front."""
_KEPT = ("baseline", "metrics", "cost", "constraints", "seconds", "reason", "replay_of", "stopped_after", "source")
"""What a `TrialRecord` has of result.json as it is there."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial that has ended."""

    number: int  # its place in the search, from 0
    state: TrialState  # "complete", "stopped", "diverged", "failed" or "rejected"
    candidate: Candidate  # the architecture and the recipe
    baseline: str = ""  # label of a baseline, "conv small, usual recipe"; empty for a sampled trial
    source: str = ""  # the trial of an earlier search that trained the same, "RUN:7", where the search started warm
    # A value per objective, a mean if it has several seeds, at the end or where it stopped; else empty.
    objectives: tuple[float, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)  # "error", "accuracy", "loss" and others, of its own seed
    cost: dict[str, float] = field(default_factory=dict)  # "params", "flops" and their parts, and what was measured
    constraints: dict[str, float] = field(default_factory=dict)  # by how much it breaks each limit, as a share of it
    seconds: float = 0.0  # of training
    reason: str = ""  # why it is not complete
    stopped_after: int | None = None  # epochs, where it stopped early
    replay_of: int | None = None  # the trial whose result it repeats, because both train the same
    stopping: Stopping | None = None  # when it was to end early
    weights_bytes: int = 0  # on disk; 0 where they are not kept
    curve: tuple[dict[str, Any], ...] = ()  # one record per epoch: accuracies and losses
    seeds: tuple[Seed, ...] = ()  # further ones that it was trained with, to confirm its place

    @property
    def counts(self) -> bool:
        """Whether it counts towards the number of trials asked for."""
        return self.state != "rejected"

    @property
    def out_of_memory(self) -> bool:
        """Whether it failed for want of memory."""
        return self.state == "failed" and self.reason.startswith("out of memory")

    @property
    def label(self) -> str:
        """What it is besides a suggestion; empty where it is nothing."""
        return self.baseline or (f"as {self.source}" if self.source else "")

    @property
    def trained(self) -> int:
        """Number of the trial that was trained: its own, or that of the one whose result it repeats."""
        return self.number if self.replay_of is None else self.replay_of

    def trained_in(self, by_number: Mapping[int, TrialRecord]) -> TrialRecord:
        """The trial that holds its curve: itself, or the one whose result it repeats."""
        return self if self.curve else by_number.get(self.trained, self)

    @property
    def error(self) -> float:
        """Validation error, the mean over its seeds; NaN unless complete."""
        return self.objectives[0] if self.state == "complete" else float("nan")

    @property
    def errors(self) -> tuple[float, ...]:
        """Validation error of each seed of a complete trial, its own first."""
        return self.metrics["error"], *(each.objectives[0] for each in self.seeds)


@dataclass(frozen=True)
class Results:
    """The trials of a search and its front; without a complete trial `best`, `knee` and `smallest` raise `RunError`."""

    objective_names: tuple[str, ...]  # all minimised
    reference: tuple[float, ...]  # the worst value of each objective, the corner of the hypervolume
    trials: tuple[TrialRecord, ...]  # every finished trial, by number

    @cached_property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that have their objectives."""
        return tuple(trial for trial in self.trials if trial.state == "complete")

    @cached_property
    def _values(self) -> list[tuple[float, ...]]:
        return [trial.objectives for trial in self.complete]

    @cached_property
    def confirmed(self) -> bool:
        """Whether some trials were trained with further seeds."""
        return any(trial.seeds for trial in self.complete)

    @cached_property
    def groups(self) -> tuple[tuple[TrialRecord, ...], ...]:
        """The front, lowest error first; points within the tolerances of each other are one group.

        Where seeds confirm the front there are no tolerances: reports say how sure each place is instead.
        """
        tolerances = [
            (0.0, COST_TOLERANCE)
            if name in COST_KEYS
            else (ERROR_TOLERANCE if name in ERRORS else ERROR_TOLERANCE * worst, 0.0)
            for name, worst in zip(self.objective_names, self.reference, strict=True)
        ]
        if self.confirmed:
            tolerances = [(0.0, 0.0)] * len(tolerances)
        groups = pareto.grouped(self._values, pareto.front(self._values), tolerances)
        return tuple(tuple(self.complete[index] for index in group) for group in groups)

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """One trial for each group of the front, lowest error first."""
        return tuple(group[0] for group in self.groups)

    @cached_property
    def hypervolume(self) -> float:
        """Share, 0 to 1, of the box between zero and the reference that the front dominates."""
        return self._share(self._values)

    def hypervolume_history(self) -> list[tuple[int, float]]:
        """(trial number, hypervolume after it) for every complete trial."""
        history, kept, share = list[tuple[int, float]](), list[tuple[float, ...]](), 0.0
        for trial in self.complete:
            new = trial.objectives
            if not any(old == new or pareto.dominates(old, new) for old in kept):
                kept = [*(old for old in kept if not pareto.dominates(new, old)), new]
                share = self._share(kept)
            history.append((trial.number, share))
        return history

    def _share(self, values: Sequence[tuple[float, ...]]) -> float:
        box = math.prod(self.reference)
        return pareto.hypervolume(values, self.reference) / box if values and box > 0 else 0.0

    def costs(self, trial: TrialRecord) -> tuple[float, ...]:
        """What a complete trial costs: its objectives that are costs, or its FLOPs if none of them is."""
        named = zip(self.objective_names, trial.objectives, strict=True)
        return tuple(value for name, value in named if name in COST_KEYS) or (trial.cost.get("flops", math.inf),)

    @property
    def best(self) -> TrialRecord:
        """The trial of the front with the lowest error; the cheapest of several."""
        self.require_complete()
        front = (trial for group in self.groups for trial in group)
        return min(front, key=lambda trial: (trial.objectives[0], self.costs(trial), trial.objectives))

    @property
    def knee(self) -> TrialRecord:
        """The trial of the front from which more cost starts to buy little accuracy."""
        self.require_complete()
        # An error is compared as it is, not by its logarithm; `pareto.knee` takes that of what is positive.
        most = [max(column) for column in zip(*self._values, strict=True)]
        shift = [
            0.0 if name in COST_KEYS else 1.0 if name in ERRORS else worst
            for name, worst in zip(self.objective_names, most, strict=True)
        ]
        shifted = [tuple(value - less for value, less in zip(row, shift, strict=True)) for row in self._values]
        knee = self.complete[pareto.knee(shifted)]
        return next(group[0] for group in self.groups if knee in group)

    @property
    def smallest(self) -> TrialRecord:
        """The trial of the front with the lowest cost: the first cost among the objectives, or FLOPs."""
        self.require_complete()
        return min(self.front, key=lambda trial: (self.costs(trial), trial.objectives))

    def select(self, which: str) -> TrialRecord:
        """The complete trial called "best", "knee", "smallest", or by its number."""
        if which in ("best", "knee", "smallest"):
            chosen: TrialRecord = getattr(self, which)
            return chosen
        known = f"complete trials are {_ranges([trial.number for trial in self.complete])}"
        if not which.isdecimal():
            raise UsageError(f'There is no trial "{which}".', hint=f"Use best, knee, smallest or a number; {known}.")
        found = next((trial for trial in self.trials if trial.number == int(which)), None)
        if found is None:
            raise UsageError(f"There is no trial {which}.", hint=f"The {known}.")
        if found.state != "complete":
            raise UsageError(f"Trial {which} is {found.state}: {found.reason}", hint=f"The {known}.")
        return found

    def baselines_within(self, trial: TrialRecord) -> dict[str, TrialRecord]:
        """For each unit, the most accurate baseline that costs no more than `trial`, within the cost tolerance."""
        most = [cost * (1 + COST_TOLERANCE) for cost in self.costs(trial)]
        found: dict[str, TrialRecord] = {}
        for other in self.complete:
            within = other.baseline and all(cost <= limit for cost, limit in zip(self.costs(other), most, strict=True))
            unit = other.candidate.architecture.units[0][0]
            if within and (unit not in found or other.error < found[unit].error):
                found[unit] = other
        return found

    def require_complete(self) -> tuple[TrialRecord, ...]:
        """The complete trials; raises `RunError` if there is none yet."""
        if self.complete:
            return self.complete
        states = Counter(trial.state for trial in self.trials)
        how = ", ".join(f"{count} {state}" for state, count in states.items())
        if self.trials and self.trials[-1].reason:
            how += f"; the last one: {self.trials[-1].reason}"
        raise RunError(
            f"No trial of this run is complete yet{f' ({how})' if how else ''}.".replace("\n", " "),
            hint="Run the search command again to resume it, or wait if it is still running.",
        )


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, runs of them shortened: "0 to 9, 12"."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda each: each[1] - each[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs) or "none yet"


def load_results(run: RunDirectory) -> Results:
    """Read every finished trial of a search."""
    if run.is_experiment:
        raise RunError(f"{run.path} holds an experiment, not a search.", hint="pure-nas report shows what it found.")
    names, reference = objectives_of(run)
    records = (read_trial(trial, names) for trial in run.trials())
    return Results(
        names, reference, tuple(over_seeds(run, record, names, reference) for record in records if record is not None)
    )


def objectives_of(run: RunDirectory) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The objectives of a search and the worst value of each."""
    settings = run.settings()
    names, worst = settings.get("objectives", []), settings.get("reference", {})
    if names[:1] != ["error"] or len(set(names)) < len(names):
        raise RunError(f"{run.settings_path} is damaged: it has no valid 'objectives'.", hint=SETTINGS_HINT)
    if missing := [name for name in names if name not in worst]:
        raise RunError(f"{run.settings_path} is damaged: it has no valid 'reference.{missing[0]}'.", hint=SETTINGS_HINT)
    return tuple(names), tuple(float(worst[name]) for name in names)


def read_trial(trial: TrialDirectory, objective_names: Sequence[str]) -> TrialRecord | None:
    """Read one trial; None while it has not ended."""
    result = trial.result()
    if result is None:
        return None
    if result.get("number", trial.number) != trial.number:
        raise RunError(
            f"{trial.ended} is the result of trial {result['number']}, not of trial {trial.number}.",
            hint=trial.damaged_hint,
        )
    state: TrialState = result["state"]
    names = objective_names if state in ("complete", "stopped") else ()
    return TrialRecord(
        number=trial.number,
        state=state,
        candidate=trial.candidate(),
        objectives=tuple(trial.number_in(result, "objectives", name) for name in names),
        **{name: result[name] for name in _KEPT if result.get(name) is not None},
        weights_bytes=trial.weights.stat().st_size if trial.weights.is_file() else 0,
        curve=tuple(trial.curve()),
        stopping=trial.stops(),
    )


def over_seeds(
    run: RunDirectory, record: TrialRecord, objective_names: Sequence[str], worst: Sequence[float]
) -> TrialRecord:
    """A trial with the further seeds that it, or the one that it repeats, was trained with."""
    if record.state != "complete":
        return record
    return with_seeds(record, objective_names, tuple(read_seeds(run.trial(record.trained), objective_names, worst)))


def with_seeds(record: TrialRecord, objective_names: Sequence[str], seeds: tuple[Seed, ...]) -> TrialRecord:
    """A trial whose objectives, but for costs, are means over its own seed and these."""
    if not seeds:
        return record
    every = zip(record.objectives, *(each.objectives for each in seeds), strict=True)
    means = (
        values[0] if name in COST_KEYS else math.fsum(values) / len(values)
        for name, values in zip(objective_names, every, strict=True)
    )
    return replace(record, objectives=tuple(means), seeds=seeds)


def find_architecture(text: str) -> Architecture:
    """The architecture that a name, an architecture.json, or RUN:TRIAL stands for."""
    if (trial := find_trial(text)) is not None:
        return trial.architecture
    if text.endswith(".json"):
        return Architecture.load(Path(text))
    if "/" in text:  # no unit's name has one
        hint = "Use a .json file, or a trial of a run as RUN:TRIAL."
        raise UsageError(f'There is no architecture "{text}".', hint=hint)
    return Architecture.named(text)


def find_trial(text: str) -> Candidate | None:
    """What trial RUN:TRIAL trained; None where the text means something else."""
    path, colon, which = text.rpartition(":")
    return load_results(RunDirectory.open(Path(path))).select(which).candidate if colon else None
