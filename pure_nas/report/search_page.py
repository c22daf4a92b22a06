"""The report of a search as one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.files import write_whole
from pure_nas.quantities import cost_label, counted, show_bytes, show_cost, show_percent, show_seconds
from pure_nas.report.convergence_table import Learner, convergence_table
from pure_nas.report.data import ReportData, flattened, product_share
from pure_nas.report.front_table import front_table, units_of
from pure_nas.report.retraining import retrained_convergence, retrained_table
from pure_nas.report.search_charts import page_charts
from pure_nas.report.table import Cell, Column, Row, Table
from pure_nas.report.template import rendered_page
from pure_nas.run.directory import RunDirectory

MAX_INCOMPLETE = 200


def write_page(run: RunDirectory, data: ReportData) -> Path:
    """Write report.html."""
    write_whole(run.report_path, page(data))
    return run.report_path


def page(data: ReportData) -> str:
    """The whole page."""
    return rendered_page(
        "search.html",
        title=data.study,
        charts=page_charts(data),
        trials={str(row.number): row.objectives for row in data.front},
        facts=list(_key_facts(data)),
        about=" · ".join(_about(data.settings)),
        data=data,
        views={f"front-{cost}": cost_label(cost) for cost in data.objectives[1:]},
        front=front_table(data),
        placement=_placement(data),
        percent=show_percent,
        share=_share_text,
        retraining=_retraining(data),
        convergence=convergence_table(
            [
                Learner(
                    f"trial {curve.number}{f': {curve.baseline}' if curve.baseline else ''}",
                    curve.kind,
                    curve.convergence,
                    str(curve.number),
                )
                for curve in data.curves
            ]
        ),
        incomplete=_incomplete(data),
        settings=flattened(data.settings),
        environment=flattened(data.environment),
        recipes=[(f"trial {row.number}", row.recipe_text) for row in data.front],
    )


def _about(settings: Mapping[str, Any]) -> Iterator[str]:
    data = settings.get("data") or {}
    if settings.get("dataset"):
        yield f"dataset {settings['dataset']}"
    if data.get("classes"):
        yield f"{len(data['classes']):,} classes"
    if size := data.get("image_size"):
        yield f"{size} × {size} × {data.get('in_chans', '?')} pixels"
    if data.get("train") and data.get("validation"):
        yield f"{data['train']:,} training and {data['validation']:,} validation images"
    if settings.get("space"):
        yield f"space {settings['space']}"


def _key_facts(data: ReportData) -> Iterator[tuple[str, str, str]]:
    best = next((row for row in data.front if "best" in row.tags), None)
    if best is None:
        yield "lowest validation error", "–", "no trial is complete yet"
    else:
        what = best.trial.baseline or best.architecture.kind
        size = f"{best.architecture.depth} layers, {best.architecture.base_width} channels"
        yield "lowest validation error", show_percent(best.error), f"trial {best.number}: {what}, {size}"
    yield "networks on the front", str(len(data.front)), f"of {counted(len(data.complete), 'complete trial')}"
    box = ", ".join(
        f"error {value:g}" if name == "error" else f"{cost_label(name)} {show_cost(name, value)}"
        for name, value in data.reference.items()
    )
    yield "hypervolume", f"{data.results.hypervolume:.3f}", f"share of the box up to {box}"
    weights = f"; weights take {show_bytes(data.weights_bytes)}" if data.weights_bytes else ""
    yield "training time", show_seconds(data.seconds), f"{data.trials_text}{weights}"


def _placement(data: ReportData) -> dict[str, Any]:
    """Units, and how much of each stage multiplies."""
    stages = zip_longest(*(row.architecture.units for row in data.front), fillvalue=())
    return {"units": units_of(data), "shares": [_share_text(sum(stage, ())) for stage in stages]}


def _share_text(names: Sequence[str]) -> str:
    """How much of some layers multiplies."""
    return f"{100 * product_share(names):.0f} %" if names else ""


def _retraining(data: ReportData) -> dict[str, Any] | None:
    """The retrained networks, what follows, and how fast they learned; None where nothing was retrained."""
    if data.retraining is None or not data.retraining.rows:
        return None
    return {
        "table": retrained_table(data.retraining, data.kinds),
        "verdicts": data.retraining.verdicts,
        "one_seed": ONE_SEED if data.retraining.one_seed else "",
        "convergence": retrained_convergence(data.retraining, data.kinds),
    }


def _incomplete(data: ReportData) -> Table:
    """Trials that diverged, failed or were rejected, with reasons."""
    incomplete = [trial for trial in data.trials if trial.state != "complete"]
    columns = (Column("trial", "trial"), *(Column(name, name, "left") for name in ("state", "reason", "placement")))
    rows = (
        Row.of(columns, [each.number, each.state, each.reason, Cell(stages=each.candidate.architecture.units)])
        for each in incomplete[:MAX_INCOMPLETE]
    )
    more = len(incomplete) - MAX_INCOMPLETE
    return Table("incomplete", columns, tuple(rows), notes=(f"{more:,} more are in trials.csv.",) if more > 0 else ())
