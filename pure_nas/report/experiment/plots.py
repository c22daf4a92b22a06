"""The interactive plots of an experiment's page. Texts are escaped, because Plotly reads a subset of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pure_nas.findings.findings import Findings
from pure_nas.findings.rows import CurvePoint, Row
from pure_nas.report.experiment.convergence_lines import convergence_lines
from pure_nas.report.experiment.evaluation_plots import evaluation_plots, line_ends
from pure_nas.report.experiment.interval_plots import accuracy_plot, differences_plot
from pure_nas.report.experiment.looks import Look, joined, looks_of
from pure_nas.report.experiment.marks_text import hover
from pure_nas.report.marks import axis_range
from pure_nas.report.plotly_figure import Figure, epoch_axis, figure, label_ends

AXIS_NAMES = {
    "depth": "depth, weighted layers",
    "threshold_init": "θ at the start",
    "learning_rate": "learning rate",
}
_PERCENT = {"ticksuffix": " %"}
_MOST_TICKS = 12
_LOG_SPAN = 6.0
"""How many times the smallest value the largest is from which an axis of positive numbers is logarithmic."""


def all_plots(findings: Findings, split: str) -> dict[str, Figure]:
    """Every plot that there is something to draw for, by the id of the element that it fills."""
    rows, looks = findings.rows, looks_of(findings.rows)
    plots: dict[str, Figure] = {}
    if any(row.accuracies for row in rows):
        plots["accuracy"] = accuracy_plot(rows, looks, split)
    for axis in axes_of(rows):
        plots[f"over-{axis}"] = over_plot(rows, looks, axis, split)
    compared = findings.compared_by("accuracy")
    if any(each.difference is not None for each in compared):
        plots["differences"] = differences_plot(compared, looks)
    if any(row.curve for row in rows):
        plots["curves"] = curves_plot(findings, looks)
    if convergence_lines(rows):
        plots["convergence"] = convergence_plot(findings, looks)
    return plots | evaluation_plots(rows, looks)


def axes_of(rows: Sequence[Row]) -> list[str]:
    """The numbers that a group of networks varies and that some accuracy is known of."""
    return list(dict.fromkeys(group[0].axis for group in joined(rows) if any(row.accuracies for row in group)))


def is_log(values: Sequence[float]) -> bool:
    """Whether an axis of these values is logarithmic."""
    return min(values) > 0 and max(values) / min(values) >= _LOG_SPAN


def over_plot(rows: Sequence[Row], looks: Mapping[str, Look], axis: str, split: str) -> Figure:
    """Accuracy over the number that groups of networks vary; networks without such a number as level lines."""
    groups = [group for group in joined(rows) if group[0].axis == axis]
    places = [row.place for group in groups for row in group if row.place is not None]
    traces: list[Figure] = []
    for group in groups:
        look = looks[group[-1].label]
        known = [row for row in group if row.mean is not None]
        traces += [_joined_means(known, look, group[0].series)]
    inside = {row.label for group in groups for row in group}
    for row in rows:
        if row.label not in inside and not row.axis and row.mean is not None:
            traces.append(_level(row, looks[row.label], min(places), max(places)))
    x_axis: dict[str, Any] = {"title": {"text": AXIS_NAMES.get(axis, axis.replace("_", " "))}}
    ticks = sorted(set(places))
    if is_log(places):
        x_axis["type"] = "log"
    if is_log(places) or len(ticks) <= _MOST_TICKS:
        x_axis |= {"tickmode": "array", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return figure(traces, x_axis, {"title": {"text": f"{split} accuracy"}, **_PERCENT})


def _joined_means(rows: Sequence[Row], look: Look, name: str) -> Figure:
    means = [100 * (row.mean or 0.0) for row in rows]
    highs = [100 * (max(row.accuracies) - (row.mean or 0.0)) for row in rows]
    lows = [100 * ((row.mean or 0.0) - min(row.accuracies)) for row in rows]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(name),
        "x": [row.place for row in rows],
        "y": means,
        "error_y": {"type": "data", "array": highs, "arrayminus": lows, "thickness": 1.25, "width": 4},
        "line": {"color": f"@{look.role}", "width": 2, "dash": look.dash},
        "marker": {"symbol": look.style.symbol, "size": 9, "color": f"@{look.role}"},
        "hovertemplate": [f"{hover(row)}<extra></extra>" for row in rows],
    }


def _level(row: Row, look: Look, start: float, end: float) -> Figure:
    assert row.mean is not None
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escape(row.label),
        "x": [start, end],
        "y": [100 * row.mean] * 2,
        "line": {"color": f"@{look.role}", "width": 1.75, "dash": "dot"},
        "hovertemplate": f"{hover(row)}<extra></extra>",
    }


def curves_plot(findings: Findings, looks: Mapping[str, Look]) -> Figure:
    """Accuracy over epochs: mean, and a band from the lowest seed to the highest."""
    traces: list[Figure] = []
    for index, row in enumerate(findings.rows):
        if row.curve:
            look = looks[row.label]
            traces += [_band(row.curve, look, index), _curve(row, look, index)]
    longest = max(len(row.curve) for row in findings.rows)
    values = [100 * value for row in findings.rows for point in row.curve for value in (point.low, point.high)]
    y_axis = {"title": {"text": f"{findings.curve_kind} accuracy"}, **_PERCENT, "range": axis_range(values, log=False)}
    return label_ends(figure(traces, epoch_axis(longest), y_axis), line_ends(traces, looks))


def _band(curve: Sequence[CurvePoint], look: Look, index: int) -> Figure:
    epochs = [point.epoch for point in curve]
    return {
        "type": "scatter",
        "mode": "none",
        "fill": "toself",
        "fillcolor": f"@{look.role}-band",
        "meta": index,
        "showlegend": False,
        "hoverinfo": "skip",
        "x": epochs + epochs[::-1],
        "y": [100 * point.high for point in curve] + [100 * point.low for point in curve[::-1]],
    }


def _curve(row: Row, look: Look, index: int) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(row.curve) == 1 else "lines",
        "name": escape(look.name),
        "meta": index,
        "opacity": look.opacity,
        "x": [point.epoch for point in row.curve],
        "y": [100 * point.mean for point in row.curve],
        "line": {"color": f"@{look.role}", "width": 2, "dash": look.dash},
        "hovertemplate": f"{escape(row.label)}<br>epoch %{{x}}: %{{y:.2f}} %<extra></extra>",
    }


def convergence_plot(findings: Findings, looks: Mapping[str, Look]) -> Figure:
    """Epochs until each accuracy was first reached, by those networks that did with every seed."""
    traces: list[Figure] = []
    for line in convergence_lines(findings.rows):
        look, label = looks[line.row.label], escape(line.row.label)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": escape(look.name),
                "opacity": look.opacity,
                "x": [100 * target for target, _ in line.points],
                "y": [epochs for _, epochs in line.points],
                "line": {"color": f"@{look.role}", "width": 2 + line.wider, "dash": look.dash},
                "marker": {"symbol": look.style.symbol, "size": 8 + 2 * line.wider},
                "hovertemplate": f"{label}<br>%{{x:g}} % after %{{y:.1f}} epochs<extra></extra>",
            }
        )
    x_axis = {"title": {"text": f"{findings.curve_kind} accuracy to reach"}, **_PERCENT}
    highest = max(value for trace in traces for value in trace["y"])
    plot = figure(traces, x_axis, {"title": {"text": "epochs"}, "range": [0, 1.08 * highest]})
    return label_ends(plot, line_ends(traces, looks))
