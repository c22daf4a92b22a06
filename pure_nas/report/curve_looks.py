"""How learning curves of one colour are told apart: by dash and shade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.report.data import Curve
from pure_nas.report.palette import style_of

_SHADES = (1.0, 0.65, 0.4)
_DASHES: tuple[tuple[str, Any], ...] = (
    ("solid", "-"),
    ("dash", "--"),
    ("dashdot", "-."),
    ("longdash", (0, (10, 3))),
)
_DOTS: tuple[tuple[str, Any], ...] = (("dot", ":"), ("2px,6px", (0, (1, 4))))
"""Plotly's names and Matplotlib's; baselines are dotted."""


@dataclass(frozen=True)
class CurveLook:
    """How one curve is drawn.

    Attributes:
        role: its colour, a key into the palette.
        dash: Plotly's name of its line.
        line: Matplotlib's.
    """

    role: str
    dash: str
    line: Any
    opacity: float


def curve_looks(curves: Sequence[Curve]) -> list[CurveLook]:
    """The look of each curve: another one for each of the same colour, up to 12 of the front and 6 baselines."""
    drawn = Counter[tuple[str, bool]]()
    looks = []
    for curve in curves:
        role, dotted = style_of(curve.kind).role, bool(curve.baseline)
        lines = _DOTS if dotted else _DASHES
        shade, place = divmod(drawn[role, dotted], len(lines))
        drawn[role, dotted] += 1
        looks.append(CurveLook(role, *lines[place], _SHADES[shade % len(_SHADES)]))
    return looks
