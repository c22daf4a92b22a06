"""Pages from Jinja2 templates, in which every text is escaped. They work offline: no request leaves them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pure_nas.report import palette
from pure_nas.report.chart import Chart
from pure_nas.report.plotly_chart import plotly_chart


def rendered(template: str, **content: Any) -> str:
    """A template of this package, filled in."""
    return _environment().get_template(template).render(content)


def rendered_page(
    template: str, title: str, charts: Mapping[str, Chart], trials: Mapping[str, Any], **content: Any
) -> str:
    """A template that extends page.html, filled in, with its charts and what draws them.

    Args:
        charts: by the id of the element that each fills.
        trials: the values of what the rows of its tables stand for, by their identity.
        content: what the template names, `facts` among it: key figures as (name, value, detail).
    """
    scripts = (get_plotlyjs(), _asset("report.js"))
    light, dark = palette.LIGHT, palette.DARK
    figures = {
        "plots": {name: plotly_chart(chart) for name, chart in charts.items()},
        "schemes": {"light": palette.with_bands(light), "dark": palette.with_bands(dark)},
        "trials": trials,
    }
    return rendered(
        template,
        title=title,
        light=light,
        dark=dark,
        style=Markup(_asset("report.css")),
        figures=Markup(_embedded(figures)),
        scripts=[Markup(script) for script in scripts],
        policy=Markup(_policy(scripts)),
        **content,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pure_nas.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style_of"] = palette.style_of
    return environment


def _asset(name: str) -> str:
    return resources.files("pure_nas.report").joinpath("assets", name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str]) -> str:
    """Forbid every request and every script but ours, whatever texts a run holds."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
