"""Charts as PNG and SVG files, for papers, drawn on Matplotlib's Agg canvas: no display, no global state."""

from __future__ import annotations

import io
import os
import sys
import textwrap
import warnings
from bisect import bisect
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Notebooks set MPLBACKEND to one that other environments need not have, and Matplotlib refuses to be imported then.
# Figures here are drawn on Agg and need none; a caller who has that backend keeps it.
if "matplotlib" not in sys.modules and "MPLBACKEND" in os.environ:
    wanted = os.environ.pop("MPLBACKEND")
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = wanted
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = wanted

import matplotlib.figure
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle, FancyBboxPatch, Patch
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from pure_nas.files import write_whole
from pure_nas.quantities import show_number
from pure_nas.report.chart import Axis, Chart, Figure, Line, Mark, Series
from pure_nas.report.palette import LIGHT, LOOK

DPI = 160
_LEGEND_FONT = 7.5  # points
# A role stands for its colour.
_STYLE: dict[Any, Any] = {name: LIGHT.get(value, value) for name, value in LOOK["matplotlib"].items()}
_LINES, _MARKS = 0.67, 0.6  # points of a line's width and of a mark for each pixel on a page
_DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (10, 3)),
    "2px,6px": (0, (1, 4)),
}
_NUMBERS = {
    "percent": lambda value, _: f"{value:g} %",
    "share": lambda value, _: f"{100 * value:g} %",
    "metric": lambda value, _: show_number(value),
}
_TEXT_PLACES: dict[str, dict[str, Any]] = {
    "below": {"xytext": (-6, -6), "ha": "right", "va": "top", "fontsize": 7},
    "behind": {"xytext": (2, 0), "va": "center", "fontsize": 7},
    "inside": {"xytext": (0, 0), "ha": "center", "va": "center_baseline", "fontsize": 8, "fontweight": "bold"},
}
_LARGEST_SAMPLE = 12.0  # pixels of a mark in a legend
_BESIDE = 4.8 * _LEGEND_FONT  # width of a sample in a legend, the gap behind it and that between columns, points


def write_figures(folder: Path, figures: Iterable[Figure]) -> list[Path]:
    """Write each figure as a PNG and an SVG file into a folder; returns their paths."""
    paths: list[Path] = []
    for figure in figures:
        files = {ending: io.BytesIO() for ending in ("png", "svg")}
        # Whatever style the caller's own plots have.
        with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
            # A name may be in a script that the font lacks: boxes stand for it, which nobody can do anything about.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
            drawn = draw(figure)
            for ending, file in files.items():
                drawn.savefig(file, format=ending, dpi=DPI, metadata={"Date": None} if ending == "svg" else None)
        for ending, file in files.items():
            paths.append(folder / f"{figure.name}.{ending}")
            write_whole(paths[-1], file.getvalue())
    return paths


