"""Reports as HTML pages, from Jinja2 templates in which every text is escaped. No request leaves them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.offline import get_plotlyjs

from pure_nas.findings.findings import Findings
from pure_nas.findings.race import Race
from pure_nas.findings.rows import Row
from pure_nas.quantities import cost_label
from pure_nas.report import palette, race_charts, search_charts
from pure_nas.report.chart import Chart
from pure_nas.report.convergence_table import Learner, convergence_table
from pure_nas.report.data import ReportData, flattened
from pure_nas.report.experiment import charts as experiment_charts
from pure_nas.report.experiment.tables import experiment_tables
from pure_nas.report.notes import PLAIN_TEXT, notes
from pure_nas.report.pick_table import pick_control
from pure_nas.report.plotly_chart import plotly_chart
from pure_nas.report.race_tables import race_table, searches_table
from pure_nas.report.retraining_tables import retrained_convergence, retrained_table
from pure_nas.report.search_tables import (
    early_stopping_table,
    front_table,
    incomplete_table,
    pairs_table,
    placement_table,
    units_of,
)

_HTML = PLAIN_TEXT.overlay(autoescape=True, trim_blocks=True)
_HTML.globals["style_of"] = palette.style_of
_HTML.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
_MANY = 12  # networks from which on a plot with a line for each only repeats one over the number that they vary


def search_page(data: ReportData) -> str:
    """The report of a search."""
    retraining, choice = data.retraining, pick_control(data)
    return _rendered(
        "search.html",
        data.settings["study"],
        search_charts.page_charts(data),
        {str(row.number): row.objectives for row in data.complete},
        pick=choice,
        data=data,
        best=next((row for row in data.front if "best" in row.tags), None),
        views={f"front-{cost}": cost_label(cost) for cost in data.objectives[1:]},
        front=front_table(data),
        choice=choice,
        compared=pairs_table(data),
        placement=placement_table(data.front),
        units=units_of(data),
        retrained=retrained_table(retraining, data.kinds) if retraining.rows else None,
        retrained_convergence=retrained_convergence(retraining, data.kinds) if retraining.rows else None,
        convergence=convergence_table(
            [Learner(f"trial {each.name}", each.kind, each.convergence, str(each.number)) for each in data.curves]
        ),
        earlier=() if data.earlier is None else notes("warm_start", data.earlier),
        rungs=None if data.early_stopping is None else early_stopping_table(data.early_stopping),
        outlook="" if data.outlook is None else " ".join(notes("outlook", data.outlook)),
        incomplete=incomplete_table(data.trials),
        recipes=[(f"trial {row.number}", row.recipe_text) for row in data.front],
        settings=flattened(data.settings),
        environment=flattened(data.environment),
    )


def experiment_page(findings: Findings, environment: Mapping[str, Any]) -> str:
    """The report of an experiment."""
    rows, charts = findings.rows, experiment_charts.page_charts(findings)
    names = experiment_charts.AXIS_NAMES
    over = {name: names.get(axis, axis) for name in charts if (axis := name.removeprefix("over-")) != name}
    if len(rows) > _MANY and over:
        charts.pop("accuracy", None)
    return _rendered(
        "experiment.html",
        str(findings.results.settings["experiment"]),
        charts,
        {str(place): {} for place in range(len(rows))},
        findings=findings,
        results=findings.results,
        best=_best(rows),
        tables=experiment_tables(findings),
        over=over,
        arrows={name for name, chart in charts.items() if experiment_charts.has_arrows(chart)},
        styles=experiment_charts.network_styles(rows),
        wider=any(line.wider for line in experiment_charts.convergence_lines(rows)),
        command=str(environment.get("command", "pure-nas experiment")),
        settings=flattened(findings.results.settings),
        environment=flattened(environment),
    )


def race_page(race: Race) -> str:
    """The report of a race."""
    return _rendered(
        "race.html",
        race.path.name,
        race_charts.page_charts(race),
        {},
        race=race,
        table=race_table(race),
        searches=searches_table(race),
    )


def _best(rows: Sequence[Row]) -> Row | None:
    """The network of the highest accuracy, of those with all their seeds if there are any: lost ones were the worst."""
    known = [row for row in rows if row.mean is not None]
    healthy = [row for row in known if not row.diverged]
    whole = [row for row in healthy if not row.missing]
    return max(whole or healthy or known, key=lambda row: row.mean or 0.0, default=None)


def _rendered(template: str, title: str, charts: Mapping[str, Chart], trials: Mapping[str, Any], **content: Any) -> str:
    """A template that extends page.html; charts by the id of their element, values by the identity of table rows."""
    scripts = (get_plotlyjs(), palette.asset("report.js"))
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    figures: dict[str, Any] = {
        "pick": content.pop("pick", None),
        "plots": {name: plotly_chart(chart) for name, chart in charts.items()},
        "schemes": {"light": _with_bands(palette.LIGHT), "dark": _with_bands(palette.DARK)},
        "trials": trials,
    }
    return _HTML.get_template(template).render(
        title=title,
        charts=charts,
        light=palette.LIGHT,
        dark=palette.DARK,
        style=palette.asset("report.css"),
        figures=figures,
        scripts=scripts,
        allowed=allowed,
        **content,
    )


def _with_bands(scheme: Mapping[str, str]) -> dict[str, str]:
    return {**scheme, **{f"{role}-band": f"{colour}26" for role, colour in scheme.items()}}
