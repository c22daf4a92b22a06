"""What was found of one network with one recipe: a row of an experiment's tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.analysis.convergence import Convergence, CurveKind, accuracies, convergence_of
from pure_nas.analysis.statistics import mean_interval
from pure_nas.cost.layers import cost_of
from pure_nas.findings.judged import Judged, judged_of
from pure_nas.findings.results import ExperimentResults, Measurement
from pure_nas.plans.grid.grid import Cell


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
        repeats: the label of an earlier cell that is the same network trained by the same recipe; None for most.
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
    repeats: str | None
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
    def seeds(self) -> int:
        """Seeds that have ended, those that diverged included."""
        return len(self.accuracies) + self.diverged

    @property
    def told(self) -> tuple[float, float] | None:
        """The interval; None where it is one point, because the seeds do not differ and so say nothing of a spread."""
        return self.interval if self.interval and self.interval[0] < self.interval[1] else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for fewer than two."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


def row_of(cell: Cell, results: ExperimentResults) -> Row:
    """What was found of a cell."""
    measured = results.measurements[cell.label]
    first, architecture = results.grid.distinct[cell.candidate.digest], cell.candidate.architecture
    cost = cost_of(architecture)
    found = tuple(each.accuracy for each in measured if each.state == "complete")
    ended = [each for each in measured if each.state != "missing"]
    return Row(
        label=cell.label,
        repeats=None if first.label == cell.label else first.label,
        table=cell.network.table,
        recipe=cell.recipe.label,
        series=_series(cell, results),
        axis=cell.network.axis or cell.recipe.axis,
        place=cell.network.place if cell.network.axis else cell.recipe.place,
        kind=architecture.kind,
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