def draw(figure: Figure) -> matplotlib.figure.Figure:
    """The figure in the present style, on a canvas of its own."""
    drawn = matplotlib.figure.Figure(figsize=figure.size, layout="constrained")
    FigureCanvasAgg(drawn)
    charts = figure.charts
    columns = min(2, len(charts))
    shared = all(chart.y == charts[0].y for chart in charts)
    places = list(drawn.subplots(-(-len(charts) // columns), columns, squeeze=False, sharey=shared).flat)
    for axes, chart in zip(places, charts, strict=False):
        _draw_chart(axes, chart)
    for axes in places[len(charts) :]:
        axes.remove()
    entries = [series for series in charts[0].series if series.name]
    if figure.legend and entries:
        _legend_below(drawn, entries)
    return drawn


def _draw_chart(axes: Axes, chart: Chart) -> None:
    axes.set_title(chart.title)
    for name, axis in (("x", chart.x), ("y", chart.y)):
        _set_up(axes, name, axis)
    if not chart.frame:
        axes.set(aspect="equal", anchor="E")
        axes.spines[:].set_visible(False)
        axes.xaxis.tick_top()
        axes.tick_params(length=0, colors=LIGHT["ink"])
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("left")
    if chart.shaded:
        (start, end), text = chart.shaded
        axes.axvspan(start, end, color=LIGHT["line"], alpha=0.6, linewidth=0)
        above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(text, (start, 1), (0, 2), fontsize=7, color=LIGHT["soft"], **above)
    for place, series in enumerate(chart.series):
        _draw_series(axes, series, 2 + place / len(chart.series), cells=not chart.frame)
    for height, text in chart.notes:
        axes.text(0.01, height, text, transform=axes.get_yaxis_transform(), va="center", color=LIGHT["soft"])


def _set_up(axes: Axes, name: str, axis: Axis) -> None:
    line = axes.xaxis if name == "x" else axes.yaxis
    axes.set(**{f"{name}label": axis.title})
    if axis.log:
        axes.set(**{f"{name}scale": "log"})
        line.set_minor_locator(NullLocator())
    if axis.ticks is not None:
        line.set_ticks(list(axis.ticks), list(axis.ticks.values()), parse_math=False)
    elif axis.numbers == "whole":
        line.set_major_locator(MaxNLocator(integer=True))
    elif axis.numbers != "plain":
        line.set_major_formatter(FuncFormatter(_NUMBERS[axis.numbers]))
    if axis.range:
        axes.set(**{f"{name}lim": axis.range})
    if axis.zero:
        (axes.axvline if name == "x" else axes.axhline)(0, color=LIGHT["soft"], linewidth=0.8)
    if not axis.grid:
        line.grid(visible=False)


def _draw_series(axes: Axes, series: Series, order: float, *, cells: bool) -> None:
    colour, y = LIGHT[series.role], np.array(series.y, dtype=float)
    common: dict[str, Any] = {"zorder": order, "clip_on": series.clip}
    if series.band:
        lows, highs = zip(*series.band, strict=True)
        axes.fill_between(series.x, lows, highs, color=colour, alpha=0.15, linewidth=0, zorder=order)
    if series.bars:
        reach: dict[str, Any] = {f"{series.bars_along}err": np.transpose(series.reach)}
        axes.errorbar(series.x, y, **reach, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5, zorder=order)
    if series.line:
        axes.plot(series.x, y, **_line(series, series.line), **common)
    if series.mark and cells:
        _draw_cells(axes, series, series.mark)
    elif series.mark:
        sizes = (_MARKS * np.array(series.mark.size)) ** 2
        axes.scatter(series.x, y, s=sizes, **_marks(series, series.mark), **common)
    how = {**_TEXT_PLACES[series.texts_at], "textcoords": "offset points", "color": LIGHT[series.text_role]}
    for x, height, text in zip(series.x, y, series.texts, strict=False):
        if text:
            axes.annotate(text, (x, height), **how, annotation_clip=False, parse_math=False, zorder=order)


def _line(series: Series, line: Line) -> dict[str, Any]:
    return {
        "color": LIGHT[series.role],
        "alpha": series.opacity,
        "linestyle": _DASHES[line.dash],
        "linewidth": _LINES * line.width,
        "drawstyle": "steps-post" if line.steps else "default",
    }


def _marks(series: Series, mark: Mark) -> dict[str, Any]:
    style, colours = MarkerStyle(LOOK["symbols"][mark.shape]), to_rgba_array(LIGHT[series.role], series.opacity)
    edge = {"marker": style, "linewidths": _LINES * mark.edge if mark.hollow else 0}
    if mark.hollow and style.is_filled():
        return {**edge, "facecolors": "white" if series.bars else "none", "edgecolors": colours}
    return {**edge, "color": colours}


def _draw_cells(axes: Axes, series: Series, mark: Mark) -> None:
    for x, y in zip(series.x, np.array(series.y, dtype=float), strict=True):
        if mark.shape == "circle":
            cell: Patch = Circle((x, y), 0.45)
        else:
            cell = FancyBboxPatch((x - 0.35, y - 0.35), 0.7, 0.7, boxstyle="round,pad=0.1,rounding_size=0.15")
        cell.set(facecolor=LIGHT[series.role], linewidth=0)
        axes.add_patch(cell)


def _legend_below(figure: matplotlib.figure.Figure, entries: Sequence[Series]) -> None:
    names = [series.name for series in entries]
    room = 72 * figure.get_figwidth()
    columns = max(1, min(4, len(names), int(room // (max(map(_width, names)) + _BESIDE))))
    if columns == 1:
        names = [_wrapped(name, room - _BESIDE) for name in names]
    handles = [_sample(series) for series in entries]
    figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=_LEGEND_FONT)


def _sample(series: Series) -> Line2D:
    look = _line(series, series.line) if series.line else {"color": LIGHT[series.role], "linestyle": "none"}
    if series.mark:
        look["marker"] = LOOK["symbols"][series.mark.shape]
        look["markersize"] = _MARKS * min(np.max(series.mark.size, initial=0), _LARGEST_SAMPLE)
        look |= {"markerfacecolor": "none"} if series.mark.hollow else {"markeredgewidth": 0}
    return Line2D([], [], **look)


def _wrapped(name: str, room: float) -> str:
    lengths = range(1, len(name) + 1)
    fitting = bisect(lengths, False, key=lambda most: max(map(_width, textwrap.wrap(name, most))) > room)
    return textwrap.fill(name, max(1, fitting))


def _width(text: str) -> float:
    """Points."""
    return float(TextPath((0, 0), text, size=_LEGEND_FONT).get_extents().width)
