"""The interactive plots of the page. Texts are escaped, because Plotly reads a subset of HTML."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from html import escape

from pure_nas.quantities import cost_label, show_cost, show_number, show_percent
from pure_nas.report.curve_looks import CurveLook, curve_looks
from pure_nas.report.data import Curve, Point, ReportData
from pure_nas.report.marks import labelled
from pure_nas.report.palette import style_of
from pure_nas.report.plotly_figure import Figure, LineEnd, cost_scale, epoch_axis, error_scale, figure, label_ends
from pure_nas.report.retrained_plot import retrained_plot
from pure_nas.report.retrained_points import RetrainedPoint, error_title, retrained_points, shown_errors

HOVER_WIDTH = 58
"""Characters."""


def all_plots(data: ReportData) -> dict[str, Figure]:
    """Every plot that the run has data for, by the id of the element that it fills."""
    plots: dict[str, Figure] = {}
    if data.points:
        plots.update({f"front-{view.name}": front_plot(data, view.name) for view in data.costs})
        plots["share"] = share_plot(data)
        plots["hypervolume"] = hypervolume_plot(data)
    if data.curves:
        plots["curves"] = curves_plot(data)
    if data.retraining and data.retraining.rows:
        plots["retrained"] = retrained_plot(data, data.retraining)
    return plots


def front_plot(data: ReportData, cost: str) -> Figure:
    """Error over one cost: every complete trial, the baselines, the front as a step line."""
    points = _point_traces(data, lambda point: point.costs[cost])
    tested = retrained_points(data.points)
    crosses = [_retrained(tested, cost)] if tested else []
    traces = [_front_line(data, cost), *points, *crosses, _rings(data, cost), _highlight()]
    costs = [point.costs[cost] for point in data.points]
    return figure(
        traces,
        {"title": {"text": cost_label(cost)}, **cost_scale(costs, cost)},
        {"title": {"text": error_title(tested)}, **error_scale(shown_errors(data.points, tested))},
    )


def share_plot(data: ReportData) -> Figure:
    """Error over the share of product layers: every complete trial."""
    traces = _point_traces(data, lambda point: 100 * point.product_share)
    x_axis = {"title": {"text": "product layers"}, "ticksuffix": " %", "range": [-6, 106], "dtick": 25}
    errors = [100 * point.error for point in data.points]
    return figure(traces, x_axis, {"title": {"text": "validation error"}, **error_scale(errors)})


def _front_line(data: ReportData, cost: str) -> Figure:
    line = next(view.line for view in data.costs if view.name == cost)
    worst, dearest = max(point.error for point in data.points), max(point.costs[cost] for point in data.points)
    costs = [value for value, _ in line]
    errors = [error for _, error in line]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [costs[0], *costs, dearest * 1.5],
        "y": [150 * worst, *(100 * error for error in errors), 100 * errors[-1]],
        "line": {"shape": "hv", "color": "@ink", "width": 1.75},
        "hoverinfo": "skip",
    }


def _point_traces(data: ReportData, x_of: Callable[[Point], float]) -> list[Figure]:
    labels = sorted({point.kind_label for point in data.points}, key=lambda label: (" baseline" in label, label))
    return [_points(label, [p for p in data.points if p.kind_label == label], x_of) for label in labels]


def _points(label: str, points: list[Point], x_of: Callable[[Point], float]) -> Figure:
    style = style_of(points[0].kind)
    if points[0].baseline:
        symbol: Figure = {"symbol": f"{style.symbol}-open", "size": 12, "line": {"width": 2.5}}
    else:
        sizes = [9.5 if point.on_front else 7.5 for point in points]
        opacities = [1.0 if point.on_front else 0.5 for point in points]
        symbol = {"symbol": style.symbol, "size": sizes, "opacity": opacities, "line": {"width": 0}}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(label),
        "x": [x_of(point) for point in points],
        "y": [100 * point.error for point in points],
        "marker": {**symbol, "color": f"@{style.role}"},
        "customdata": [[point.number, _hover(point)] for point in points],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }


def _retrained(tested: Sequence[RetrainedPoint], cost: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "retrained: test error",
        "x": [each.point.costs[cost] for each in tested],
        "y": [each.error for each in tested],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [each.high - each.error for each in tested],
            "arrayminus": [each.error - each.low for each in tested],
            "thickness": 1.5,
            "width": 4,
            "color": "@soft",
        },
        "marker": {"symbol": "x-thin", "size": 9, "color": "@soft", "line": {"width": 2, "color": "@soft"}},
        "customdata": [[each.point.number, each.text] for each in tested],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }


def _hover(point: Point) -> str:
    costs = (f"{cost_label(name)}: {show_cost(name, value)}" for name, value in point.costs.items())
    head = f"<b>trial {point.number}</b> · {escape(point.baseline or point.kind)}"
    params = (
        () if "params" in point.costs or math.isnan(point.params) else (f"parameters: {show_number(point.params)}",)
    )
    lines = (
        f"error {show_percent(point.error)}",
        *costs,
        *params,
        f"depth {point.depth}, width {point.base_width}",
        f"layers {escape(point.placement)}",
        *(escape(line) for text in point.recipe_text.split("; ") for line in textwrap.wrap(text, HOVER_WIDTH)),
    )
    return "<br>".join((head, *lines))


def _rings(data: ReportData, cost: str) -> Figure:
    front = [point for point in data.points if point.on_front]
    chosen = labelled([(point.costs[cost], point.error) for point in front])
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "on the front",
        "showlegend": False,
        "x": [point.costs[cost] for point in front],
        "y": [100 * point.error for point in front],
        "text": [str(point.number) if index in chosen else "" for index, point in enumerate(front)],
        "textposition": "bottom left",
        "cliponaxis": False,
        "textfont": {"size": 11, "color": "@soft"},
        "marker": {"symbol": "circle-open", "size": 17, "color": "@ink", "line": {"width": 1.25}},
        "hoverinfo": "skip",
    }


def _highlight() -> Figure:
    """Filled by the page's script with the trial that the pointer is on in the table."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "highlight",
        "showlegend": False,
        "x": [],
        "y": [],
        "marker": {"symbol": "circle-open", "size": 30, "color": "@ink", "line": {"width": 3}},
        "hoverinfo": "skip",
    }


