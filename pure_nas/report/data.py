"""Everything a report shows, as plain numbers and strings, so that page, figures and tables cannot disagree."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pure_nas.analysis import pareto
from pure_nas.analysis.convergence import USUAL_TARGETS, Convergence, convergence_of
from pure_nas.analysis.standing import Standing
from pure_nas.analysis.statistics import mcnemar
from pure_nas.files import read_json
from pure_nas.findings.early_stopping import EarlyStopping, early_stopping_of
from pure_nas.findings.warm_start import EarlierKnowledge, earlier_knowledge
from pure_nas.plans.search.outlook import Outlook, outlook_of_run
from pure_nas.quantities import counted
from pure_nas.report.paired import Pair
from pure_nas.run.confidence import front_standings
from pure_nas.run.directory import RunDirectory
from pure_nas.run.hits import read_hits
from pure_nas.run.retrained import Retraining, Row, load_retraining
from pure_nas.run.schema import Environment
from pure_nas.run.search_results import Results, TrialRecord, load_results
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.field import default_of, descriptions
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, get_unit, settings_read

MAX_CURVE_POINTS = 400
_A_CHANCE = 0.05  # of being on the front, from which it is told


class Versus(NamedTuple):
    """A network of the front compared with the most accurate baseline of one unit that costs no more."""

    unit: str
    trial: int  # the baseline's number, its label, and its validation error
    baseline: str
    error: float
    difference: float  # the network's error minus the baseline's
    images: int | None  # the same in validation images; None where their number is unknown


@dataclass(frozen=True, kw_only=True)
class ReportedTrial:
    """A complete trial with all that reports say about it."""

    trial: TrialRecord
    objectives: dict[str, float]
    settings: dict[str, Any]  # those that were searched or are not the default, by field
    recipe_text: str
    retrained: Row | None = None  # on the test split, if it is on the front or was itself chosen for retraining
    on_front: bool = False  # whether it represents a group of the front; only then it has what follows
    tags: tuple[str, ...] = ()  # of "best", "knee" and "smallest" those that its group is
    twins: tuple[int, ...] = ()  # the other trials of its group: as good and as costly within the tolerances
    repeats: tuple[int, ...] = ()  # those of `twins` that train exactly the same
    versus: tuple[Versus, ...] = ()  # for each baseline unit that has another baseline within its cost
    standing: Standing | None = None  # how sure its place is, where seeds confirm the front; also of what is not on it

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def error(self) -> float:
        return self.objectives["error"]

    @property
    def architecture(self) -> Architecture:
        return self.trial.candidate.architecture

    @property
    def kind(self) -> str:
        return self.architecture.kind

    @property
    def label(self) -> str:
        """The series of points that it is drawn with, such as "hybrid" or "conv baseline"."""
        return f"{self.kind} baseline" if self.trial.baseline else self.kind


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Validation error of one trial after each epoch, None where it was not a number, and how soon it learned."""

    number: int
    kind: str
    baseline: str
    epochs: tuple[int, ...]
    errors: tuple[float | None, ...]
    convergence: tuple[Convergence, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.number}: {self.baseline or self.kind}"


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a report shows of a run."""

    path: str
    settings: Mapping[str, Any]  # as in run.toml
    environment: Mapping[str, Any]  # as in environment.json; empty where there is none
    results: Results
    unfinished: int  # trials on disk without a result
    complete: tuple[ReportedTrial, ...]  # by number
    front: tuple[ReportedTrial, ...]  # those that represent a group of the front, lowest error first
    curves: tuple[Curve, ...]  # of the front, then of the baselines
    retraining: Retraining
    outlook: Outlook | None  # None where too little has been trained to say
    pairs: tuple[Pair, ...] = ()  # each of the front with the next better one and with the best, by the same images

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.results.objective_names

    @property
    def reference(self) -> dict[str, float]:
        return dict(zip(self.objectives, self.results.reference, strict=True))

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        return self.results.trials

    @property
    def kinds(self) -> dict[int, str]:
        """What each complete trial is, by number: a unit's name, or "hybrid"."""
        return {each.number: each.kind for each in self.complete}

    @cached_property
    def early_stopping(self) -> EarlyStopping | None:
        return early_stopping_of(self.results)

    @cached_property
    def earlier(self) -> EarlierKnowledge | None:
        return earlier_knowledge(RunDirectory(Path(self.path)), self.settings, self.results)

    @property
    def seconds(self) -> float:
        """Training time of all trials and of their further seeds; repeated results count once."""
        trained = [trial for trial in self.trials if trial.replay_of is None]
        return sum(trial.seconds + sum(seed.seconds for seed in trial.seeds) for trial in trained)

    @property
    def confirmations(self) -> int:
        """Trainings with further seeds."""
        return sum(len(trial.seeds) for trial in self.trials if trial.replay_of is None)

    @property
    def contenders(self) -> list[tuple[int, float]]:
        """Trials that are not on the front by their means but may well belong there, with the chance of it."""
        found = (
            (each.number, each.standing.on_front)
            for each in self.complete
            if each.standing and not each.on_front and each.trial.replay_of is None
        )
        return sorted((each for each in found if each[1] >= _A_CHANCE), key=lambda each: -each[1])

    @property
    def weights_bytes(self) -> int:
        return sum(trial.weights_bytes for trial in self.trials)

    @property
    def trials_text(self) -> str:
        """How many trials there are, and how they ended that are not complete."""
        count = sum(trial.counts for trial in self.trials)
        numbers = Counter[str](trial.state for trial in self.trials if trial.state != "complete")
        numbers["repeated"] = sum(trial.replay_of is not None for trial in self.trials)
        numbers["unfinished"] = self.unfinished
        ended = [f"{number:,} {state}" for state, number in sorted(numbers.items()) if number]
        done = count + self.confirmations
        if self.confirmations:
            ended.append(f"{counted(self.confirmations, 'further seed')}")
        asked = self.settings.get("trials", done)
        return ", ".join([counted(count, "trial"), *ended]) + (f" ({asked:,} requested)" if asked != done else "")

    @property
    def next_steps(self) -> Iterator[tuple[str, str]]:
        """What a command is good for, and the command: export a network, and retrain what was not retrained."""
        folder, done = shlex.quote(self.path), self.retraining
        retrained = any(each.retrained and each.retrained.test_accuracy for each in self.front if "knee" in each.tags)
        weights = "its retrained weights" if retrained else "weights"
        text = f"Export the knee of the front: source code that runs without pure-nas, and {weights}"
        yield text, f"pure-nas export {folder} --trial knee"
        left = [each.number for each in self.front if each.number not in done.trials]
        if len(left) == len(self.front):
            text = "Compare the front with its all-conv and all-product twins over several seeds, on the test split"
            yield text, f"pure-nas retrain {folder} --seeds 3"
        elif left:
            alike = f"--trials {','.join(map(str, left))} --seeds {max(len(row.seeds) for row in done.rows)}"
            epochs = "" if done.epochs_differ else f" --epochs {done.rows[0].epochs}"
            yield "Retrain the rest of the front", f"pure-nas retrain {folder} {alike}{epochs}"

    def lowest(self, cost: str) -> list[tuple[float, float]]:
        """(cost, error) of the trials that nothing beats in these two, by rising cost."""
        values = [(each.objectives[cost], each.error) for each in self.complete]
        return list(dict.fromkeys(values[index] for index in pareto.front(values)))


