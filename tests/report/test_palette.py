"""Units are told apart in every figure."""

from __future__ import annotations

from pure_nas.report.palette import DARK, LIGHT, style_of
from pure_nas.space.unit import BUILT_IN, HYBRID


def test_every_unit_has_a_colour_a_marker_and_a_glyph_of_its_own() -> None:
    styles = [style_of(kind) for kind in (*BUILT_IN, HYBRID)]
    for aspect in ("role", "symbol", "glyph"):
        assert len({getattr(style, aspect) for style in styles}) == len(styles), aspect
    assert all(style.role in LIGHT and style.role in DARK for style in styles)


def test_a_unit_of_another_package_has_a_style_too() -> None:
    style = style_of("geometric-mean")
    assert style == style_of("geometric-mean")
    assert style.glyph == "G"
    assert style.role in LIGHT
