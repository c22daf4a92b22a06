"""Everything a report shows, as plain numbers and strings.

The page, the figures and the tables are all drawn from one `ReportData`, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.analysis import pareto
from pure_nas.analysis.convergence import USUAL_TARGETS, Convergence, convergence_of
from pure_nas.files import read_json
from pure_nas.quantities import counted
from pure_nas.report.front_rows import FrontRow, front_rows
from pure_nas.report.next_steps import Step, next_steps
from pure_nas.report.palette import placement_text
from pure_nas.report.settings_text import plain_settings, recipe_text, searched_fields
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import Results, TrialRecord, load_results
from pure_nas.run.retrained import Retraining, Row, load_retraining
from pure_nas.run.schema import Environment
from pure_nas.space.unit import get_unit

MAX_CURVE_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class Point:
    """One complete trial in the plane of cost and error.

    Attributes:
        costs: by objective name.
        kind: see `Architecture.kind`.
        baseline: label of the baseline it is; empty for a searched trial.
        on_front: whether it represents a group of the front.
        retrained: how it did on the test split, of trials that are on the front or were chosen for retraining; None
            where it was not retrained.
    """

    number: int
    error: float
    costs: dict[str, float]
    kind: str
    baseline: str
    on_front: bool
    depth: int
    base_width: int
    params: float
    product_share: float
    placement: str
    recipe_text: str
    retrained: Row | None = None

    @property
    def kind_label(self) -> str:
        """The group of points that it is drawn with, such as "hybrid" or "conv baseline"."""
        return f"{self.kind} baseline" if self.baseline else self.kind


@dataclass(frozen=True, kw_only=True)
class CostView:
    """One cost against the error.

    Attributes:
        line: (cost, error) of the points that nothing beats in this plane, by rising cost.
    """

    name: str
    line: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Validation error of one trial after each epoch; None where it was not a number.

    Attributes:
        convergence: when its validation accuracy first reached usual values.
    """

    number: int
    kind: str
    baseline: str
    epochs: tuple[float, ...]
    errors: tuple[float | None, ...]
    convergence: tuple[Convergence, ...] = ()

    @property
    def name(self) -> str:
        """The trial's number and what it is, for legends."""
        return f"{self.number}: {self.baseline or self.kind}"

    @property
    def end(self) -> tuple[float, float] | None:
        """The last epoch with an error, and that error; None where there is none."""
        known = ((epoch, error) for epoch, error in zip(self.epochs, self.errors, strict=True) if error is not None)
        return max(known, default=None)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a report shows.

    Attributes:
        path: of the run.
        settings: as in run.toml.
        environment: as in environment.json; empty where there is none.
        results: every trial that has ended, and what follows from them.
        unfinished: number of trials on disk without a result.
        searched: fields of which the space holds more than one value.
    """

    path: str
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    results: Results
    unfinished: int
    searched: frozenset[str]
    costs: tuple[CostView, ...]
    points: tuple[Point, ...]
    front: tuple[FrontRow, ...]
    hypervolume_history: tuple[tuple[int, float], ...]
    curves: tuple[Curve, ...]
    retraining: Retraining | None

    @property
    def study(self) -> str:
        """The name of the study."""
        return str(self.settings.get("study", ""))

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return self.results.objective_names

    @property
    def reference(self) -> dict[str, float]:
        """The worst value of each objective, the corner of the hypervolume."""
        return dict(zip(self.objectives, self.results.reference, strict=True))

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial that has ended, by number."""
        return self.results.trials

    @property
    def incomplete(self) -> tuple[TrialRecord, ...]:
        """Trials that ended without a result."""
        return tuple(trial for trial in self.trials if trial.state != "complete")

    @property
    def kinds(self) -> dict[int, str]:
        """What each complete trial is, by number: a unit's name, or "hybrid"."""
        return {point.number: point.kind for point in self.points}

    @property
    def seconds(self) -> float:
        """Training time of all trials; repeated results count once."""
        return sum(trial.seconds for trial in self.trials if trial.replay_of is None)

    @property
    def weights_bytes(self) -> int:
        """Size of all weights on disk."""
        return sum(trial.weights_bytes for trial in self.trials)

    @property
    def trials_text(self) -> str:
        """How many trials there are, and how they ended that are not complete."""
        count = sum(trial.counts for trial in self.trials)
        numbers = Counter[str](trial.state for trial in self.incomplete)
        numbers["repeated"] = sum(trial.replay_of is not None for trial in self.trials)
        numbers["unfinished"] = self.unfinished
        ended = [f"{number:,} {state}" for state, number in sorted(numbers.items()) if number]
        asked = self.settings.get("trials", count)
        return ", ".join([counted(count, "trial"), *ended]) + (f" ({asked:,} asked for)" if asked != count else "")

    @property
    def next_steps(self) -> list[Step]:
        """What is left to do with the front."""
        knee = next((row.retrained for row in self.front if "knee" in row.tags), None)
        return next_steps(self.path, [row.number for row in self.front], self.retraining, knee)


