"""One colour and one mark for each unit, in every figure of a report.

The colours are those of Okabe and Ito, which people with any colour vision tell apart, lightened for dark
pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from pure_nas.space.unit import HYBRID, sign_of

LIGHT: dict[str, str] = {
    "conv": "#0072b2",
    "product": "#d55e00",
    "hybrid": "#009e73",
    "other-1": "#b0578d",
    "other-2": "#8a6d00",
    "other-3": "#5f6b7a",
    "ink": "#12171f",
    "soft": "#56606f",
    "line": "#dfe3ea",
    "page": "#f6f7f9",
    "card": "#ffffff",
    "on-unit": "#ffffff",
}
DARK: dict[str, str] = {
    "conv": "#56b4e9",
    "product": "#ff9151",
    "hybrid": "#3ecfa3",
    "other-1": "#e59ac4",
    "other-2": "#e3c64b",
    "other-3": "#a5b0bf",
    "ink": "#eef1f6",
    "soft": "#9ba6b6",
    "line": "#2b323d",
    "page": "#0e1116",
    "card": "#161b22",
    "on-unit": "#0e1116",
}
"""Colours by role; a page names roles, so that it can change its scheme."""


def with_bands(scheme: dict[str, str]) -> dict[str, str]:
    """A scheme with a translucent "role-band" for every colour."""
    return {**scheme, **{f"{role}-band": f"{colour}26" for role, colour in scheme.items()}}


@dataclass(frozen=True)
class Style:
    """How one unit (or the mixture of several) is drawn.

    Attributes:
        role: key into `LIGHT` and `DARK`.
        symbol: of its marks, by the name that Plotly has for it.
        glyph: its sign.
    """

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
    """One sign a layer, stages set apart.

    >>> placement_text((("conv", "product"), ("product",)))
    '+× ×'
    """
    return " ".join("".join(sign_of(name) for name in stage) for stage in units)
