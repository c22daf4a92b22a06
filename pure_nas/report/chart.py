"""A chart, described once in pixels, roles and plain texts; `plotly_chart` and `matplotlib_chart` draw it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Span = tuple[float, float]  # from the lower to the higher value
Dash = Literal["solid", "dash", "dot", "dashdot", "longdash", "2px,6px"]

_MARGIN = 0.08
_LABEL_SPACING = 0.045  # share of an axis
_END_SPACING = 0.06  # of labels at the ends of lines, which stand right under each other
_BEFORE, _BEHIND = 0.02, 0.05
"""Room before the beginning of lines, and behind their ends for the strokes to their labels, as a share of the axis."""
_MANTISSAS: tuple[tuple[float, tuple[float, ...]], ...] = (  # up to how many decades which digits are ticks
    (0.25, tuple(1 + step / 4 for step in range(36))),
    (0.5, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)),
    (0.9, (1, 1.5, 2, 3, 4, 5, 7)),
    (1.6, (1, 2, 3, 5)),
    (3.0, (1, 2, 5)),
    (math.inf, (1,)),
)
_MOST_TICKS = 12


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis; its range, and its ticks with their texts, are automatic where they are None."""

    title: str = ""
    log: bool = False
    range: Span | None = None
    ticks: Mapping[float, str] | None = None
    numbers: Literal["plain", "percent", "share", "metric", "whole"] = "plain"  # how automatic ticks are written
    grid: bool = True
    zero: bool = False

    def place(self, value: float) -> float:
        """How far along the axis a value is: its decimal logarithm where the axis is logarithmic."""
        return math.log10(value) if self.log else value

    def value(self, place: float) -> float:
        return 10**place if self.log else place

    def around(self, values: Sequence[float]) -> Axis:
        """With limits that leave a margin around the values."""
        low, high = self.place(min(values)), self.place(max(values))
        margin = _MARGIN * (high - low or (0.5 if self.log else abs(high) or 1.0))
        return replace(self, range=(self.value(low - margin), self.value(high + margin)))

    def fitted(self, values: Sequence[float], text: Callable[[float], str]) -> Axis:
        """Around the values: logarithmic, with round ticks, where every value is positive."""
        found = replace(self, log=min(values) > 0).around(values)
        if not found.log or found.range is None:
            return found
        return replace(found, ticks={tick: text(tick) for tick in _log_ticks(*found.range)})


@dataclass(frozen=True)
class Line:
    """What joins the values of a series; with `steps`, each value holds until the next."""

    dash: Dash = "solid"
    width: float = 2.0
    steps: bool = False


@dataclass(frozen=True)
class Mark:
    """What stands at each value of a series: one of Plotly's symbols, of one size or of one for each value."""

    shape: str
    size: float | Sequence[float] = 8.0
    hollow: bool = False
    edge: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values that are drawn in the same way."""

    x: Sequence[float]
    y: Sequence[float | None]
    role: str
    name: str = ""  # in the legend; a series without one is not in it
    group: str = ""  # the name of the series that it is shown and hidden with
    line: Line | None = None
    mark: Mark | None = None
    opacity: float | Sequence[float] = 1.0  # one for the whole series, or, without a line, one for each value
    bars: Sequence[Span | None] = ()  # an interval around each value
    bars_along: Literal["x", "y"] = "y"
    band: Sequence[Span] = ()  # an interval around each value, drawn as one area
    hover: Sequence[str] = ()  # what a page says of the value under the pointer; of several lines the first is a title
    texts: Sequence[str] = ()
    texts_at: Literal["below", "behind", "inside"] = "below"
    end: str = ""  # what stands at the end of its line, see `Chart.with_line_ends`
    row: int | Sequence[int] | None = None  # the row of the page's tables that singles it out, or that of each value
    clip: bool = True

    @property
    def reach(self) -> list[Span]:
        """How far each bar reaches below and above its value; not at all where there is none."""
        values = self.x if self.bars_along == "x" else self.y
        return [
            (value - bar[0], bar[1] - value) if bar and value is not None else (0.0, 0.0)
            for value, bar in zip(values, self.bars, strict=True)
        ]

    @property
    def text_role(self) -> str:
        return {"below": "soft", "behind": self.role, "inside": "on-unit"}[self.texts_at]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One pair of axes and what is drawn there, in this order; a page has headings in place of its title."""

    x: Axis
    y: Axis
    series: Sequence[Series]
    title: str = ""
    notes: Sequence[tuple[float, str]] = ()  # texts at the left, each at its value of the y-axis
    shaded: tuple[Span, str] | None = None  # a range of the x-axis and what it is
    legend: bool = True  # whether the page shows one in the chart
    frame: bool = True  # without one there are no axes, and marks are cells that fill their places; for figures only

    @property
    def names(self) -> list[str]:
        return [series.name for series in self.series if series.name]

    def with_line_ends(self) -> Chart:
        """The chart with a label at the end of each line, joined to it by a stroke, none over another."""
        ended = [series for series in self.series if series.end and any(y is not None for y in series.y)]
        ends = [max((x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None) for series in ended]
        places = [self.x.place(x) for series in self.series for x in series.x]
        first, last = min(places), max((self.x.place(x) for x, _ in ends), default=max(places))
        span = last - first or 1.0
        limits = self.x.value(first - _BEFORE * span), self.x.value(last + _BEHIND * span)
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
            for series, (x, y), height in zip(ended, ends, end_labels(self.y, [y for _, y in ends]), strict=True)
        ]
        return replace(self, series=(*self.series, *strokes), x=replace(self.x, range=limits))


