"""Where the axes of a chart begin and end, and where its labels go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pure_nas.report.chart import Axis, Chart, Line, Series, Span

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
_MOST_TICKS = 12


def axis_range(values: Sequence[float], *, log: bool = False) -> Span:
    """Limits that leave a margin around the values."""
    scaled = [math.log10(value) if log else value for value in values]
    low, high = min(scaled), max(scaled)
    span = high - low or (0.5 if log else abs(high) or 1.0)
    low, high = low - MARGIN * span, high + MARGIN * span
    return (10**low, 10**high) if log else (low, high)


def fitted(axis: Axis, values: Sequence[float], text: Callable[[float], str]) -> Axis:
    """The axis around the values: logarithmic, with round ticks, where every value is positive."""
    if min(values) <= 0:
        return replace(axis, range=axis_range(values))
    limits = axis_range(values, log=True)
    return replace(axis, log=True, range=limits, ticks={tick: text(tick) for tick in _log_ticks(*limits)})


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


def with_line_ends(chart: Chart) -> Chart:
    """The chart with a label at the end of each line, joined to it by a stroke, none over another.

    The y-axis of the chart has a range.
    """
    ended = [series for series in chart.series if series.end and any(y is not None for y in series.y)]
    if not ended or chart.y.range is None:
        return chart
    ends = [max((x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None) for series in ended]
    heights = end_labels([y for _, y in ends], chart.y.range, log=chart.y.log)
    limits = line_room([min(series.x) for series in ended], [x for x, _ in ends], log=chart.x.log)
    strokes = [
        Series(
            x=(x, limits[1]),
            y=(y, height),
            role=series.role,
            group=series.name,
            line=Line("dot", 0.75),
            texts=("", series.end),
            texts_at="behind",
            row=series.row,
            clip=False,
        )
        for series, (x, y), height in zip(ended, ends, heights, strict=True)
    ]
    return replace(chart, series=(*chart.series, *strokes), x=replace(chart.x, range=limits))


def end_labels(ends: Sequence[float], limits: Span, *, log: bool) -> list[float]:
    """Where the labels of lines that end at these values of an axis go, so that they do not run into each other."""
    low, high = (math.log10(limit) if log else limit for limit in limits)
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


def line_room(firsts: Sequence[float], lasts: Sequence[float], *, log: bool = False) -> Span:
    """Limits of the x-axis around lines that begin and end there; the labels of their ends go at the upper one."""
    first, last = ((math.log10(value) if log else value) for value in (min(firsts), max(lasts)))
    span = last - first or 1.0
    low, high = first - _BEFORE * span, last + _BEHIND * span
    return (10**low, 10**high) if log else (low, high)


def _spread(values: Sequence[float]) -> list[float]:
    """Values on a logarithmic scale (a linear one if any is not positive), from 0 to 1."""
    if not values:
        return []
    scaled = [math.log10(value) for value in values] if min(values) > 0 else list(values)
    low, high = min(scaled), max(scaled)
    return [(value - low) / (high - low or 1.0) for value in scaled]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values between two limits of a logarithmic axis, at least one, as many as a small plot has room for."""
    decades = math.log10(high / low)
    mantissas = next(chosen for widest, chosen in _MANTISSAS if decades <= widest)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{mantissa * 10.0**exponent:.3g}") for exponent in exponents for mantissa in mantissas]
    inside = [tick for tick in ticks if low <= tick <= high] or [float(f"{math.sqrt(low * high):.3g}")]
    return inside[:: math.ceil(len(inside) / _MOST_TICKS)]
