"""One colour and one mark for each unit, in every figure of a report; assets/look.toml has them."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import NamedTuple

from pure_nas.space.unit import sign_of


def asset(name: str) -> str:
    """A file that reports are made of."""
    return resources.files("pure_nas.report").joinpath("assets", name).read_text(encoding="utf-8")


LOOK = tomllib.loads(asset("look.toml"))
LIGHT = {role: light for role, (light, _) in LOOK["colours"].items()}
DARK = {role: dark for role, (_, dark) in LOOK["colours"].items()}
"""Colours by role; a page names roles, so that it can change its scheme."""


class Style(NamedTuple):
    """How a unit, or a mixture of several, is drawn: role of its colour, Plotly's name of its mark, and its sign."""

    role: str
    symbol: str
    glyph: str


def style_of(kind: str) -> Style:
    """The style of a unit's name or of "hybrid"; units of other packages share three more colours."""
    units, others = LOOK["units"], LOOK["other_units"]
    role, symbol = units.get(kind) or others[sum(kind.encode()) % len(others)]
    return Style(role, symbol, sign_of(kind))


def placement_text(units: tuple[tuple[str, ...], ...]) -> str:
    """One sign a layer, stages set apart: "+× ×"."""
    return " ".join("".join(sign_of(name) for name in stage) for stage in units)