def hypervolume_plot(data: ReportData) -> Figure:
    """Share of the reference box that the front dominates, after each complete trial."""
    numbers = [number for number, _ in data.hypervolume_history]
    shares = [share for _, share in data.hypervolume_history]
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(numbers) == 1 else "lines",
        "x": numbers,
        "y": shares,
        "line": {"shape": "hv", "color": "@ink", "width": 2},
        "hovertemplate": "after trial %{x}: %{y:.4f}<extra></extra>",
        "showlegend": False,
    }
    x_axis = {"title": {"text": "trial"}, "tickformat": "d", "range": [-0.5, numbers[-1] + 0.5]}
    plot = figure([trace], x_axis, {"title": {"text": "hypervolume"}})
    baselines = [point.number for point in data.points if point.baseline]
    if baselines and max(baselines) < numbers[-1]:
        plot["layout"]["shapes"] = [_band(-0.5, max(baselines) + 0.5)]
        plot["layout"]["annotations"] = [_band_label("baselines")]
    return plot


def _band(start: float, end: float) -> Figure:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": start,
        "x1": end,
        "y0": 0,
        "y1": 1,
        "fillcolor": "@line",
        "opacity": 0.45,
        "line": {"width": 0},
        "layer": "below",
    }


def _band_label(text: str) -> Figure:
    place = {"xref": "x", "yref": "paper", "x": -0.5, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"size": 11, "color": "@soft"}}


def curves_plot(data: ReportData) -> Figure:
    """Validation error over epochs of the front and the baselines."""
    values = [100 * error for curve in data.curves for error in curve.errors if error is not None]
    y_axis = {"title": {"text": "validation error"}, **(error_scale(values) if values else {})}
    traces = [_curve(curve, look) for curve, look in zip(data.curves, curve_looks(data.curves), strict=True)]
    plot = figure(list(traces), epoch_axis(max(len(curve.epochs) for curve in data.curves)), y_axis)
    ends = [
        LineEnd(trace, curve.end[0], 100 * curve.end[1], str(curve.number))
        for trace, curve in zip(traces, data.curves, strict=True)
        if curve.end is not None
    ]
    return label_ends(plot, ends)


def _curve(curve: Curve, look: CurveLook) -> Figure:
    style = style_of(curve.kind)
    name = escape(curve.name)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "meta": curve.number,
        "x": list(curve.epochs),
        "y": [None if error is None else 100 * error for error in curve.errors],
        "opacity": look.opacity,
        "line": {"color": f"@{look.role}", "width": 1.5 if curve.baseline else 2.25, "dash": look.dash},
        "marker": {
            "symbol": style.symbol,
            "size": [0.0] * (len(curve.epochs) - 1) + [8.0],
            "opacity": 1,
            "color": f"@{style.role}",
        },
        "hovertemplate": f"trial {name}<br>epoch %{{x}}: %{{y:.2f}} %<extra></extra>",
    }
