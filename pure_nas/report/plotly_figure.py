"""Plotly figures as plain dictionaries: their axes and their common look.

Colours are written as "@role" (see `pure_nas.report.palette`); the page's script puts in the colour of its
present scheme.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pure_nas.report import wording
from pure_nas.report.marks import axis_range, log_ticks

Figure = dict[str, Any]
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
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": "@ink"}},
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


def cost_scale(values: list[float], cost: str) -> Figure:
    """The axis of a cost: logarithmic where every value is positive."""
    if min(values) <= 0:
        return {"tickformat": "~s", "range": axis_range(values, log=False)}
    return _log_scale(values, lambda value: wording.cost(cost, value))


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
