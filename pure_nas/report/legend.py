"""One legend for all plots of a figure, as wide as the figure at most, however long the names are."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

_BESIDE = 4.8
"""Width of a line's sample, the gap behind it and that between columns, in sizes of the font."""


def legend_below(figure: Figure, axes: Axes, *, columns: int, fontsize: float) -> None:
    """Put the entries of `axes` below the plots, in as many columns as fit; longer names go over several lines.

    Args:
        columns: at most so many.
        fontsize: points.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    room = 72 * figure.get_figwidth()
    widest = max(_width(label, fontsize) for label in labels)
    fitting = max(1, min(columns, len(labels), int(room // (widest + _BESIDE * fontsize))))
    lines = [_wrapped(label, room - _BESIDE * fontsize, fontsize) if fitting == 1 else label for label in labels]
    figure.legend(handles, lines, loc="outside lower center", ncols=fitting, fontsize=fontsize)


def _wrapped(label: str, room: float, fontsize: float) -> str:
    """The label in as few lines as fit into `room` points."""
    most = len(label)
    while most > 1 and max(_width(line, fontsize) for line in textwrap.wrap(label, most)) > room:
        most -= 1
    return textwrap.fill(label, most)


def _width(text: str, fontsize: float) -> float:
    """Points."""
    return float(TextPath((0, 0), text, size=fontsize).get_extents().width)