def report_data(run: RunDirectory, results: Results | None = None) -> ReportData:
    """Read a run's folder, but for its trials where the caller has them already.

    Raises:
        RunError: the settings, a trial's result, environment.json or retrain.json is damaged.
        ConfigError: a trial's architecture or recipe is damaged.
    """
    settings = run.settings()
    results = results or load_results(run)
    searched = searched_fields(settings)
    retraining = load_retraining(run)
    points = _points(results, searched, retraining)
    validation_images = (settings.get("data") or {}).get("validation")
    return ReportData(
        path=str(run.path),
        settings={"study": run.path.name, **settings},
        environment=read_environment(run),
        results=results,
        unfinished=sum(1 for _ in run.trials()) - len(results.trials),
        searched=searched,
        costs=tuple(CostView(name=name, line=_line(points, name)) for name in results.objective_names[1:]),
        points=points,
        front=front_rows(results, validation_images, searched, retraining),
        hypervolume_history=tuple(results.hypervolume_history()),
        curves=_curves(results),
        retraining=retraining,
    )


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """Where a run was computed; empty where its folder does not say.

    Raises:
        RunError: environment.json is damaged.
    """
    path = run.path / "environment.json"
    found: dict[str, Any] = (
        read_json(path, Environment, hint="Remove it: only reports show it.") if path.exists() else {}
    )
    return found


def flattened(value: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Nested tables as (dotted key, text) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            pairs.extend(flattened(inner, f"{prefix}{key}."))
        else:
            text = ", ".join(map(str, inner)) if isinstance(inner, list) else str(inner)
            pairs.append((f"{prefix}{key}", text))
    return tuple(pairs)


def _points(results: Results, searched: frozenset[str], retraining: Retraining | None) -> tuple[Point, ...]:
    front = {trial.number for trial in results.front}
    tested = front | set(retraining.trials) if retraining else set()
    return tuple(
        _point(
            trial,
            results.objective_names,
            searched,
            on_front=trial.number in front,
            retrained=retraining.row_of(trial.candidate) if retraining and trial.number in tested else None,
        )
        for trial in results.complete
        if all(math.isfinite(value) for value in trial.objectives)
    )


def _point(
    trial: TrialRecord, names: tuple[str, ...], searched: frozenset[str], *, on_front: bool, retrained: Row | None
) -> Point:
    architecture = trial.candidate.architecture
    return Point(
        number=trial.number,
        error=trial.objectives[0],
        costs=dict(zip(names[1:], trial.objectives[1:], strict=True)),
        kind=architecture.kind,
        baseline=trial.baseline,
        on_front=on_front,
        depth=architecture.depth,
        base_width=architecture.base_width,
        params=trial.cost.get("params", math.nan),
        product_share=product_share([name for stage in architecture.units for name in stage]),
        placement=placement_text(architecture.units),
        recipe_text=recipe_text(trial.candidate, plain_settings(trial.candidate, searched)),
        retrained=retrained,
    )


def product_share(names: Sequence[str]) -> float:
    """The fraction of layers that multiply."""
    return sum(get_unit(name).multiplies for name in names) / len(names)


def _line(points: tuple[Point, ...], cost: str) -> tuple[tuple[float, float], ...]:
    values = [(point.costs[cost], point.error) for point in points]
    return tuple(dict.fromkeys(values[index] for index in pareto.front(values)))


def _curves(results: Results) -> tuple[Curve, ...]:
    shown = {trial.number: trial for trial in results.front}
    shown.update((trial.number, trial) for trial in results.complete if trial.baseline)
    by_number = {trial.number: trial for trial in results.trials}
    curves = (_curve(trial, by_number) for trial in shown.values())
    return tuple(curve for curve in curves if curve.epochs)


def _curve(trial: TrialRecord, by_number: Mapping[int, TrialRecord]) -> Curve:
    records = [record for record in trial.trained_in(by_number).curve if "validation_error" in record]
    stride = -(-len(records) // MAX_CURVE_POINTS) or 1
    kept = [record for index, record in enumerate(records) if (len(records) - 1 - index) % stride == 0]
    return Curve(
        number=trial.number,
        kind=trial.candidate.architecture.kind,
        baseline=trial.baseline,
        epochs=tuple(float(record["epoch"]) for record in kept),
        errors=tuple(_finite(record["validation_error"]) for record in kept),
        convergence=tuple(convergence_of([records], target, "validation") for target in USUAL_TARGETS),
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
