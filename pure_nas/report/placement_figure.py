"""The figure that shows which layers of the front's networks hold which unit."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Patch

from pure_nas.report import wording
from pure_nas.report.data import ReportData
from pure_nas.report.palette import LIGHT, style_of
from pure_nas.space.unit import get_unit

CELL = 0.22
"""Inches."""
STAGE_GAP = 1.0
"""Cells."""
KEY_ENTRY = 1.5, 0.2
"""Width and height of an entry of the key, inches."""


def placement_size(data: ReportData) -> tuple[float, float]:
    """Width and height in inches."""
    rows = -(-len(_kinds(data)) // _key_columns(data))
    return _width(data), 0.9 + CELL * 1.35 * len(data.front) + KEY_ENTRY[1] * (rows - 1)


def _width(data: ReportData) -> float:
    return max(4.2, 1.9 + CELL * 1.08 * _starts(data)[-1])


def _kinds(data: ReportData) -> list[str]:
    return sorted({name for row in data.front for stage in row.units for name in stage})


def _key_columns(data: ReportData) -> int:
    return min(len(_kinds(data)), int(_width(data) / KEY_ENTRY[0]))


def _starts(data: ReportData) -> list[float]:
    """Where each stage starts, in cells, and where the last one ends: as wide as its deepest network."""
    starts = [0.0]
    for stage in range(max(len(row.units) for row in data.front)):
        deepest = max(len(row.units[stage]) if stage < len(row.units) else 0 for row in data.front)
        starts.append(starts[-1] + max(deepest, 2) + STAGE_GAP)
    return starts


def draw_placement(axes: Axes, data: ReportData) -> None:
    """One row a network, lowest error on top; one cell a residual layer."""
    starts = _starts(data)
    for height, row in enumerate(data.front):
        for start, stage in zip(starts, row.units, strict=False):
            for place, name in enumerate(stage):
                _draw_cell(axes, start + place, float(height), name)
    axes.set(xlim=(-0.2, starts[-1] - STAGE_GAP + 0.2), ylim=(len(data.front) - 0.4, -0.6), aspect="equal", anchor="E")
    axes.set_xticks(starts[:-1], [f"stage {stage + 1}" for stage in range(len(starts) - 1)], ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(
        range(len(data.front)),
        [f"trial {row.number}   {wording.percent(row.objectives['error'])}" for row in data.front],
    )
    axes.tick_params(length=0, colors=LIGHT["ink"])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    styles = {kind: style_of(kind) for kind in _kinds(data)}
    handles = [Patch(color=LIGHT[style.role], label=f"{kind} ({style.glyph})") for kind, style in styles.items()]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=_key_columns(data))


def _draw_cell(axes: Axes, x: float, y: float, unit: str) -> None:
    style = style_of(unit)
    colour = LIGHT[style.role]
    if get_unit(unit).multiplies:
        axes.add_patch(Circle((x + 0.45, y), 0.45, color=colour, linewidth=0))
    else:
        box = FancyBboxPatch((x + 0.1, y - 0.35), 0.7, 0.7, boxstyle="round,pad=0.1,rounding_size=0.15")
        box.set(facecolor=colour, linewidth=0)
        axes.add_patch(box)
    axes.text(
        x + 0.45,
        y,
        style.glyph,
        color=LIGHT["on-unit"],
        parse_math=False,
        ha="center",
        va="center_baseline",
        fontsize=8,
        fontweight="bold",
    )