def report_data(run: RunDirectory, results: Results | None = None) -> ReportData:
    """Read a run's folder, but for its trials where the caller has them already."""
    settings = run.settings()
    results = results or load_results(run)
    retraining = load_retraining(run)
    standings = front_standings(run, results.objective_names, results.trials) if results.confirmed else {}
    complete = {each.number: each for each in _reported(results, settings, retraining, standings)}
    return ReportData(
        path=str(run.path),
        settings={"study": run.path.name, **settings},
        environment=read_environment(run),
        results=results,
        unfinished=sum(1 for _ in run.trials()) - len(results.trials),
        complete=tuple(complete.values()),
        front=tuple(complete[trial.number] for trial in results.front),
        curves=tuple(_curves(results)),
        retraining=retraining,
        outlook=outlook_of_run(run, results),
        pairs=tuple(_pairs(run, results.front)),
    )


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """Where a run was computed; empty where its folder does not say."""
    path = run.path / "environment.json"
    return dict(read_json(path, Environment, hint="Remove it: it is only shown in reports.")) if path.exists() else {}


def flattened(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as (dotted key, text) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            pairs += flattened(inner, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", ", ".join(map(str, inner)) if isinstance(inner, list) else str(inner)))
    return pairs


def product_share(names: Sequence[str]) -> float:
    """The fraction of layers that multiply."""
    return sum(get_unit(name).multiplies for name in names) / len(names)


def _pairs(run: RunDirectory, front: Sequence[TrialRecord]) -> Iterator[Pair]:
    """As far as the images that they got right are known; of those of several seeds it is their own seed."""
    known = [(trial.number, hits) for trial in front if (hits := read_hits(run.trial(trial.trained)))]
    for place, (number, hits) in enumerate(known[1:], start=1):
        for other, others in dict.fromkeys((known[place - 1], known[0])):
            if hits.same_images(others):
                yield Pair(f"trial {number}", f"trial {other}", mcnemar(hits.right, others.right))


def _reported(
    results: Results, settings: Mapping[str, Any], retraining: Retraining, standings: Mapping[int, Standing]
) -> Iterator[ReportedTrial]:
    searched = searched_fields(settings)
    images = (settings.get("data") or {}).get("validation")
    groups = {group[0].number: group for group in results.groups}
    tagged = {name: results.select(name) for name in ("best", "knee", "smallest")} if groups else {}
    for trial in results.complete:
        number, candidate = trial.number, trial.candidate
        group = groups.get(number, ())
        chosen = plain_settings(candidate.architecture, candidate.recipe, searched=searched)
        yield ReportedTrial(
            trial=trial,
            objectives=dict(zip(results.objective_names, trial.objectives, strict=True)),
            settings=chosen,
            recipe_text=recipe_text(candidate, chosen),
            retrained=retraining.row_of(candidate) if group or number in retraining.trials else None,
            on_front=bool(group),
            tags=tuple(name for name, chosen_trial in tagged.items() if chosen_trial in group),
            twins=tuple(other.number for other in group[1:]),
            repeats=tuple(other.number for other in group[1:] if other.candidate.digest == candidate.digest),
            versus=tuple(_comparisons(results, trial, images)) if group else (),
            standing=standings.get(trial.trained),
        )


def _comparisons(results: Results, trial: TrialRecord, images: int | None) -> Iterator[Versus]:
    for unit, baseline in sorted(results.baselines_within(trial).items()):
        if baseline.number != trial.number:
            difference = trial.objectives[0] - baseline.objectives[0]
            as_images = None if images is None else round(difference * images)
            yield Versus(unit, baseline.number, baseline.baseline, baseline.error, difference, as_images)


def _curves(results: Results) -> Iterator[Curve]:
    by_number = {trial.number: trial for trial in results.trials}
    shown = {trial.number: trial for trial in (*results.front, *(each for each in results.complete if each.baseline))}
    for trial in shown.values():
        records = [record for record in trial.trained_in(by_number).curve if "validation_error" in record]
        stride = -(-len(records) // MAX_CURVE_POINTS) or 1
        if kept := records[::-1][::stride][::-1]:
            yield Curve(
                number=trial.number,
                kind=trial.candidate.architecture.kind,
                baseline=trial.baseline,
                epochs=tuple(record["epoch"] for record in kept),
                errors=tuple(record["validation_error"] for record in kept),
                convergence=tuple(convergence_of([records], target, "validation") for target in USUAL_TARGETS),
            )


def searched_fields(settings: Mapping[str, Any]) -> frozenset[str]:
    """Fields of architectures and recipes of which a run's space, as in run.toml, holds more than one value."""
    space = settings.get("search_space") or {}
    axes = {**(space.get("architecture") or {}), **(space.get("recipe") or {})}
    return frozenset(
        name
        for name, axis in axes.items()
        if any(isinstance(part, Mapping) for part in (axis if isinstance(axis, list) else [axis]))
    )


def plain_settings(
    architecture: Architecture, *recipe: Recipe, searched: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """What was searched or is not the default, by field; per stage, None where no unit of the stage reads it."""
    architecture = architecture.canonical()
    read = settings_read(architecture.unit_set)
    found = {}
    for model in (architecture, *recipe):
        for name, described in descriptions(type(model)).items():
            if described.in_place or (described.of_units and name not in read):
                continue
            value, default = getattr(model, name), default_of(type(model), name)
            if described.per == "stage":
                value = architecture.thresholds_read
                default = tuple(None if theta is None else default for theta in value)
            if name in searched or value != default:
                found[name] = value
    return found


def _setting_text(value: Any) -> str:
    match value:
        case tuple():
            return " | ".join("–" if each is None else _setting_text(each) for each in value)
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
    return str(value)


def recipe_text(candidate: Candidate, settings: Mapping[str, Any]) -> str:
    """Learning rates and weight decays of the parameter kinds that the network holds, equal ones once; settings."""
    kinds = [kind for kind in PARAMETER_KINDS if kind in candidate.architecture.parameter_kinds]
    rates = {kind: f"{candidate.recipe.learning_rate[kind]:.3g}" for kind in kinds}
    decays = {kind: _decay(candidate.recipe.weight_decay[kind]) for kind in kinds}
    labels = {name: name.replace("_", " ").replace("relu", "ReLU") for name in settings}
    rest = ", ".join(f"{labels[name]} {_setting_text(value)}" for name, value in settings.items())
    parts = (f"learning rate {_by_kind(rates)}", f"weight decay {_by_kind(decays)}", rest)
    return "; ".join(filter(None, parts))


def _decay(decay: WeightDecay) -> str:
    if decay.schedule == "constant" or decay.end in (None, decay.start):
        return f"{decay.start:.3g}"
    return f"{decay.start:.3g}→{decay.end:.3g} ({decay.schedule})"


def _by_kind(texts: dict[ParameterKind, str]) -> str:
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{kind.replace('_', ' ')} {text}" for kind, text in texts.items())
