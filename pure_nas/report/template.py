"""Pages from Jinja2 templates, in which every text is escaped. They work offline: no request leaves them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pure_nas.report import palette
from pure_nas.report.chart import Chart
from pure_nas.report.plotly_chart import plotly_chart

_ENVIRONMENT = Environment(
    loader=PackageLoader("pure_nas.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["style_of"] = palette.style_of


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
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    figures = {
        "plots": {name: plotly_chart(chart) for name, chart in charts.items()},
        "schemes": {"light": _with_bands(palette.LIGHT), "dark": _with_bands(palette.DARK)},
        "trials": trials,
    }
    return _ENVIRONMENT.get_template(template).render(
        title=title,
        light=palette.LIGHT,
        dark=palette.DARK,
        style=Markup(_asset("report.css")),
        figures=Markup(_embedded(figures)),
        scripts=[Markup(script) for script in scripts],
        # No request and no script but ours, whatever texts a run holds.
        policy=Markup(f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"),
        **content,
    )


def _with_bands(scheme: Mapping[str, str]) -> dict[str, str]:
    """A scheme with a translucent "role-band" for every colour."""
    return {**scheme, **{f"{role}-band": f"{colour}26" for role, colour in scheme.items()}}


def _asset(name: str) -> str:
    return resources.files("pure_nas.report").joinpath("assets", name).read_text(encoding="utf-8")


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
