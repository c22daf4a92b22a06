"""The report of an experiment as one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pure_nas.findings.findings import Findings
from pure_nas.findings.rows import Row
from pure_nas.quantities import counted, show_percent, show_seconds
from pure_nas.report.chart import Chart
from pure_nas.report.data import flattened
from pure_nas.report.experiment.charts import AXIS_NAMES, convergence_lines, network_styles, page_charts
from pure_nas.report.experiment.interval_charts import has_arrows
from pure_nas.report.experiment.tables import experiment_tables
from pure_nas.report.template import rendered_page

_MANY = 12
"""Networks from which on a plot with a line for each only repeats one over the number that they vary."""


def page(findings: Findings, environment: Mapping[str, Any]) -> str:
    """The whole page."""
    results, rows, charts = findings.results, findings.rows, page_charts(findings)
    over = {name: AXIS_NAMES.get(axis, axis) for name in charts if (axis := name.removeprefix("over-")) != name}
    if len(rows) > _MANY and over:
        charts.pop("accuracy", None)
    styles = network_styles(rows)
    return rendered_page(
        "experiment.html",
        title=str(results.settings["experiment"]),
        charts=charts,
        trials={str(place): {} for place in range(len(rows))},
        facts=list(_key_facts(findings)),
        about=" · ".join(_about(findings)),
        results=results,
        paper=results.file.paper.strip().replace(" %", "\u00a0%"),
        tables=experiment_tables(findings),
        heights={name: _height(name, chart) for name, chart in charts.items()},
        over=over,
        kinds=[name.removeprefix("noise-") for name in charts if name.startswith("noise-")],
        arrows={name for name, chart in charts.items() if has_arrows(chart)},
        bars=any(row.spread_interval for row in rows),
        several=any(row.seeds > 1 for row in rows),
        curve_kind=results.curve_kind,
        numbered=any(style.end != style.name for style in styles.values()),
        wider=any(line.wider for line in convergence_lines(rows)),
        legend=[styles[row.label] for row in rows if row.evaluation],
        command=str(environment.get("command", "pure-nas experiment")),
        settings=flattened(results.settings),
        environment=flattened(environment),
    )


def _height(name: str, chart: Chart) -> str:
    """As CSS: of a plot with a line a network all of them; for others how many entries the legend has."""
    if name in ("accuracy", "differences"):
        return f"height:{90 + 34 * len(chart.y.ticks or ())}px"
    return f"--lines:{len(chart.names)}"


def _about(findings: Findings) -> Iterator[str]:
    results = findings.results
    settings, data = results.settings, results.settings["data"]
    yield f"dataset {data['name']}"
    yield f"{data['image_size']} × {data['image_size']} × {data['in_chans']} pixels, {len(data['classes']):,} classes"
    yield f"{data['train']:,} training and {data['scored']:,} {findings.split} images"
    yield f"{counted(settings['epochs'], 'epoch')}, {counted(results.grid.seeds, 'seed')}"


def _key_facts(findings: Findings) -> Iterator[tuple[str, str, str]]:
    results = findings.results
    if best := _best(findings.rows):
        lost = f", {best.diverged} of {counted(best.seeds, 'seed')} diverged" if best.diverged else ""
        yield f"highest {findings.split} accuracy", show_percent(best.mean or 0.0), f"{best.label}{lost}"
    else:
        yield f"highest {findings.split} accuracy", "–", "no training is complete yet"
    compared = [each for each in findings.testable if each.repeats is None]
    if compared:
        verdicts = [each.verdict for each in compared]
        detail = ", ".join(f"{verdict}: {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
        yield "differences shown", f"{sum(each.shown for each in compared)} of {len(compared)}", detail
    ended = f"{results.complete + results.diverged} of {results.grid.trainings}"
    yield "trainings", ended, f"{results.diverged or 'none'} diverged"
    stated = f"stated: {results.stated_cost}" if results.stated_cost else "of all trainings together"
    yield "training time", show_seconds(sum(each.seconds for each in results.distinct)), stated


def _best(rows: Sequence[Row]) -> Row | None:
    """The network of the highest accuracy, of those with all their seeds if there are any: lost ones were the worst."""
    known = [row for row in rows if row.mean is not None]
    healthy = [row for row in known if not row.diverged]
    whole = [row for row in healthy if not row.missing]
    return max(whole or healthy or known, key=lambda row: row.mean or 0.0, default=None)
