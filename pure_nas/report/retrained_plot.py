"""The interactive plot of retrained networks beside their twins."""

from __future__ import annotations

from html import escape

from pure_nas.report.data import ReportData
from pure_nas.report.palette import Style, style_of
from pure_nas.report.plotly_figure import Figure, figure
from pure_nas.report.retraining import group_labels, seeds_text, side_by_side, variant_kind
from pure_nas.run.retrained import Retraining, Row


def retrained_plot(data: ReportData, retraining: Retraining) -> Figure:
    """Test accuracy of retrained networks beside their twins: every seed, mean and standard deviation."""
    kinds = {point.number: point.kind for point in data.points}
    traces = []
    for rows, places in side_by_side(retraining):
        style = style_of(variant_kind(rows[0], kinds))
        traces += [_means(rows, places, style), _seeds(rows, places, style)]
    ticks = {"tickvals": list(range(len(retraining.groups))), "ticktext": group_labels(retraining)}
    return figure(traces, {**ticks, "showgrid": False}, {"title": {"text": "test accuracy"}, "ticksuffix": " %"})


def _means(rows: list[Row], places: list[float], style: Style) -> Figure:
    variant = rows[0].variant
    own, same = variant == "trial", "same recipe" in variant
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "the trial itself" if own else escape(variant),
        "x": places,
        "y": [100 * row.mean if row.test_accuracy else None for row in rows],
        "error_y": {"type": "data", "array": [100 * row.std for row in rows], "thickness": 1.5, "width": 5},
        "marker": {
            "symbol": f"{style.symbol}-open" if same else style.symbol,
            "size": 14 if own else 11,
            "color": f"@{style.role}",
            "line": {"width": 2 if same else 0},
        },
        "hovertemplate": [f"{escape(variant)}<br>{seeds_text(row)}<extra></extra>" for row in rows],
    }


def _seeds(rows: list[Row], places: list[float], style: Style) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [place + 0.035 for row, place in zip(rows, places, strict=True) for _ in row.test_accuracy],
        "y": [100 * accuracy for row in rows for accuracy in row.test_accuracy],
        "marker": {"symbol": style.symbol, "size": 5, "opacity": 0.6, "color": f"@{style.role}"},
        "hovertemplate": "one seed: %{y:.2f} %<extra></extra>",
    }
