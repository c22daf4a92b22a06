"""The figure of retrained networks beside their twins."""

from __future__ import annotations

from matplotlib.axes import Axes

from pure_nas.report.data import ReportData
from pure_nas.report.palette import LIGHT, style_of
from pure_nas.report.retraining import group_labels, side_by_side, variant_kind
from pure_nas.run.retrained import Retraining, Row


def draw_retrained(axes: Axes, data: ReportData, retraining: Retraining) -> None:
    """Test accuracy: every seed, mean and standard deviation."""
    kinds = {point.number: point.kind for point in data.points}
    for rows, places in side_by_side(retraining):
        _draw_variant(axes, rows, places, kinds)
    axes.set_xticks(range(len(retraining.groups)), group_labels(retraining))
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.set_ylabel("test accuracy")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, fontsize=7)


def _draw_variant(axes: Axes, rows: list[Row], places: list[float], kinds: dict[int, str]) -> None:
    variant = rows[0].variant
    style = style_of(variant_kind(rows[0], kinds))
    colour = LIGHT[style.role]
    axes.errorbar(
        places,
        [100 * row.mean for row in rows],
        yerr=[100 * row.std for row in rows],
        linestyle="none",
        marker=style.marker,
        markersize=8 if variant == "trial" else 6,
        markerfacecolor="white" if "same recipe" in variant else colour,
        color=colour,
        capsize=3,
        label="the trial itself" if variant == "trial" else variant,
    )
    for row, place in zip(rows, places, strict=True):
        accuracies = [100 * accuracy for accuracy in row.test_accuracy]
        axes.scatter([place + 0.035] * len(accuracies), accuracies, s=6, color=colour, alpha=0.6, linewidths=0)
