"""The report as one HTML page that works offline: no request leaves it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from pure_nas.files import write_whole
from pure_nas.report import palette, sections, wording
from pure_nas.report.chart import Chart
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.plotly_chart import plotly_chart
from pure_nas.report.search_charts import page_charts
from pure_nas.run.directory import RunDirectory

SCHEME_BUTTON = (
    '<button type="button" id="scheme" aria-label="switch between light and dark">◐</button>'
    "<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>"
)


def write_html(run: RunDirectory, data: ReportData | None = None) -> Path:
    """Write report.html, from `data` where the caller has it already.

    Raises:
        RunError: the run is damaged, or the file cannot be written.
    """
    write_whole(run.report_path, page(data or report_data(run)))
    return run.report_path


def page(data: ReportData) -> str:
    """The whole page."""
    trials = {str(row.number): row.objectives for row in data.front}
    return document(data.facts.study, "".join(_body(data)), page_charts(data), trials)


def document(title: str, body: str, charts: Mapping[str, Chart], trials: Mapping[str, Any]) -> str:
    """A page that works offline.

    Args:
        body: HTML.
        charts: by the id of the element that each fills.
        trials: the values of what the rows of its tables stand for, by the number in their data-trial.
    """
    scripts = (get_plotlyjs(), _asset("report.js"))
    embedded = {
        "plots": {name: plotly_chart(chart) for name, chart in charts.items()},
        "schemes": {"light": palette.with_bands(palette.LIGHT), "dark": palette.with_bands(palette.DARK)},
        "trials": trials,
    }
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · pure-nas</title>"
        f"<style>{_colours()}{_asset('report.css')}</style>"
    )
    loaded = "".join(f"<script>{script}</script>" for script in scripts)
    figures = f'<script type="application/json" id="figures">{_embedded(embedded)}</script>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>'
        f"<body><main>{SCHEME_BUTTON}{body}</main>{figures}{loaded}</body></html>\n"
    )


def _body(data: ReportData) -> Iterable[str]:
    yield sections.header(data)
    if data.points:
        yield from _front(data)
        yield from _course(data)
    else:
        yield sections.section("front", "Front", '<p class="empty">No trial is complete yet.</p>')
    if data.incomplete:
        note = "They are in no plot: they have no objectives."
        yield sections.section("incomplete", "Trials without a result", sections.incomplete(data.incomplete), note)
    yield sections.section("next", "How to go on", sections.steps(data))
    settings = sections.details("Settings", data.settings) + sections.details("Environment", data.environment)
    yield sections.section("settings", "How it was run", settings)


def _front(data: ReportData) -> Iterable[str]:
    switch = (
        '<p class="switch" hidden>error axis <button type="button" data-scale="log">log</button>'
        '<button type="button" data-scale="linear">linear</button></p>'
    )
    views = "".join(
        sections.plot(f"front-{view.name}", f"Validation error over {wording.cost_label(view.name)}")
        for view in data.costs
    )
    yield sections.section("front", "Front", f'{switch}<div class="views">{views}</div>', _front_note(data))
    networks = sections.front_table(data) + sections.recipes(data)
    yield sections.section("networks", "Networks on the front", networks, sections.comparison_note(data))
    if data.retraining and data.retraining.rows:
        spread = (
            ": mean ± standard deviation over seeds" if any(len(row.seeds) > 1 for row in data.retraining.rows) else ""
        )
        note = f"Trained again from scratch and read once on the test split{spread}."
        yield sections.section("retraining", "Retrained", sections.retrained(data, data.retraining), note)
    note = "Each cell is one residual layer, first layer on the left. The plot shows all completed trials."
    yield sections.section("placement", "Where the product layers sit", sections.placement_chart(data), note)


def _front_note(data: ReportData) -> str:
    note = "Ringed networks are on the front: no other trial is as good in every objective and better in one. "
    if len(data.costs) > 1:
        note += "A line joins what nothing beats in its plot's two objectives alone; the front in all is larger. "
    if any(view.name == "flops" for view in data.costs):
        note += "One multiply-accumulate counts as one FLOP. "
    if any(view.name == "noise_error" for view in data.costs):
        note += f"{wording.NOISE_ERROR} "
    if any(point.retrained for point in data.points):
        note += "Crosses are test errors of retrained networks: mean over seeds and 95 % interval. "
    return note + sections.on_screen(
        "Point at a mark for its recipe, click a ringed one for its row. Drag to zoom, double-click to see everything "
        "again."
    )


def _course(data: ReportData) -> Iterable[str]:
    description = "Hypervolume after each trial"
    note = "Share of the box between zero and the reference point that the front dominates, after each complete trial."
    yield sections.section("course", "Progress of the search", sections.plot("hypervolume", description), note)
    if data.curves:
        description = "Validation error over epochs"
        baselines = " and baselines (dotted)" if any(curve.baseline for curve in data.curves) else ""
        note = (
            f"The front{baselines}; numbers at line ends are trials. "
            f"{sections.on_screen('Click an entry of the legend to hide it, double-click to see it alone.')}"
        )
        yield sections.section(
            "learning",
            "Learning curves",
            sections.plot("curves", description, f"--lines:{len(data.curves)}") + sections.learned(data),
            note,
        )


def _asset(name: str) -> str:
    return resources.files("pure_nas.report").joinpath("assets", name).read_text(encoding="utf-8")


def _colours() -> str:
    light, dark = (
        ";".join(f"--{role}:{colour}" for role, colour in scheme.items()) for scheme in (palette.LIGHT, palette.DARK)
    )
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-scheme=light]){{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-scheme=dark]{{color-scheme:dark;{dark}}}}}"
    )


def _policy(scripts: Iterable[str]) -> str:
    """Forbid every request and every script but ours, whatever texts a run holds."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