@dataclass(frozen=True)
class Figure:
    """A file for papers: charts in rows of two, with the legend of the first below them all; its size in inches."""

    name: str
    charts: Sequence[Chart]
    size: tuple[float, float]
    legend: bool = True


@dataclass(frozen=True, kw_only=True)
class NetworkStyle:
    """How one network is drawn, the same in every chart of a report; `end` stands at the end of its lines."""

    role: str
    shape: str
    dash: Dash = "solid"
    opacity: float = 1.0
    name: str = ""
    end: str = ""

    def line(self, x: Sequence[float], y: Sequence[float | None], *, width: float = 2.0, **more: Any) -> Series:
        line = Line(self.dash, width)
        return Series(x=x, y=y, role=self.role, name=self.name, line=line, opacity=self.opacity, end=self.end, **more)


def labelled(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of points (cost, error) whose labels do not run into each other, earlier points first."""
    chosen: dict[int, tuple[float, ...]] = {}
    for index, spot in enumerate(zip(*map(_spread, zip(*points, strict=True)), strict=True)):
        if all(math.dist(spot, other) > _LABEL_SPACING for other in chosen.values()):
            chosen[index] = spot
    return set(chosen)


def _spread(values: Sequence[float]) -> list[float]:
    """From 0 to 1, on a logarithmic scale, or a linear one if any is not positive."""
    axis = Axis(log=min(values) > 0)
    low, high = axis.place(min(values)), axis.place(max(values))
    return [(axis.place(value) - low) / (high - low or 1.0) for value in values]


def end_labels(axis: Axis, ends: Sequence[float]) -> list[float]:
    """Where the labels of lines that end at these values go, so that they do not run into each other."""
    if not ends or axis.range is None:  # it has one where there are any
        return []
    low, high = map(axis.place, axis.range)
    places = np.array([(axis.place(end) - low) / (high - low) for end in ends])
    order = np.argsort(ends, kind="stable")
    # What is left of each place once those below it have theirs never falls, so that every gap is wide enough.
    below = min(_END_SPACING, 1 / len(ends)) * np.arange(len(ends))
    places[order] = np.maximum.accumulate(places[order] - below).clip(0, 1 - below[-1]) + below
    return [axis.value(low + float(place) * (high - low)) for place in places]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values, at least one, as many as a small plot has room for."""
    decades = math.log10(high / low)
    mantissas = next(chosen for widest, chosen in _MANTISSAS if decades <= widest)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{mantissa * 10.0**exponent:.3g}") for exponent in exponents for mantissa in mantissas]
    inside = [tick for tick in ticks if low <= tick <= high] or [float(f"{math.sqrt(low * high):.3g}")]
    return inside[:: math.ceil(len(inside) / _MOST_TICKS)]
