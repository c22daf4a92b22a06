"""The tables of an experiment: the terminal, the page and the files show the same ones."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

from pure_nas.analysis.convergence import Speed
from pure_nas.analysis.statistics import Spread
from pure_nas.findings.findings import Comparison, Findings
from pure_nas.findings.rows import EvaluationOverSeeds, MeasureName, Row
from pure_nas.quantities import cost_label, counted, show_number, show_points, show_seconds
from pure_nas.report.convergence_table import Learner, convergence_table
from pure_nas.report.notes import notes
from pure_nas.report.table import (
    NETWORK,
    NOTHING,
    Cell,
    Column,
    Table,
    columns_of,
    interval_text,
    mean_text,
    number,
    p_value,
    points_text,
    share,
)
from pure_nas.report.table import Row as TableRow

_COMPARED_WITH = Column("compared_with", "compared with", "left")
_TONES = {"better": "better", "worse": "worse", "seeds diverged": "warning"}  # of the verdicts that have one
_COMPARISON_COUNTS = ("seeds", "diverged", "reference_seeds", "reference_diverged")
_COMPARISON_COLUMNS = (  # those of comparisons.csv; those of how soon an accuracy was reached follow where it was
    *("network", "compared_with", "measure", "kind", "difference", "low", "high", "p", "p_adjusted", "verdict"),
    *(*_COMPARISON_COUNTS, "repeats"),
)


def experiment_tables(findings: Findings) -> dict[str, Table]:
    """Every table that there is something for, in the order of reading; one without rows has notes to read."""
    compared = comparisons_table(findings.compared_by("accuracy"), f"Differences in {findings.split} accuracy")
    tables = {
        "networks": networks_table(findings),
        "comparisons": replace(compared, notes=notes("comparisons", findings)),
        "quality": _per_network(findings, "quality", _quality, "Further measures"),
        "views-differences": _differences(findings, "views", "averaged over views"),
        "noise": _per_network(findings, "noise", _noise, "Mean accuracy over the levels of each kind of noise"),
        "noise-differences": _differences(findings, "noise", "averaged over the levels of a kind of noise"),
        "intensity": _per_network(
            findings, "intensity", _intensity, "Accuracy when all values of an image are multiplied by a factor"
        ),
        "features": _per_network(
            findings,
            "features",
            lambda found: {f"× {each.factor:g}": number(_mean(each.cosine), 3) for each in found.intensity},
            "Cosine similarity to the features of the unchanged images",
        ),
        "intensity-differences": _differences(findings, "intensity", "averaged over the factors other than 1"),
        "convergence": _convergence(findings),
        "speeds": _speeds(findings),
    }
    noted = {name for name in ("comparisons", "convergence") if tables[name].notes}
    return {name: table for name, table in tables.items() if table.rows or name in noted}


def networks_table(findings: Findings) -> Table:
    """One row a network; files have every number of it, see experiment.csv."""
    results, rows, lines = findings.results, findings.rows, [_line(row) for row in findings.rows]
    several_tables = len({row.table for row in rows}) < len(rows)
    people = [
        NETWORK,
        Column("accuracy", "accuracy"),
        *([Column("interval", "95 % interval", detail=1)] if any(row.spread_interval for row in rows) else []),
        *([Column("seeds", "seeds", "left")] if any(row.diverged or row.missing for row in rows) else []),
        Column("params", "params", detail=2),
        Column("flops", cost_label("flops")),
        Column("depth", "depth", detail=3),
        Column("seconds", "time"),
    ]
    columns = (*(replace(each, files=False) for each in people), *columns_of(lines))
    cells = tuple(
        TableRow(line | _cells(row), identity=str(place), section=row.table if several_tables else "")
        for place, (row, line) in enumerate(zip(rows, lines, strict=True))
    )
    spread = ": mean ± standard deviation" if any(row.std is not None for row in rows) else ""
    epochs, seeds = counted(results.scale.epochs, "epoch"), counted(results.grid.seeds, "seed")
    title = f"{findings.split.capitalize()} accuracy, {epochs}, {seeds}{spread}"
    return Table("networks", columns, cells, title, notes("networks", findings))


def _line(row: Row) -> dict[str, Any]:
    """What files hold of a network, by column; of its evaluation means, of noise and intensity over their levels."""
    low, high = row.interval or (None, None)
    line = {
        "network": row.label,
        "repeats": row.repeats,
        "unit": row.kind,
        "recipe": row.recipe,
        row.axis or "place": row.place,
        "depth": row.depth,
        "params": row.params,
        "flops": row.flops,
        "seeds": len(row.accuracies),
        "accuracy": row.mean,
        "std": row.std,
        "low": low,
        "high": high,
        "diverged": row.diverged,
        "missing": row.missing,
        "seconds": row.seconds,
    }
    if found := row.evaluation:
        changed = [each for each in found.intensity if each.factor != 1]
        line |= {
            "judged_images": found.images,
            "top5": _mean(found.top5),
            "calibration_error": _mean(found.calibration_error),
        }
        if found.views:
            name = f"views_{found.views.name}"
            line |= {name: found.views.accuracy.mean, f"{name}_top5": _mean(found.views.top5)}
        line |= {
            **{f"noise_{kind}": spread.mean for kind, spread in found.noise_accuracy.items()},
            "intensity": _mean(found.intensity_accuracy),
            "intensity_agreement": _mean(*(each.agreement for each in changed)),
            "intensity_cosine": _mean(*(each.cosine for each in changed)),
        }
    return {
        **line,
        **{f"epochs_to_{each.target:g}": each.mean_epochs for each in row.convergence},
        **{f"seconds_to_{each.target:g}": each.mean_seconds for each in row.convergence},
        **{f"never_reached_{each.target:g}": each.missed for each in row.convergence},
    }


def _mean(*spreads: Spread | None) -> float | None:
    means = [each.mean for each in spreads if each]
    return statistics.fmean(means) if means else None


def _cells(row: Row) -> dict[str, Cell]:
    seeds = [str(len(row.accuracies))]
    seeds += [f"{row.diverged} diverged"] if row.diverged else []
    seeds += [f"{row.missing} to go"] if row.missing else []
    lost = "warning" if row.diverged else ""
    return {
        "network": _name(row),
        "accuracy": Cell(row.mean, accuracy_text(row), tone="dim" if row.mean is None else "strong"),
        "interval": Cell(text=interval_text(row.spread_interval, "") or NOTHING.text),
        "seeds": Cell(len(row.accuracies), ", ".join(seeds), "\n".join(row.reasons), tone=lost),
        "params": Cell(row.params, show_number(row.params)),
        "flops": Cell(row.flops, show_number(row.flops)),
        "seconds": NOTHING if row.seconds is None else Cell(row.seconds, show_seconds(row.seconds)),
    }


def _name(row: Row) -> Cell:
    return Cell(row.label, row.label, f"= {row.repeats}" if row.repeats else "", unit=row.kind)


def accuracy_text(row: Row) -> str:
    """Mean and standard deviation, or why there is none."""
    if row.accuracies:
        return mean_text(row.accuracies)
    return "every seed diverged" if row.diverged else "not trained yet"


def comparisons_table(compared: Sequence[Comparison], title: str = "") -> Table:
    """One row a comparison; files have more columns, those of how soon an accuracy was reached among them."""
    shown = (
        NETWORK,
        _COMPARED_WITH,
        Column("difference", "points"),
        Column("low", "95 % interval", detail=1),
        Column("p", "p", detail=2),
        Column("p_adjusted", "p, Holm"),
        Column("verdict", "verdict", "left"),
    )
    lines = [_comparison_cells(each) for each in compared]
    return Table("comparisons", columns_of(lines, shown, _COMPARISON_COLUMNS), tuple(map(TableRow, lines)), title)


def _comparison_cells(comparison: Comparison) -> dict[str, Cell]:
    difference = NOTHING.text if comparison.difference is None else show_points(comparison.difference)
    label, reference = comparison.repeats or ("", comparison.reference)
    same = f"= {label}" if label else ""
    same += "" if reference == comparison.reference else f", compared with {reference}"
    cells = {
        "network": Cell(comparison.label, comparison.label, same),
        "compared_with": Cell(comparison.reference, comparison.reference),
        "measure": Cell(comparison.measure.name),
        "kind": Cell(comparison.measure.kind),
        "difference": Cell(comparison.difference, f"({difference})" if comparison.of_survivors else difference),
        "low": Cell(comparison.low, points_text(comparison.interval) or NOTHING.text),
        "high": Cell(comparison.high),
        "p": p_value(comparison.p),
        "p_adjusted": p_value(comparison.p_adjusted),
        "verdict": Cell(comparison.verdict_text, comparison.verdict_text, tone=_TONES.get(comparison.verdict, "")),
        **{name: Cell(getattr(comparison, name)) for name in _COMPARISON_COUNTS},
        "repeats": Cell(" with ".join(comparison.repeats or ())),
    }
    for speed in comparison.speeds:
        for unit, found in (("epochs", speed.epochs), ("seconds", speed.seconds)):
            if found:
                name = f"times_fewer_{unit}_to_{speed.target:g}"
                cells |= {name: Cell(found.mean), f"{name}_low": Cell(found.low), f"{name}_high": Cell(found.high)}
    return cells


def _differences(findings: Findings, name: MeasureName, averaged: str) -> Table:
    """The comparisons by another measure than the plain accuracy: a row a pair of networks, a column a kind."""
    compared = findings.compared_by(name)
    kinds = dict.fromkeys(each.measure.kind for each in compared)
    columns = (NETWORK, _COMPARED_WITH, *(Column(kind, kind or "difference", brief=True) for kind in kinds))
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for each in compared:
        own = _comparison_cells(each)
        cells = rows.setdefault((each.label, each.reference), dict(own))
        test = (
            f"{own['low'].text}\np {own['p'].text}, {own['p_adjusted'].text} corrected\n" if each.p is not None else ""
        )
        text = f"{own['difference'].text}{' *' if each.shown else ''}"
        more = f"{test}{each.verdict_text}"
        cells[each.measure.kind] = Cell(each.difference, text, more, tone=own["verdict"].tone)
    title = f"Differences in accuracy {averaged}, in points"
    return Table("differences", columns, tuple(map(TableRow, rows.values())), title, notes("differences", compared))


def _per_network(
    findings: Findings, name: str, cells_of: Callable[[EvaluationOverSeeds], dict[str, Cell]], title: str
) -> Table:
    """A row for each network that was evaluated; its cells by the titles of their columns."""
    cells = {place: cells_of(row.evaluation) for place, row in enumerate(findings.rows) if row.evaluation}
    titles = dict.fromkeys(title for found in cells.values() for title in found)
    rows = (TableRow({"network": _name(findings.rows[place]), **found}, str(place)) for place, found in cells.items())
    columns = (NETWORK, *(Column(each, each, brief=True) for each in titles))
    return Table(name, columns, tuple(rows) if titles else (), title, notes(name, findings))


def _quality(found: EvaluationOverSeeds) -> dict[str, Cell]:
    spreads = {"top-5": found.top5}
    if found.views:
        name = found.views.name
        spreads |= {f"{name}, top-1": found.views.accuracy, f"{name}, top-5": found.views.top5}
    return _shares({**spreads, "calibration error": found.calibration_error})


def _noise(found: EvaluationOverSeeds) -> dict[str, Cell]:
    if not found.noise:
        return {}
    (clean, *_), *_ = found.noise.values()
    return _shares({"no noise": clean.accuracy, **found.noise_accuracy})


def _shares(spreads: Mapping[str, Spread | None]) -> dict[str, Cell]:
    return {title: share(spread.mean) for title, spread in spreads.items() if spread}


def _intensity(found: EvaluationOverSeeds) -> dict[str, Cell]:
    return {
        f"× {each.factor:g}": replace(share(each.accuracy.mean), more=f"{100 * each.agreement.mean:.0f} % same class")
        for each in found.intensity
    }


def _convergence(findings: Findings) -> Table:
    learners = [Learner(row.label, row.kind, row.convergence, str(place)) for place, row in enumerate(findings.rows)]
    table = convergence_table(learners) or Table("convergence", (), ())
    title = f"Epochs / training time until the {findings.results.curve_kind} accuracy first reached a value"
    return replace(table, title=title, notes=notes("convergence", findings))


def _speeds(findings: Findings) -> Table:
    """How many times fewer epochs and seconds a network took than the one that it is compared with."""
    compared = [each for each in findings.comparisons if each.speeds]
    targets = sorted({speed.target for each in compared for speed in each.speeds})
    columns = [Column(f"{target:g}", f"{100 * target:g} %", brief=True) for target in targets]
    rows = (
        TableRow({**_comparison_cells(each), **{f"{speed.target:g}": _speed(speed) for speed in each.speeds}})
        for each in compared
    )
    title = "Times fewer epochs / seconds than the network compared with"
    return Table("speeds", (NETWORK, _COMPARED_WITH, *columns), tuple(rows), title, notes("speeds"))


def _speed(speed: Speed) -> Cell:
    ratios = [found for found in (speed.epochs, speed.seconds) if found]
    spread = " / ".join(f"{found.low:.2f} to {found.high:.2f}" for found in ratios)
    means = " / ".join(f"{found.mean:.2g}" for found in ratios)
    return Cell(speed.epochs.mean, means, speed.against, tip=f"{spread} between any two seeds")


def curves_table(findings: Findings) -> Table:
    """One row an epoch of a network, for files."""
    keys = ("network", "epoch", f"{findings.results.curve_kind}_accuracy", "lowest", "highest")
    lines = ((row.label, epoch, *astuple(found)) for row in findings.rows for epoch, found in row.curve.items())
    return Table.of("curves", map(Column, keys), lines)
