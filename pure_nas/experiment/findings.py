"""What follows from the measurements: means and intervals, comparisons, convergence. The content of experiment.json."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pure_nas.comparison import SIGNIFICANCE, difference, holm, mean_interval
from pure_nas.convergence import Convergence, CurveKind, accuracies, convergence_of
from pure_nas.cost.layers import cost_of
from pure_nas.experiment.grid import Cell
from pure_nas.experiment.judged import Judged, judged_of
from pure_nas.experiment.results import ExperimentResults, Measurement

SCHEMA = 1
Verdict = Literal["better", "worse", "no difference shown", "too few seeds", "diverged", "not trained yet"]


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The accuracy after an epoch, 0 to 1: its mean over seeds, the lowest and the highest."""

    epoch: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found of one cell.

    Attributes:
        series: the cells that differ from it in one number only have the same; what they are called together.
        axis: that number's field, "depth" for the base; empty where there is none.
        place: its value.
        kind: its unit, or "hybrid".
        accuracies: one for each seed that came through, 0 to 1.
        interval: Student's 95 % interval of their mean, as far as it lies within 0 to 1; None for fewer than two.
        diverged: seeds whose loss became NaN or infinite.
        reasons: why, once each.
        missing: seeds that have not ended.
        seconds: mean training time of a seed; None where none has ended.
        judged: what else it was judged by; None where nothing.
    """

    label: str
    table: str
    recipe: str
    series: str
    axis: str
    place: float | None
    kind: str
    depth: int
    params: int
    flops: int
    accuracies: tuple[float, ...]
    interval: tuple[float, float] | None
    diverged: int
    reasons: tuple[str, ...]
    missing: int
    seconds: float | None
    convergence: tuple[Convergence, ...]
    curve: tuple[CurvePoint, ...]
    judged: Judged | None

    @property
    def mean(self) -> float | None:
        """Mean accuracy; None where no seed came through."""
        return statistics.fmean(self.accuracies) if self.accuracies else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for fewer than two."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A cell beside the one that it is compared with.

    Attributes:
        difference: mean accuracy less that of the reference; None where one of them has none.
        low: lower end of Welch's 95 % interval of it; None for fewer than two seeds.
        high: its upper end.
        p: of Welch's test; None where it cannot be made.
        p_adjusted: corrected for the number of comparisons, by Holm.
        verdict: "better" or "worse" where the corrected p is below 0.05.
        speed: for each accuracy that both reached with every seed, how many times the epochs the reference took.
    """

    label: str
    reference: str
    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    verdict: Verdict = "too few seeds"
    speed: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an experiment has found.

    Attributes:
        curve_kind: which images curves and convergence are read off.
    """

    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    curve_kind: CurveKind

    @property
    def tests(self) -> int:
        """Comparisons that a test was made of: the number that Holm's correction is for."""
        return sum(comparison.p is not None for comparison in self.comparisons)


def findings_of(results: ExperimentResults) -> Findings:
    """Everything that follows from the measurements of an experiment."""
    rows = {cell.label: _row(cell, results) for cell in results.grid.cells}
    return Findings(
        rows=tuple(rows.values()),
        comparisons=_corrected(
            [
                _compared(rows[cell.label], rows[other.label])
                for cell in results.grid.cells
                for other in results.grid.references_of(cell)
            ]
        ),
        curve_kind=results.curve_kind,
    )


def _row(cell: Cell, results: ExperimentResults) -> Row:
    measured = results.measurements[cell.label]
    architecture = cell.candidate.architecture
    cost = cost_of(architecture)
    units = architecture.unit_set
    found = tuple(each.accuracy for each in measured if each.state == "complete")
    ended = [each for each in measured if each.state != "missing"]
    return Row(
        label=cell.label,
        table=cell.network.table,
        recipe=cell.recipe.label,
        series=_series(cell, results),
        axis=cell.network.axis or cell.recipe.axis,
        place=cell.network.place if cell.network.axis else cell.recipe.place,
        kind=next(iter(units)) if len(units) == 1 else "hybrid",
        depth=architecture.depth,
        params=cost.params,
        flops=cost.flops,
        accuracies=found,
        interval=_interval(found),
        diverged=sum(each.state == "diverged" for each in measured),
        reasons=tuple(dict.fromkeys(each.reason for each in measured if each.state == "diverged")),
        missing=len(measured) - len(ended),
        seconds=statistics.fmean(each.seconds for each in ended) if ended else None,
        convergence=tuple(
            convergence_of([each.curve for each in ended], target, results.curve_kind) for target in results.targets
        ),
        curve=_curve(measured, results.curve_kind),
        judged=judged_of([each.evaluation for each in measured if each.evaluation]),
    )


