"""The interactive plots of what networks were judged by beside the error: noise and intensity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pure_nas.findings.judged import Judged, Spread
from pure_nas.findings.rows import Row
from pure_nas.report.experiment.looks import Look
from pure_nas.report.marks import axis_range
from pure_nas.report.plotly_figure import Figure, LineEnd, figure, label_ends

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
    traces: list[Figure] = []
    texts: list[str] = []
    for row, each in judged:
        points = each.noise.get(kind, ())
        texts = ["none" if point.level == 0 else f"{point.level:g}" for point in points] or texts
        places = list(range(len(points)))
        traces += _with_spread(row, looks[row.label], places, [in_percent(point.accuracy) for point in points])
    x_axis = {"tickmode": "array", "tickvals": list(range(len(texts))), "ticktext": texts}
    plot = figure(
        traces,
        {**x_axis, "title": {"text": level_name(kind)}},
        {"title": {"text": "accuracy"}, **_PERCENT},
    )
    plot["layout"]["showlegend"] = False  # One legend stands above all such plots.
    highest = max((value for trace in traces for value in trace["y"]), default=100)
    plot["layout"]["yaxis"]["range"] = [0, 1.08 * highest or 1]
    return label_ends(plot, line_ends(traces, looks))


def line_ends(traces: Sequence[Figure], looks: Mapping[str, Look]) -> list[LineEnd]:
    """Where the lines among `traces` end, and what their looks put there."""
    texts = {escape(look.name): escape(look.end) for look in looks.values()}
    return [
        LineEnd(trace, trace["x"][-1], trace["y"][-1], texts[trace["name"]])
        for trace in traces
        if trace.get("name") in texts and trace["x"]
    ]


def level_name(kind: str) -> str:
    """What the level of a kind of noise is."""
    from pure_nas.evaluation.noise import LEVEL_NAMES

    return next((name for known, name in LEVEL_NAMES.items() if known == kind), "level")


def in_percent(share: Spread) -> Spread:
    """A share of 0 to 1 in percent."""
    return Spread(mean=100 * share.mean, low=100 * share.low, high=100 * share.high)


def _with_spread(row: Row, look: Look, xs: Sequence[float], ys: Sequence[Spread]) -> list[Figure]:
    """A band from the lowest seed to the highest, and a line of means."""
    band: Figure = {
        "type": "scatter",
        "mode": "none",
        "fill": "toself",
        "fillcolor": f"@{look.role}-band",
        "showlegend": False,
        "hoverinfo": "skip",
        "x": [*xs, *reversed(xs)],
        "y": [each.high for each in ys] + [each.low for each in reversed(ys)],
    }
    line: Figure = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(look.name),
        "opacity": look.opacity,
        "x": list(xs),
        "y": [each.mean for each in ys],
        "line": {"color": f"@{look.role}", "width": 2, "dash": look.dash},
        "marker": {"symbol": look.style.symbol, "size": 7},
        "customdata": [[each.low, each.high] for each in ys],
        "hovertemplate": f"{escape(row.label)}<br>%{{y:.2f}}, seeds from %{{customdata[0]:.2f}} to "
        "%{customdata[1]:.2f}<extra></extra>",
    }
    return [band, line]


def intensity_plot(judged: Sequence[tuple[Row, Judged]], looks: Mapping[str, Look], what: str) -> Figure:
    """Accuracy, or the cosine of the features, over what intensities are multiplied by."""
    traces: list[Figure] = []
    factors: list[float] = []
    for row, each in judged:
        found = [
            (point.factor, spread)
            for point in each.intensity
            if (spread := in_percent(point.accuracy) if what == "accuracy" else point.cosine) is not None
        ]
        if found:
            factors = [factor for factor, _ in found]
            traces += _with_spread(row, looks[row.label], factors, [spread for _, spread in found])
    x_axis = {
        "title": {"text": "intensity, multiplied by"},
        "type": "log",
        "tickmode": "array",
        "tickvals": factors,
        "ticktext": [f"{factor:g}" for factor in factors],
    }
    y_axis: dict[str, Any] = {"title": {"text": "accuracy"}, **_PERCENT}
    plot = figure(traces, x_axis, y_axis if what == "accuracy" else {"title": {"text": "cosine of the features"}})
    plot["layout"]["showlegend"] = False
    values = [value for trace in traces for value in trace["y"]]
    low, high = axis_range(values, log=False)
    plot["layout"]["yaxis"]["range"] = [0, high] if what == "accuracy" else [low, high]
    return label_ends(plot, line_ends(traces, looks))
