"""Where the axes of a chart begin and end, and where its labels go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pure_nas.report.chart import Axis, Chart, Line, Series

_MARGIN = 0.08
_LABEL_SPACING = 0.045
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


def around(axis: Axis, values: Sequence[float]) -> Axis:
    """The axis with limits that leave a margin around the values."""
    low, high = axis.place(min(values)), axis.place(max(values))
    margin = _MARGIN * (high - low or (0.5 if axis.log else abs(high) or 1.0))
    return replace(axis, range=(axis.value(low - margin), axis.value(high + margin)))


def fitted(axis: Axis, values: Sequence[float], text: Callable[[float], str]) -> Axis:
    """The axis around the values: logarithmic, with round ticks, where every value is positive."""
    found = around(replace(axis, log=min(values) > 0), values)
    if not found.log or found.range is None:
        return found
    return replace(found, ticks={tick: text(tick) for tick in _log_ticks(*found.range)})


def labelled(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of points (cost, error) whose labels do not run into each other, earlier points first."""
    chosen: dict[int, tuple[float, ...]] = {}
    for index, spot in enumerate(zip(*map(_spread, zip(*points, strict=True)), strict=True)):
        if all(math.dist(spot, other) > _LABEL_SPACING for other in chosen.values()):
            chosen[index] = spot
    return set(chosen)


def _spread(values: Sequence[float]) -> list[float]:
    """Values on a logarithmic scale (a linear one if any is not positive), from 0 to 1."""
    axis = Axis(log=min(values) > 0)
    low, high = axis.place(min(values)), axis.place(max(values))
    return [(axis.place(value) - low) / (high - low or 1.0) for value in values]


def with_line_ends(chart: Chart) -> Chart:
    """The chart with a label at the end of each line, joined to it by a stroke, none over another."""
    ended = [series for series in chart.series if series.end and any(y is not None for y in series.y)]
    ends = [max((x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None) for series in ended]
    places = [chart.x.place(x) for series in chart.series for x in series.x]
    first, last = min(places), max((chart.x.place(x) for x, _ in ends), default=max(places))
    span = last - first or 1.0
    limits = chart.x.value(first - _BEFORE * span), chart.x.value(last + _BEHIND * span)
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
        for series, (x, y), height in zip(ended, ends, end_labels(chart.y, [y for _, y in ends]), strict=True)
    ]
    return replace(chart, series=(*chart.series, *strokes), x=replace(chart.x, range=limits))


def end_labels(axis: Axis, ends: Sequence[float]) -> list[float]:
    """Where the labels of lines that end at these values go, so that they do not run into each other.

    The axis has a range where there are any.
    """
    if not ends or axis.range is None:
        return []
    low, high = map(axis.place, axis.range)
    places = np.array([(axis.place(end) - low) / (high - low) for end in ends])
    order = np.argsort(ends, kind="stable")
    # What is left of each place once those below it have theirs never falls, so that every gap is wide enough.
    below = min(_END_SPACING, 1 / len(ends)) * np.arange(len(ends))
    places[order] = np.maximum.accumulate(places[order] - below).clip(0, 1 - below[-1]) + below
    return [axis.value(low + float(place) * (high - low)) for place in places]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values between two limits of a logarithmic axis, at least one, as many as a small plot has room for."""
    decades = math.log10(high / low)
    mantissas = next(chosen for widest, chosen in _MANTISSAS if decades <= widest)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{mantissa * 10.0**exponent:.3g}") for exponent in exponents for mantissa in mantissas]
    inside = [tick for tick in ticks if low <= tick <= high] or [float(f"{math.sqrt(low * high):.3g}")]
    return inside[:: math.ceil(len(inside) / _MOST_TICKS)]
