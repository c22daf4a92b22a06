"""The front as one table for people and for CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pure_nas.quantities import cost_label, counted, show_cost, show_percent, show_points
from pure_nas.report.data import ReportData, ReportedTrial, Versus
from pure_nas.report.retraining import came_through, score_document
from pure_nas.report.settings_text import network_columns, rate_columns, setting_columns
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table, column_names, interval_text
from pure_nas.run.results import COST_TOLERANCE, ERROR_TOLERANCE
from pure_nas.run.retrained import Row as Retrained
from pure_nas.space.unit import Unit, get_unit, unit_names

NOISE_ERROR = (
    "Noise error: the error under noise on the same images, averaged over Poisson noise of 100 and 20 photons of a "
    "white pixel, Gaussian noise of 0.05 and 0.15, salt-and-pepper on 2 % and 10 % of the pixels, and speckle of 0.1 "
    "and 0.3, on images of 0 to 1."
)
"""`pure_nas.evaluation.NOISE_MIXTURE` in words: importing that takes PyTorch."""
_TAGS = {
    "best": "the lowest error",
    "knee": "where more cost starts to buy little accuracy",
    "smallest": "the lowest cost",
}
_TEST = "test"


def front_table(data: ReportData) -> Table:
    """The networks of the front, lowest error first, next to the best baselines that cost no more.

    Files have more columns: stages of the placement are separated by "|", layers by blanks; settings that were searched
    or are not the default have a column each, empty where a network does not read it.
    """
    lines = [_line(row) for row in data.front]
    shown = {
        "trial": Column("trial", "trial", "left"),
        "error": Column("error", "error"),
        **{name: Column(name, cost_label(name)) for name in (*data.objectives[1:], "params")},
        "depth": Column("depth", "depth", detail=3),
        "base_width": Column("base_width", "width", detail=3),
        "placement": Column("placement", "placement", "left"),
        **{_versus_key(unit): Column(_versus_key(unit), f"vs. {unit} baseline", detail=2) for unit in _compared(data)},
    }
    columns = [shown.get(name, Column(name)) for name in column_names(lines, ("trial", *data.objectives))]
    if _tested(data):
        columns.insert(2, Column(_TEST, "test accuracy", detail=1, files=False))
    rows = [_row(row, line, data) for row, line in zip(data.front, lines, strict=True)]
    title = f"Front: {counted(len(rows), 'network')}, hypervolume {data.results.hypervolume:.4f}"
    return Table("front", tuple(columns), tuple(rows), title, tuple(_notes(data)))


def _line(row: ReportedTrial) -> dict[str, Any]:
    """What files hold of a network, by column."""
    return {
        "trial": row.number,
        **row.objectives,
        **{name: value for name, value in row.trial.cost.items() if name not in row.objectives},
        **network_columns(row.architecture),
        "tags": " ".join(row.tags),
        "twins": " ".join(map(str, row.twins)),
        "baseline": row.trial.baseline,
        **{_versus_key(versus.unit): versus.difference for versus in row.versus},
        **rate_columns(row.trial.candidate.recipe),
        **setting_columns(row.settings),
        "seconds": row.trial.seconds,
        **(_test_columns(row.retrained) if row.retrained else {}),
    }


def _test_columns(retrained: Retrained) -> dict[str, Any]:
    score = score_document(retrained)
    low, high = score["interval"] or (None, None)
    return {
        "test_accuracy": score["accuracy"],
        "test_accuracy_low": low,
        "test_accuracy_high": high,
        **{f"test_{name}": score[name] for name in ("seeds", "diverged", "epochs")},
    }


def _versus_key(unit: str) -> str:
    return f"error_minus_{unit}_baseline"


def _compared(data: ReportData) -> list[str]:
    """Units of the baselines that networks are compared with."""
    return sorted({versus.unit for row in data.front for versus in row.versus})


def _tested(data: ReportData) -> bool:
    return any(row.retrained for row in data.front)


def _row(row: ReportedTrial, line: dict[str, Any], data: ReportData) -> Row:
    """A network's cells: what files hold, and where people see it a text."""
    by_unit = {versus.unit: versus for versus in row.versus}
    values = {**row.trial.cost, **row.objectives}
    texts = {
        "trial": Cell(
            row.number,
            str(row.number),
            tags=tuple((tag, _TAGS[tag]) for tag in row.tags),
            more="\n".join(filter(None, (row.trial.baseline, _twins_text(row)))),
        ),
        **{name: Cell(values[name], show_cost(name, values[name])) for name in values},
        "error": Cell(row.error, show_percent(row.error), tone="strong"),
        _TEST: _test_cell(row.retrained),
        "depth": Cell(row.architecture.depth, str(row.architecture.depth)),
        "base_width": Cell(row.architecture.base_width, str(row.architecture.base_width)),
        "placement": Cell(line["placement"], stages=row.architecture.units),
        **{_versus_key(unit): _versus_cell(by_unit.get(unit), unit, row) for unit in _compared(data)},
    }
    cells = {**{name: Cell(value) for name, value in line.items()}, **texts}
    return Row(cells, identity=str(row.number), anchor=f"trial-{row.number}", tip=row.recipe_text)


