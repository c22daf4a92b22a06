"""The interactive plots with a line a network or a comparison: values, intervals, and arrows where these go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from pure_nas.findings.comparisons import FEW_SEEDS, Comparison
from pure_nas.findings.rows import Row
from pure_nas.report.experiment.looks import Look
from pure_nas.report.experiment.marks_text import accuracy_text, compared_text, difference_text, hover
from pure_nas.report.plotly_figure import Figure, figure

Interval = tuple[float, float]
_ARROWS = ("triangle-left", "triangle-right")


def accuracy_limits(rows: Sequence[Row]) -> Interval:
    """Limits in percent around every seed and interval, but those of two seeds, which reach far beyond what can be."""
    values = [100 * value for row in rows for value in row.accuracies]
    intervals = [row.told for row in rows if row.told and len(row.accuracies) >= FEW_SEEDS]
    values += [100 * bound for interval in intervals for bound in interval]
    margin = 0.08 * (max(values) - min(values) or 1.0)
    return max(0.0, min(values) - margin), min(100.0, max(values) + margin)


def edges_beyond(interval: Interval, limits: Interval) -> tuple[float | None, float | None]:
    """The left and the right edge of a plot, where an interval goes on beyond it; None where it does not.

    Args:
        interval: 0 to 1.
        limits: of the plot, in percent.
    """
    return (
        limits[0] if 100 * interval[0] < limits[0] else None,
        limits[1] if 100 * interval[1] > limits[1] else None,
    )


def accuracy_plot(rows: Sequence[Row], looks: Mapping[str, Look], split: str) -> Figure:
    """A line a network: mean, 95 % interval and every seed; why there are none where there are none."""
    limits = accuracy_limits(rows)
    traces: list[Figure] = []
    arrows: list[Figure] = []
    for row in rows:
        if row.mean is None:
            continue
        look = looks[row.label]
        traces += [_seeds(row, look), _mean(row, look)]
        if row.told:
            arrows += _arrows(row.told, limits, escape(row.label), look)
    labels = [escape(row.label) for row in rows][::-1]
    lines = {"type": "category", "categoryorder": "array", "categoryarray": labels, "showgrid": False}
    plot = figure(
        traces + arrows,
        {"title": {"text": f"{split} accuracy"}, "ticksuffix": " %", "range": list(limits)},
        {**lines, "range": [-0.5, len(rows) - 0.5]},  # else lines without a mark are left out at the ends
    )
    plot["layout"]["annotations"] = [_why_empty(row) for row in rows if row.mean is None]
    return plot


def _why_empty(row: Row) -> Figure:
    place = {"xref": "paper", "x": 0.01, "xanchor": "left", "y": escape(row.label)}
    return {**place, "text": accuracy_text(row), "showarrow": False, "font": {"color": "@soft"}}


def _mean(row: Row, look: Look) -> Figure:
    assert row.mean is not None
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [100 * row.mean],
        "y": [escape(row.label)],
        **({"error_x": _error_bar(row.mean, row.told, look)} if row.told else {}),
        "marker": {"symbol": look.style.symbol, "size": 11, "color": f"@{look.role}", "line": {"width": 0}},
        "hovertemplate": f"{hover(row)}<extra></extra>",
    }


def _error_bar(mean: float, interval: Interval, look: Look) -> Figure:
    return {
        "type": "data",
        "array": [100 * (interval[1] - mean)],
        "arrayminus": [100 * (mean - interval[0])],
        "thickness": 1.5,
        "width": 5,
        "color": f"@{look.role}",
    }


def _seeds(row: Row, look: Look) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [100 * value for value in row.accuracies],
        "y": [escape(row.label)] * len(row.accuracies),
        "marker": {"symbol": "line-ns-open", "size": 9, "opacity": 0.7, "color": f"@{look.role}"},
        "hovertemplate": "one seed: %{x:.2f} %<extra></extra>",
    }


def _arrows(interval: Interval, limits: Interval, line: str, look: Look) -> Iterator[Figure]:
    """Marks at the edges that an interval goes on beyond."""
    for edge, symbol in zip(edges_beyond(interval, limits), _ARROWS, strict=True):
        if edge is not None:
            yield {
                "type": "scatter",
                "mode": "markers",
                "showlegend": False,
                "hoverinfo": "skip",
                "cliponaxis": False,
                "x": [edge],
                "y": [line],
                "marker": {"symbol": symbol, "size": 11, "color": f"@{look.role}"},
            }


def has_arrows(plot: Figure | None) -> bool:
    """Whether an interval of a plot goes on beyond its edge."""
    return plot is not None and any(trace["marker"].get("symbol") in _ARROWS for trace in plot["data"])


def differences_plot(comparisons: Sequence[Comparison], looks: Mapping[str, Look]) -> Figure:
    """A line a comparison: the difference and Welch's interval; filled where it is shown."""
    known = [each for each in comparisons if each.difference is not None]
    limits = _difference_limits(known)
    traces: list[Figure] = []
    for each in known:
        look, interval = looks[each.label], _interval(each)
        traces.append(_difference(each, look))
        if interval:
            traces += _arrows(interval, limits, escape(compared_text(each)), look)
    labels = [escape(compared_text(each)) for each in known]
    x_axis = {"title": {"text": "points of accuracy"}, "zeroline": True, "zerolinecolor": "@soft"}
    return figure(
        traces,
        {**x_axis, "range": list(limits)},
        {"type": "category", "categoryorder": "array", "categoryarray": labels[::-1], "showgrid": False},
    )


def _difference_limits(known: Sequence[Comparison]) -> Interval:
    """Zero in the middle; intervals that reach far beyond all differences are cut off."""
    values = [abs(100 * each.difference) for each in known if each.difference is not None]
    furthest = 2.5 * max([1.0, *values])
    inside = [min(furthest, 100 * abs(bound)) for each in known for bound in _interval(each) or ()]
    limit = 1.08 * max([*inside, *values, 0.5])
    return -limit, limit


def _interval(comparison: Comparison) -> Interval | None:
    if comparison.low is None or comparison.high is None:
        return None
    return comparison.low, comparison.high


def _difference(comparison: Comparison, look: Look) -> Figure:
    assert comparison.difference is not None
    text, interval = escape(compared_text(comparison)), _interval(comparison)
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [100 * comparison.difference],
        "y": [text],
        **({"error_x": _error_bar(comparison.difference, interval, look)} if interval else {}),
        "marker": {
            "symbol": look.style.symbol if comparison.shown else f"{look.style.symbol}-open",
            "size": 11,
            "color": f"@{look.role}",
        },
        "hovertemplate": f"<b>{text}</b><br>{escape(difference_text(comparison))}<extra></extra>",
    }
