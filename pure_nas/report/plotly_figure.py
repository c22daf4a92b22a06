"""Plotly figures as plain dictionaries: their axes and their common look.

Colours are written as "@role" (see `pure_nas.report.palette`); the page's script puts in the colour of its
present scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.quantities import show_cost
from pure_nas.report.marks import axis_range, end_labels, line_room, log_ticks

Figure = dict[str, Any]
_MOST_EPOCH_TICKS = 12
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def figure(traces: list[Figure], x_axis: Figure, y_axis: Figure) -> Figure:
    """Traces in the common look; axes override it."""
    axis = {
        "gridcolor": "@line",
        "zeroline": False,
        "linecolor": "@line",
        "tickcolor": "@line",
        "ticks": "outside",
        "automargin": True,
    }
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": "@soft"},
        "margin": {"l": 60, "r": 16, "t": 16, "b": 48},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "tracegroupgap": 0,
            "font": {"color": "@ink"},
        },
        "hoverlabel": {
            "bgcolor": "@card",
            "bordercolor": "@soft",
            "align": "left",
            "font": {"family": FONT, "color": "@ink"},
        },
        "hovermode": "closest",
        "uirevision": "keep",
        "xaxis": {**axis, "tickangle": 0, **x_axis},
        "yaxis": {**axis, **y_axis},
    }
    return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class LineEnd:
    """The end of a line and what stands there.

    Attributes:
        trace: the line.
        text: HTML.
    """

    trace: Figure
    x: float
    y: float
    text: str


def label_ends(plot: Figure, ends: Sequence[LineEnd]) -> Figure:
    """`plot` with a label at the end of each line, joined to it by a stroke; both go and fade with their line.

    The y-axis of the plot has a range.
    """
    if not ends:
        return plot
    x_axis, y_axis = plot["layout"]["xaxis"], plot["layout"]["yaxis"]
    heights = end_labels([end.y for end in ends], y_axis["range"], log=y_axis.get("type") == "log")
    log = x_axis.get("type") == "log"
    limits = line_room([end.trace["x"][0] for end in ends], [end.x for end in ends], log=log)
    for end, height in zip(ends, heights, strict=True):
        end.trace["legendgroup"] = end.trace["name"]
        plot["data"].append(_end_label(end, limits[1], height))
    x_axis["range"] = [math.log10(limit) for limit in limits] if log else list(limits)
    plot["layout"]["margin"]["r"] = 12 + 7 * max(len(end.text) for end in ends)
    return plot


def _end_label(end: LineEnd, place: float, height: float) -> Figure:
    colour = end.trace["line"]["color"]
    return {
        "type": "scatter",
        "mode": "lines+text",
        "name": f"end of {end.trace['name']}",
        "legendgroup": end.trace["legendgroup"],
        "meta": end.trace.get("meta"),
        "showlegend": False,
        "hoverinfo": "skip",
        "cliponaxis": False,
        "x": [end.x, place],
        "y": [end.y, height],
        "text": ["", end.text],
        "textposition": "middle right",
        "textfont": {"size": 11, "color": colour},
        "line": {"color": colour, "width": 0.75, "dash": "dot"},
    }


def epoch_axis(longest: int) -> Figure:
    """The axis of learning curves, the longest of so many epochs: ticks at whole epochs."""
    return {"title": {"text": "epoch"}, "tickformat": "d", **({"dtick": 1} if longest <= _MOST_EPOCH_TICKS else {})}


def cost_scale(values: list[float], cost: str) -> Figure:
    """The axis of a cost: logarithmic where every value is positive."""
    if min(values) <= 0:
        return {"tickformat": "~s", "range": axis_range(values, log=False)}
    return _log_scale(values, lambda value: show_cost(cost, value))


def error_scale(values: list[float]) -> Figure:
    """The axis of an error in percent: logarithmic where every value is positive."""
    if min(values) <= 0:
        return {"ticksuffix": " %", "range": axis_range(values, log=False)}
    return {**_log_scale(values, lambda value: f"{value:g} %"), "ticksuffix": " %"}


def _log_scale(values: list[float], text: Callable[[float], str]) -> Figure:
    low, high = axis_range(values, log=True)
    ticks = log_ticks(10**low, 10**high)
    return {
        "type": "log",
        "range": [low, high],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [text(tick) for tick in ticks],
        "tickformat": "~s",
    }
