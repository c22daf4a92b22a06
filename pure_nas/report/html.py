"""The frame and the parts of an experiment's page, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from pure_nas.report.chart import Chart
from pure_nas.report.palette import style_of
from pure_nas.report.template import rendered_page


def document(title: str, body: str, charts: Mapping[str, Chart], trials: Mapping[str, Any]) -> str:
    """A page that works offline; see `rendered_page`."""
    return rendered_page("body.html", title=title, charts=charts, trials=trials, body=Markup(body))


def section(identity: str, title: str, body: str, note: str = "") -> str:
    """A titled part; `note` is HTML."""
    text = f'<p class="note">{note}</p>' if note else ""
    return f'<section id="{identity}"><h2>{escape(title)}</h2>{text}{body}</section>'


def on_screen(text: str) -> str:
    """A part of a note that says what can be done on a screen, which paper leaves out."""
    return f'<span class="screen">{text}</span>'


def plot(identity: str, description: str, style: str = "") -> str:
    """The element that a plot fills; `style` is CSS."""
    styled = f' style="{escape(style)}"' if style else ""
    return f'<div class="plot" id="{escape(identity)}"{styled} role="img" aria-label="{escape(description)}"></div>'


def details(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A collapsible table of names and values."""
    rows = "".join(f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in pairs)
    body = f'<div class="scroll"><table class="pairs"><tbody>{rows}</tbody></table></div>'
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if pairs else ""


def unit_cell(kind: str) -> str:
    """The glyph of a unit, or of a network that has several, on its colour."""
    style = style_of(kind)
    return f'<i class="cell {style.role}" title="{escape(kind)}">{escape(style.glyph)}</i>'
