"""The lines of a plot of how fast networks learn, and which of them would hide another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.findings.rows import Row

_WIDEST = 9.0
"""How much thicker than usual a line is drawn at most, so that those above it leave its edges free."""
_STEP = 3.0


@dataclass(frozen=True)
class Line:
    """Epochs until each accuracy was first reached by one network.

    Attributes:
        points: accuracy to reach, 0 to 1, and mean epochs; only where every seed did.
        wider: how much thicker than usual it is drawn, so that lines above it that run just as it does do not hide it.
    """

    row: Row
    points: tuple[tuple[float, float], ...]
    wider: float


def convergence_lines(rows: Sequence[Row]) -> list[Line]:
    """The line of each network of which every seed reached something, in the order of drawing."""
    found = [(row, points) for row in rows if (points := _points(row))]
    above = [
        sum(set(points) <= set(other) for _, other in found[place + 1 :]) for place, (_, points) in enumerate(found)
    ]
    step = min(_STEP, _WIDEST / max([*above, 1]))
    return [Line(row, points, step * count) for (row, points), count in zip(found, above, strict=True)]


def _points(row: Row) -> tuple[tuple[float, float], ...]:
    return tuple((each.target, each.mean_epochs) for each in row.convergence if each.mean_epochs and not each.missed)
