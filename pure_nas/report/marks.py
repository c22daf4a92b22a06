"""Where labels and axes go, for every way of drawing the front."""

from __future__ import annotations

import math
from collections.abc import Sequence

MARGIN = 0.08
LABEL_SPACING = 0.045
"""Share of an axis."""
_END_SPACING = 0.06
"""Of labels at the ends of lines, which stand right under each other."""
_BEFORE, _BEHIND = 0.02, 0.05
"""Room before the beginning of lines, and behind their ends for the strokes to their labels, as a share of the axis."""
_MANTISSAS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.25, tuple(1 + step / 4 for step in range(36))),
    (0.5, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)),
    (0.9, (1, 1.5, 2, 3, 4, 5, 7)),
    (1.6, (1, 2, 3, 5)),
    (3.0, (1, 2, 5)),
    (math.inf, (1,)),
)
"""Up to how many decades which digits are ticks."""


def axis_range(values: Sequence[float], *, log: bool) -> list[float]:
    """Limits that leave a margin around the values; decimal logarithms where the axis is logarithmic."""
    scaled = [math.log10(value) if log else value for value in values]
    low, high = min(scaled), max(scaled)
    span = high - low or (0.5 if log else abs(high) or 1.0)
    return [low - MARGIN * span, high + MARGIN * span]


def labelled(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of points whose labels do not run into each other, earlier points first.

    Args:
        points: (cost, error).
    """
    chosen: list[int] = []
    spots = list(zip(_spread([cost for cost, _ in points]), _spread([error for _, error in points]), strict=True))
    for index, spot in enumerate(spots):
        if all(math.dist(spot, spots[other]) > LABEL_SPACING for other in chosen):
            chosen.append(index)
    return set(chosen)


def end_labels(ends: Sequence[float], limits: Sequence[float], *, log: bool) -> list[float]:
    """Where the labels of lines that end at these values go, so that they do not run into each other.

    Args:
        limits: of the axis, as `axis_range` gives them.
    """
    low, high = limits
    places = [((math.log10(end) if log else end) - low) / (high - low) for end in ends]
    order = sorted(range(len(places)), key=lambda index: places[index])
    gap = min(_END_SPACING, 1 / max(len(places), 1))
    floor = 0.0
    for index in order:
        places[index] = floor = max(places[index], floor)
        floor += gap
    ceiling = 1.0
    for index in reversed(order):
        places[index] = ceiling = min(places[index], ceiling)
        ceiling -= gap
    scaled = [low + place * (high - low) for place in places]
    return [10**value if log else value for value in scaled]


def line_room(firsts: Sequence[float], lasts: Sequence[float], *, log: bool) -> tuple[float, float]:
    """Limits of the x-axis around lines that begin and end there; the labels of their ends go at the upper one."""
    first, last = ((math.log10(value) if log else value) for value in (min(firsts), max(lasts)))
    span = last - first or 1.0
    low, place = first - _BEFORE * span, last + _BEHIND * span
    if log:
        low, place = 10**low, 10**place
    return low, place


def _spread(values: Sequence[float]) -> list[float]:
    """Values on a logarithmic scale (a linear one if any is not positive), from 0 to 1."""
    if not values:
        return []
    scaled = [math.log10(value) for value in values] if min(values) > 0 else list(values)
    low, high = min(scaled), max(scaled)
    return [(value - low) / (high - low or 1.0) for value in scaled]


_MOST_TICKS = 12


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between two limits of a logarithmic axis, at least one, as many as a small plot has room for."""
    decades = math.log10(high / low)
    mantissas = next(chosen for widest, chosen in _MANTISSAS if decades <= widest)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{mantissa * 10.0**exponent:.3g}") for exponent in exponents for mantissa in mantissas]
    inside = [tick for tick in ticks if low <= tick <= high] or [float(f"{math.sqrt(low * high):.3g}")]
    return inside[:: math.ceil(len(inside) / _MOST_TICKS)]
