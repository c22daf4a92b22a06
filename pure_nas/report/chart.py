"""A chart, described once: `plotly_chart` draws it on a page, `matplotlib_chart` on paper.

Sizes are pixels on a page; on paper everything is smaller in the same proportions. Colours are roles of
`pure_nas.report.palette`, and texts are plain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Span = tuple[float, float]
"""From the lower to the higher value."""
Dash = Literal["solid", "dash", "dot", "dashdot", "longdash", "2px,6px"]


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
        """The value at a place."""
        return 10**place if self.log else place


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
    end: str = ""  # what stands at the end of its line, see `pure_nas.report.chart_layout.with_line_ends`
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
        """The colour of its texts."""
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
        """The entries of its legend."""
        return [series.name for series in self.series if series.name]


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
        """A line of the network; `more` are further attributes of the series."""
        line = Line(self.dash, width)
        return Series(x=x, y=y, role=self.role, name=self.name, line=line, opacity=self.opacity, end=self.end, **more)
