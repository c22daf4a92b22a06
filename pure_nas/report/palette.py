"""One colour and one mark for each unit, in every figure of a report.

The colours are those of Okabe and Ito, which people with any colour vision tell apart, lightened for dark pages.
"""

from __future__ import annotations

from typing import NamedTuple

from pure_nas.space.unit import HYBRID, sign_of

_COLOURS = {
    "conv": ("#0072b2", "#56b4e9"),
    "product": ("#d55e00", "#ff9151"),
    "hybrid": ("#009e73", "#3ecfa3"),
    "other-1": ("#b0578d", "#e59ac4"),
    "other-2": ("#8a6d00", "#e3c64b"),
    "other-3": ("#5f6b7a", "#a5b0bf"),
    "ink": ("#12171f", "#eef1f6"),
    "soft": ("#56606f", "#9ba6b6"),
    "line": ("#dfe3ea", "#2b323d"),
    "page": ("#f6f7f9", "#0e1116"),
    "card": ("#ffffff", "#161b22"),
    "on-unit": ("#ffffff", "#0e1116"),
}
LIGHT = {role: light for role, (light, _) in _COLOURS.items()}
DARK = {role: dark for role, (_, dark) in _COLOURS.items()}
"""Colours by role; a page names roles, so that it can change its scheme."""


class Style(NamedTuple):
    """How a unit, or a mixture of several, is drawn: role of its colour, Plotly's name of its mark, and its sign."""

    role: str
    symbol: str
    glyph: str


_STYLES = {
    "conv": ("conv", "square"),
    "product": ("product", "diamond"),
    "product-complex": ("other-1", "star-diamond"),
    "log-conv": ("other-2", "hexagon"),
    "plain-conv": ("other-3", "cross"),
    HYBRID: (HYBRID, "circle"),
}
_OTHERS = (("other-1", "triangle-up"), ("other-2", "triangle-down"), ("other-3", "pentagon"))


def style_of(kind: str) -> Style:
    """The style of a unit's name or of "hybrid"; units of other packages share three more colours."""
    role, symbol = _STYLES.get(kind) or _OTHERS[sum(kind.encode()) % len(_OTHERS)]
    return Style(role, symbol, sign_of(kind))


def placement_text(units: tuple[tuple[str, ...], ...]) -> str:
    """One sign a layer, stages set apart: "+× ×"."""
    return " ".join("".join(sign_of(name) for name in stage) for stage in units)