def _twins_text(row: ReportedTrial) -> str:
    others = [str(number) for number in row.twins if number not in row.repeats]
    parts = [f"twins {', '.join(others)}"] if others else []
    parts += [f"repeated by {', '.join(map(str, row.repeats))}"] if row.repeats else []
    return "; ".join(parts)


def _test_cell(retrained: Retrained | None) -> Cell:
    if retrained is None:
        return Cell(text="not retrained", tone="dim")
    mean = show_percent(retrained.mean) if retrained.test_accuracy else NOTHING.text
    more = "\n".join(filter(None, (interval_text(retrained.interval), came_through(retrained))))
    return Cell(text=mean, more=more, tone="strong")


def _versus_cell(versus: Versus | None, unit: str, row: ReportedTrial) -> Cell:
    if versus is None:
        itself = row.trial.baseline.startswith(f"{unit} ")
        return Cell(text="is the baseline" if itself else "none as cheap", tone="dim")
    images = "" if versus.images is None else f"{versus.images:+d} images; ".replace("-", "−")
    more = f"{images}trial {versus.baseline.number}: {show_percent(versus.baseline.error)}"
    return Cell(versus.difference, f"{show_points(versus.difference)} points", more, tip=versus.baseline.baseline)


def _notes(data: ReportData) -> Iterator[str]:
    if data.front:
        key = ", ".join(f"{unit.sign} {unit.title}" for unit in units_of(data))
        yield f"Placement: {key}; a group per stage."
    if "noise_error" in data.objectives:
        yield NOISE_ERROR
    if data.front:
        yield f"Knee: {_TAGS['knee']}."
    if any(set(row.twins) - set(row.repeats) for row in data.front):
        tolerances = f"{ERROR_TOLERANCE * 100:g} points of error and {COST_TOLERANCE:.0%} of cost"
        yield f"Twins: trials with the same error and cost, within {tolerances}."
    if _compared(data):
        yield "Differences in error are to the most accurate baseline that costs no more; a minus means fewer errors."
    if _tested(data):
        yield "Test accuracy: mean over the seeds of retraining, and its 95 % interval."
    if data.front:
        yield caution(data)
    corner = ", ".join(
        f"{cost_label(name)} {show_percent(worst) if name == 'error' else show_cost(name, worst)}"
        for name, worst in data.reference.items()
    )
    yield f"Hypervolume: the share that the front dominates of the box up to {corner}."


def caution(data: ReportData) -> str:
    """What errors and comparisons are worth, and what to do about it where that is not done."""
    hint = (
        "Errors and comparisons are from single training runs on the validation split, which the search also chose by: "
        "they are a hint."
    )
    if data.front and all(row.retrained for row in data.front):
        return hint
    return f"{hint} To tell whether one network beats another takes several seeds and the test split: pure-nas retrain."


def units_of(data: ReportData) -> list[Unit]:
    """Units of the networks on the front."""
    occurring = {name for row in data.front for name in row.architecture.unit_set}
    return [get_unit(name) for name in unit_names() if name in occurring]