def _interval(shares: Sequence[float]) -> tuple[float, float] | None:
    """Of few seeds it can reach beyond what an accuracy can be."""
    interval = mean_interval(shares)
    return None if interval is None else (max(interval[0], 0.0), min(interval[1], 1.0))


def _series(cell: Cell, results: ExperimentResults) -> str:
    """The table that varies a number, and what else tells the cell apart."""
    network, recipe = cell.network, cell.recipe
    if network.axis:
        own, others = recipe.label, {other.recipe.label for other in results.grid.cells}
        return f"{network.table}, {own}" if len(others) > 1 else network.table
    own, others = recipe.table, {other.recipe.table for other in results.grid.cells}
    return f"{network.label}, {own}" if len(others) > 1 else network.label


def _curve(measured: Sequence[Measurement], kind: CurveKind) -> tuple[CurvePoint, ...]:
    """The mean over the seeds that have an epoch; those that diverged end early."""
    curves = [accuracies(each.curve, kind) for each in measured]
    points = []
    for index in range(max(map(len, curves), default=0)):
        values = [value for curve in curves if index < len(curve) and (value := curve[index]) is not None]
        if values:
            points.append(CurvePoint(epoch=index + 1, mean=statistics.fmean(values), low=min(values), high=max(values)))
    return tuple(points)


def _compared(row: Row, reference: Row) -> Comparison:
    plain = Comparison(
        label=row.label,
        reference=reference.label,
        difference=None if row.mean is None or reference.mean is None else row.mean - reference.mean,
        speed=_speed(row, reference),
    )
    for one in (row, reference):
        if not one.accuracies:
            return replace(plain, verdict="diverged" if one.diverged and not one.missing else "not trained yet")
    if min(len(row.accuracies), len(reference.accuracies)) < 2:
        return plain
    found = difference(row.accuracies, reference.accuracies)
    return replace(plain, low=found.low, high=found.high, p=found.p)


def _speed(row: Row, reference: Row) -> dict[str, float]:
    found = {}
    for own, other in zip(row.convergence, reference.convergence, strict=True):
        if own.mean_epochs and other.mean_epochs and not own.missed and not other.missed:
            found[f"{own.target:g}"] = other.mean_epochs / own.mean_epochs
    return found


def _corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """With p-values that are corrected for the number of tests, and the verdicts that follow from those."""
    corrected = iter(holm([each.p for each in comparisons if each.p is not None]))
    return tuple(
        each if each.p is None else replace(each, p_adjusted=(p := next(corrected)), verdict=_verdict(each, p))
        for each in comparisons
    )


def _verdict(comparison: Comparison, p_adjusted: float) -> Verdict:
    if p_adjusted >= SIGNIFICANCE or comparison.difference is None:
        return "no difference shown"
    return "better" if comparison.difference > 0 else "worse"


def document(results: ExperimentResults, findings: Findings) -> dict[str, Any]:
    """As experiment.json holds it."""
    settings, scale = results.settings, results.scale
    found: dict[str, Any] = _without_nan(
        {
            "schema": SCHEMA,
            "experiment": settings["experiment"],
            "question": results.file.question,
            "paper": results.file.paper,
            "scale": settings["scale"],
            "cost": scale.cost,
            "dataset": settings["dataset"],
            "data": settings["data"],
            "split": results.file.split,
            "curves": findings.curve_kind,
            "epochs": scale.epochs,
            "batch_size": scale.batch_size,
            "seeds": results.grid.seeds,
            "trainings": results.grid.trainings,
            "complete": results.complete,
            "diverged": results.diverged,
            "confidence": 1 - SIGNIFICANCE,
            "tests": findings.tests,
            "networks": [{**asdict(row), "mean": row.mean, "std": row.std} for row in findings.rows],
            "comparisons": [asdict(comparison) for comparison in findings.comparisons],
        }
    )
    return found


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
