"""The report of a search as one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.quantities import cost_label, counted, show_bytes, show_cost, show_percent, show_seconds
from pure_nas.report.convergence_table import Learner, convergence_table
from pure_nas.report.data import ReportData, flattened, product_share
from pure_nas.report.retraining import retrained_convergence, retrained_table
from pure_nas.report.search_charts import page_charts
from pure_nas.report.search_tables import front_table, units_of
from pure_nas.report.table import Cell, Column, Row, Table
from pure_nas.report.template import rendered_page

MAX_INCOMPLETE = 200


def page(data: ReportData) -> str:
    """The whole page."""
    retraining = data.retraining if data.retraining and data.retraining.rows else None
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
        units=units_of(data),
        retraining=retraining,
        one_seed=ONE_SEED,
        retrained=retrained_table(retraining, data.kinds) if retraining else None,
        retrained_convergence=retrained_convergence(retraining, data.kinds) if retraining else None,
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


def _placement(data: ReportData) -> Table:
    """A cell for each residual layer, and how much of each network and of each stage multiplies."""
    stages = list(zip_longest(*(row.architecture.units for row in data.front), fillvalue=()))
    names = [f"stage {number}" for number in range(1, len(stages) + 1)]
    columns = (
        Column("trial", "trial", "left"),
        Column("error", "error"),
        *(Column(name, name, "left") for name in names),
        Column("product", "product"),
    )
    rows = [
        Row.of(
            columns,
            [
                str(row.number),
                show_percent(row.error),
                *(Cell(stages=(stage[place],)) for stage in stages),
                _share_text(sum(row.architecture.units, ())),
            ],
            identity=str(row.number),
        )
        for place, row in enumerate(data.front)
    ]
    shares = [_share_text(sum(stage, ())) for stage in stages]
    return Table("placement", columns, (*rows, Row.of(columns, ["product share", "", *shares, ""], tone="dim")))


def _share_text(names: Sequence[str]) -> str:
    """How much of some layers multiplies."""
    return f"{100 * product_share(names):.0f} %"


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
