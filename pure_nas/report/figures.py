"""Figures for papers: the front, placement, hypervolume and learning curves as PNG and SVG.

Drawn with Matplotlib's objects on its Agg canvas, so that no display and no global state are involved.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pure_nas.report.any_backend  # noqa: F401 - before Matplotlib
from pure_nas.quantities import cost_label, show_cost

# isort: split
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pure_nas.files import write_whole
from pure_nas.report.curve_looks import CurveLook, curve_looks
from pure_nas.report.data import Curve, Point, ReportData, report_data
from pure_nas.report.legend import legend_below
from pure_nas.report.marks import axis_range, end_labels, labelled, line_room, log_ticks
from pure_nas.report.palette import LIGHT, style_of
from pure_nas.report.placement_figure import draw_placement, placement_size
from pure_nas.report.retrained_figure import draw_retrained
from pure_nas.report.retrained_points import error_title, retrained_points, shown_errors
from pure_nas.run.directory import RunDirectory

DPI = 160
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["soft"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["soft"],
    "ytick.color": LIGHT["soft"],
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "pure-nas",
}

Drawing = Callable[[Axes], None]


def write_figures(run: RunDirectory, data: ReportData | None = None) -> list[Path]:
    """Write every figure that the run has data for into figures/, from `data` where the caller has it already.

    Raises:
        RunError: the run is damaged, or a file cannot be written.
    """
    data = data or report_data(run)
    paths: list[Path] = []
    for name, size, drawing in _drawings(data):
        for ending, content in _drawn(size, drawing).items():
            paths.append(run.figures / f"{name}.{ending}")
            write_whole(paths[-1], content)
    return paths


def _drawings(data: ReportData) -> Iterable[tuple[str, tuple[float, float], Drawing]]:
    """Name, size in inches and drawing of each figure."""
    if data.points:
        for view in data.costs:
            yield f"front-{view.name}", (6.4, 4.2), partial(draw_front, data=data, cost=view.name)
        yield "hypervolume", (6.4, 3.0), partial(draw_hypervolume, data=data)
    if data.front:
        yield "placement", placement_size(data), partial(draw_placement, data=data)
    if data.curves:
        yield "curves", (6.4, 4.8), partial(draw_curves, data=data)
    retraining = data.retraining
    if retraining and retraining.rows:
        size = (max(6.4, 2.4 * len(retraining.groups)), 4.2)
        yield "retrained", size, partial(draw_retrained, data=data, retraining=retraining)


def _drawn(size: tuple[float, float], drawing: Drawing) -> dict[str, bytes]:
    return saved(size, lambda figure: drawing(figure.subplots()))


def saved(size: tuple[float, float], drawing: Callable[[Figure], None]) -> dict[str, bytes]:
    """A figure in the common look as PNG and SVG, by the ending of the file.

    Args:
        size: inches.
    """
    with matplotlib.style.context(["default", _STYLE]):  # whatever style the caller's own plots have
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        drawing(figure)
        files: dict[str, bytes] = {}
        for ending, metadata in (("png", None), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            with warnings.catch_warnings():
                # A name may be in a script that the font lacks: boxes stand for it, which nobody can do anything about.
                warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
                figure.savefig(buffer, format=ending, dpi=DPI, metadata=metadata)
            files[ending] = buffer.getvalue()
    return files


def log_axis(axes: Axes, ticks: Sequence[float]) -> None:
    """Make the x-axis logarithmic, with these ticks and no others."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def draw_front(axes: Axes, data: ReportData, cost: str) -> None:
    """Error over one cost: every complete trial, the baselines, the front as a step line."""
    tested = retrained_points(data.points)
    costs, errors = [point.costs[cost] for point in data.points], shown_errors(data.points, tested)
    line = next(view.line for view in data.costs if view.name == cost)
    xs = [line[0][0], *(value for value, _ in line), max(costs) * 2]
    ys = [max(errors) * 2, *(100 * error for _, error in line), 100 * line[-1][1]]
    axes.step(xs, ys, where="post", color=LIGHT["ink"], linewidth=1.2, label="front", zorder=2)
    for label in sorted({point.kind_label for point in data.points}, key=lambda text: (" baseline" in text, text)):
        _scatter(axes, [point for point in data.points if point.kind_label == label], cost, label)
    if tested:
        axes.errorbar(
            [each.point.costs[cost] for each in tested],
            [each.error for each in tested],
            yerr=[[each.error - each.low for each in tested], [each.high - each.error for each in tested]],
            linestyle="none",
            marker="x",
            markersize=5,
            color=LIGHT["soft"],
            linewidth=1.0,
            capsize=2,
            label="retrained: test error",
            zorder=6,
        )
    _mark_front(axes, [point for point in data.points if point.on_front], cost)
    _scale(axes, "x", costs, lambda value: show_cost(cost, value))
    _scale(axes, "y", errors, lambda value: f"{value:g} %")
    axes.set_xlabel(cost_label(cost))
    axes.set_ylabel(error_title(tested))
    if figure := axes.get_figure(root=True):
        legend_below(figure, axes, columns=4, fontsize=8)


