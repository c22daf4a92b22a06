"""The interactive plots of what networks were judged by beside the error: noise and intensity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pure_nas.experiment.findings import Row
from pure_nas.experiment.judged import Judged
from pure_nas.report.experiment.looks import Look
from pure_nas.report.plotly_figure import Figure, figure

_PERCENT = {"ticksuffix": " %"}


def evaluation_plots(rows: Sequence[Row], looks: Mapping[str, Look]) -> dict[str, Figure]:
    """Every plot that there is something to draw for, by the id of the element that it fills."""
    judged = [(row, row.judged) for row in rows if row.judged]
    plots = {f"noise-{kind}": noise_plot(judged, looks, kind) for kind in noise_kinds(rows)}
    if any(each.intensity for _, each in judged):
        plots["intensity"] = intensity_plot(judged, looks, "accuracy")
        plots["features"] = intensity_plot(judged, looks, "cosine")
    return plots


def noise_kinds(rows: Sequence[Row]) -> list[str]:
    """The kinds of noise that networks were judged under."""
    return list(dict.fromkeys(kind for row in rows if row.judged for kind in row.judged.noise))


def noise_plot(judged: Sequence[tuple[Row, Judged]], looks: Mapping[str, Look], kind: str) -> Figure:
    """Accuracy over the levels of one kind of noise.

    They are drawn at equal distances, because they are chosen by ratios and 0 is among them.
    """
    traces = []
    texts: list[str] = []
    for row, each in judged:
        points = each.noise.get(kind, ())
        texts = ["none" if point.level == 0 else f"{point.level:g}" for point in points] or texts
        traces.append(
            _with_spread(
                row, looks[row.label], list(range(len(points))), [100 * point.accuracy.mean for point in points]
            )
        )
    x_axis = {"tickmode": "array", "tickvals": list(range(len(texts))), "ticktext": texts}
    plot = figure(
        traces,
        {**x_axis, "title": {"text": level_name(kind)}},
        {"title": {"text": "accuracy"}, "rangemode": "tozero", **_PERCENT},
    )
    plot["layout"]["showlegend"] = False
    return plot


def level_name(kind: str) -> str:
    """What the level of a kind of noise is."""
    from pure_nas.evaluation.noise import LEVEL_NAMES

    return next((name for known, name in LEVEL_NAMES.items() if known == kind), "level")


def _with_spread(row: Row, look: Look, xs: Sequence[float], ys: Sequence[float]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(row.label),
        "opacity": look.opacity,
        "x": list(xs),
        "y": list(ys),
        "line": {"color": f"@{look.role}", "width": 2, "dash": look.dash},
        "marker": {"symbol": look.style.symbol, "size": 7},
        "hovertemplate": f"{escape(row.label)}<br>%{{y:.2f}}<extra></extra>",
    }


def intensity_plot(judged: Sequence[tuple[Row, Judged]], looks: Mapping[str, Look], what: str) -> Figure:
    """Accuracy, or the cosine of the features, over what intensities are multiplied by."""
    traces = []
    factors: list[float] = []
    for row, each in judged:
        points = [point for point in each.intensity if what == "accuracy" or point.cosine is not None]
        factors = [point.factor for point in points] or factors
        values = [
            100 * point.accuracy.mean if what == "accuracy" else (point.cosine.mean if point.cosine else 0.0)
            for point in points
        ]
        traces.append(_with_spread(row, looks[row.label], [point.factor for point in points], values))
    x_axis = {
        "title": {"text": "intensity, multiplied by"},
        "type": "log",
        "tickmode": "array",
        "tickvals": factors,
        "ticktext": [f"{factor:g}" for factor in factors],
    }
    y_axis: dict[str, Any] = {"title": {"text": "accuracy"}, "rangemode": "tozero", **_PERCENT}
    plot = figure(traces, x_axis, y_axis if what == "accuracy" else {"title": {"text": "cosine of the features"}})
    plot["layout"]["showlegend"] = False
    return plot
