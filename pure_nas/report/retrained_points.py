"""Test errors of retrained networks, as plots of the front show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.quantities import counted, show_percent
from pure_nas.report.data import Point
from pure_nas.report.retraining import came_through, interval_text


@dataclass(frozen=True)
class RetrainedPoint:
    """The mean test error of a network over its seeds, in percent.

    Attributes:
        low: lower end of its 95 % interval; the mean where there is none, as is `high`.
        text: in words.
    """

    point: Point
    error: float
    low: float
    high: float
    text: str


def retrained_points(points: Sequence[Point]) -> list[RetrainedPoint]:
    """Those of the points that were retrained and did not diverge with every seed."""
    found = []
    for point in points:
        row = point.retrained
        if row is None or not row.test_accuracy:
            continue
        worst, best = row.interval or (row.mean, row.mean)
        detail = ", ".join(filter(None, (interval_text(row), came_through(row), counted(row.epochs, "epoch"))))
        text = f"<b>trial {point.number}</b>, retrained<br>test accuracy {show_percent(row.mean)}<br>{detail}"
        found.append(RetrainedPoint(point, 100 * (1 - row.mean), 100 * (1 - best), 100 * (1 - worst), text))
    return found


def error_title(tested: Sequence[RetrainedPoint]) -> str:
    """What the axis of errors is called."""
    return "validation error (crosses: test error)" if tested else "validation error"


def shown_errors(points: Sequence[Point], tested: Sequence[RetrainedPoint]) -> list[float]:
    """Errors in percent that the axis must reach: intervals up to half the lowest and twice the highest error."""
    errors = [100 * point.error for point in points] + [each.error for each in tested]
    low, high = min(errors) / 2, max(errors) * 2
    return [*errors, *(max(low, each.low) for each in tested), *(min(high, each.high) for each in tested)]