def _scatter(axes: Axes, points: list[Point], cost: str, label: str) -> None:
    style = style_of(points[0].kind)
    colour, hollow = LIGHT[style.role], bool(points[0].baseline)
    for front in (False, True):
        chosen = [point for point in points if point.on_front == front]
        axes.scatter(
            [point.costs[cost] for point in chosen],
            [100 * point.error for point in chosen],
            marker=style.marker,
            s=42 if hollow else 22,
            facecolors="none" if hollow else colour,
            edgecolors=colour if hollow else "none",
            linewidths=1.5 if hollow else 0,
            alpha=1.0 if hollow or front else 0.5,
            zorder=4 if hollow else 3,
        )
    axes.plot(
        [],
        [],
        linestyle="none",
        marker=style.marker,
        color=colour,
        markerfacecolor="none" if hollow else colour,
        markersize=6,
        label=label,
    )


def _mark_front(axes: Axes, front: list[Point], cost: str) -> None:
    spots = [(point.costs[cost], 100 * point.error) for point in front]
    axes.scatter(
        [x for x, _ in spots],
        [y for _, y in spots],
        s=95,
        facecolors="none",
        edgecolors=LIGHT["ink"],
        linewidths=0.8,
        zorder=5,
    )
    for index in labelled(spots):
        axes.annotate(
            str(front[index].number),
            spots[index],
            xytext=(-6, -6),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=7,
            color=LIGHT["soft"],
        )


def _scale(axes: Axes, name: str, values: list[float], text: Callable[[float], str]) -> None:
    """A logarithmic axis with round ticks where every value is positive."""
    log = min(values) > 0
    low, high = axis_range(values, log=log)
    axis = axes.xaxis if name == "x" else axes.yaxis
    if log:
        low, high = 10**low, 10**high
        axes.set(**{f"{name}scale": "log"})
        axis.set_major_locator(FixedLocator(log_ticks(low, high)))
        axis.set_minor_locator(NullLocator())
    axes.set(**{f"{name}lim": (low, high)})
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def draw_hypervolume(axes: Axes, data: ReportData) -> None:
    """Share of the reference box that the front dominates, after each complete trial."""
    numbers, shares = zip(*data.hypervolume_history, strict=True)
    baselines = [point.number for point in data.points if point.baseline]
    if baselines and max(baselines) < numbers[-1]:
        axes.axvspan(-0.5, max(baselines) + 0.5, color=LIGHT["line"], alpha=0.6, linewidth=0, label="baselines")
        axes.legend(loc="lower right")
    axes.step(numbers, shares, where="post", color=LIGHT["ink"], linewidth=1.4, marker="o" if len(numbers) == 1 else "")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel("hypervolume")


def draw_curves(axes: Axes, data: ReportData) -> None:
    """Validation error over epochs of the front and the baselines."""
    errors = [100 * error for curve in data.curves for error in curve.errors if error is not None]
    looks = curve_looks(data.curves)
    for curve, look in zip(data.curves, looks, strict=True):
        _draw_curve(axes, curve, look)
    if errors:
        _scale(axes, "y", errors, lambda value: f"{value:g} %")
        ends = [
            (curve.end[0], 100 * curve.end[1], str(curve.number), LIGHT[look.role])
            for curve, look in zip(data.curves, looks, strict=True)
            if curve.end is not None
        ]
        label_line_ends(axes, ends)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation error")
    figure = axes.get_figure(root=True)
    if figure and len(data.curves) <= 24:
        legend_below(figure, axes, columns=3, fontsize=7)


def label_line_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write a label behind the end of each line, none over another; the limits of the y-axis stay.

    Args:
        ends: x and y of the end, the label, and its colour.
    """
    if not ends:
        return
    axes.set_ylim(axes.get_ylim())
    log = axes.get_yscale() == "log"
    limits = [math.log10(limit) if log else limit for limit in axes.get_ylim()]
    heights = end_labels([y for _, y, _, _ in ends], limits, log=log)
    firsts = [float(xs.min()) for line in axes.get_lines() if (xs := np.asarray(line.get_xdata())).size]
    low, place = line_room(firsts, [x for x, _, _, _ in ends], log=axes.get_xscale() == "log")
    for (x, y, text, colour), height in zip(ends, heights, strict=True):
        axes.plot([x, place], [y, height], color=colour, linewidth=0.6, alpha=0.7)
        axes.annotate(
            text,
            (place, height),
            (2, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=7,
            annotation_clip=False,
            parse_math=False,
        )
    axes.set_xlim(low, place)


def _draw_curve(axes: Axes, curve: Curve, look: CurveLook) -> None:
    style = style_of(curve.kind)
    axes.plot(
        curve.epochs,
        [float("nan") if error is None else 100 * error for error in curve.errors],
        color=LIGHT[look.role],
        alpha=look.opacity,
        linestyle=look.line,
        linewidth=1.1 if curve.baseline else 1.5,
        marker=style.marker,
        markersize=4.5,
        markevery=[len(curve.epochs) - 1],
        label=curve.name,
    )
