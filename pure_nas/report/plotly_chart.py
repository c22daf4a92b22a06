"""Charts as Plotly's dictionaries, for pages.

Colours are written as "@role"; the page's script puts in those of its present scheme. Texts are escaped, because
Plotly reads a subset of HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from pure_nas.report.chart import Axis, Chart, Mark, Series
from pure_nas.report.palette import asset

_NUMBERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "percent": {"ticksuffix": " %"},
    "share": {"tickformat": "~%"},
    "metric": {"tickformat": "~s"},
    "whole": {"tickformat": "d"},
}
_LOOK: dict[str, Any] = json.loads(asset("plotly.json"))
_MOST_WHOLE_TICKS = 12
_TEXT_PLACES = {"below": "bottom left", "behind": "middle right", "inside": "middle center"}
_CHARACTER = 7  # pixels of a label at the end of a line


def plotly_chart(chart: Chart) -> dict[str, Any]:
    """The chart as Plotly reads it."""
    notes = [_text(text, xref="paper", x=0.01, y=height) for height, text in chart.notes]
    shapes = []
    if chart.shaded:
        (start, end), text = chart.shaded
        notes.append(_text(text, yref="paper", x=start, y=1, yanchor="bottom", size=11))
        place = {"xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1}
        look = {"fillcolor": "@line", "opacity": 0.45, "line": {"width": 0}, "layer": "below"}
        shapes.append({**place, "type": "rect", **look})
    ends = [len(text) for series in chart.series if series.texts_at == "behind" for text in series.texts]
    layout = {
        **_LOOK["layout"],
        "margin": {"l": 60, "r": 12 + _CHARACTER * max(ends) if ends else 16, "t": 16, "b": 48},
        "showlegend": chart.legend,
        "xaxis": {**_axis(chart.x), "tickangle": 0},
        "yaxis": _axis(chart.y),
        "annotations": notes,
        "shapes": shapes,
    }
    return {"data": [trace for series in chart.series for trace in _traces(series)], "layout": layout}


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {
        **_LOOK["axis"],
        "showgrid": axis.grid,
        "zeroline": axis.zero,
        "automargin": True,
        **_NUMBERS[axis.numbers],
    }
    if axis.title:  # an empty one takes room
        found["title"] = {"text": escape(axis.title)}
    if axis.log:
        found["type"] = "log"
    if axis.range:
        found["range"] = [axis.place(limit) for limit in axis.range]
        if axis.numbers == "whole" and axis.range[1] - axis.range[0] <= _MOST_WHOLE_TICKS:
            found["dtick"] = 1
    if axis.ticks is not None:
        found |= {"tickmode": "array", "tickvals": list(axis.ticks), "ticktext": list(map(escape, axis.ticks.values()))}
    return found


def _text(text: str, *, size: int = 13, **place: Any) -> dict[str, Any]:
    font = {"size": size, "color": "@soft"}
    return {"text": escape(text), "xanchor": "left", "showarrow": False, "font": font, **place}


def _traces(series: Series) -> Iterator[dict[str, Any]]:
    colour = f"@{series.role}"
    group = escape(series.group or series.name)
    shared: dict[str, Any] = {"type": "scatter", "hoverinfo": "skip", "legendgroup": group}
    if isinstance(series.row, int):
        shared["meta"] = series.row
    if series.band:
        yield {
            **shared,
            "mode": "none",
            "fill": "toself",
            "fillcolor": f"{colour}-band",
            "showlegend": False,
            "x": [*series.x, *reversed(series.x)],
            "y": [high for _, high in series.band] + [low for low, _ in reversed(series.band)],
        }
    parts = {"lines": series.line, "markers": series.mark, "text": series.texts}
    trace: dict[str, Any] = {
        **shared,
        "mode": "+".join(name for name, part in parts.items() if part),
        "name": escape(series.name),
        "showlegend": bool(series.name),
        "x": list(series.x),
        "y": list(series.y),
        "cliponaxis": series.clip,
    }
    if series.line:
        shape = "hv" if series.line.steps else "linear"
        trace["line"] = {"color": colour, "width": series.line.width, "dash": series.line.dash, "shape": shape}
    if series.mark:
        trace["marker"] = _marker(series.mark, colour)
    if isinstance(series.opacity, float):
        trace["opacity"] = series.opacity
    else:
        trace["marker"]["opacity"] = list(series.opacity)
    if series.bars:
        below, above = zip(*series.reach, strict=True)
        look = {"thickness": 1.5, "width": 5, "color": colour}
        trace[f"error_{series.bars_along}"] = {"type": "data", "arrayminus": below, "array": above, **look}
    if series.hover:
        trace |= {"hoverinfo": "text", "hovertext": list(map(_hover, series.hover))}
    if series.texts:
        font = {"size": 11, "color": f"@{series.text_role}"}
        trace |= {"text": list(map(escape, series.texts)), "textfont": font}
        trace["textposition"] = _TEXT_PLACES[series.texts_at]
    if series.row is not None and not isinstance(series.row, int):
        trace["customdata"] = [[row] for row in series.row]
    yield trace


def _marker(mark: Mark, colour: str) -> dict[str, Any]:
    return {
        "symbol": f"{mark.shape}-open" if mark.hollow else mark.shape,
        "size": mark.size if isinstance(mark.size, float | int) else list(mark.size),
        "opacity": 1,
        "color": colour,
        "line": {"width": mark.edge if mark.hollow else 0},
    }


def _hover(text: str) -> str:
    title, *lines = map(escape, text.split("\n"))
    return "<br>".join((f"<b>{title}</b>" if lines else title, *lines))
