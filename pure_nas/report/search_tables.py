"""The tables of a search, for people and as front.csv, front.json, trials.csv and curves.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pure_nas.analysis.convergence import accuracies
from pure_nas.analysis.standing import Standing
from pure_nas.files import without_nan
from pure_nas.findings.early_stopping import EarlyStopping
from pure_nas.quantities import cost_label, counted, show_cost, show_percent, show_points
from pure_nas.report.data import ReportData, ReportedTrial, Versus, plain_settings, product_share, searched_fields
from pure_nas.report.notes import TAGS, notes
from pure_nas.report.paired import paired_table
from pure_nas.report.retraining_tables import came_through, score_document
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table, columns_of, interval_text, number, share
from pure_nas.run.retrained import Row as Retrained
from pure_nas.run.search_results import TrialRecord
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS, UNITS, Unit

SCHEMA = 1
_MOST_INCOMPLETE = 200
_MEASURED = ("training_accuracy", "validation_accuracy", "training_loss", "validation_loss", "learning_rate", "seconds")


def front_table(data: ReportData) -> Table:
    """The networks of the front, lowest error first, next to the best baselines; files have more columns."""
    compared = {versus.unit for row in data.front for versus in row.versus}
    shown = (
        Column("trial", "trial", "left"),
        Column("error", "error"),
        Column("front_share", "on front"),
        Column("test", "test accuracy", detail=1, files=False),
        *(Column(name, cost_label(name)) for name in (*data.objectives[1:], "params")),
        Column("depth", "depth", detail=3),
        Column("base_width", "width", detail=3),
        Column("placement", "placement", "left"),
        *(Column(_versus_key(unit), f"vs. {unit} baseline", detail=2) for unit in compared),
    )
    tested = any(row.retrained for row in data.front)
    lines = [_cells(row, tested=tested) for row in data.front]
    columns = columns_of(lines, shown) or columns_of((), shown, ("trial", *data.objectives))
    rows = (
        Row(
            {_versus_key(unit): _no_baseline(unit, row) for unit in compared} | line,
            identity=str(row.number),
            anchor=f"trial-{row.number}",
            tip=row.recipe_text,
        )
        for row, line in zip(data.front, lines, strict=True)
    )
    title = f"Front: {counted(len(lines), 'network')}, hypervolume {data.results.hypervolume:.4f}"
    return Table("front", columns, tuple(rows), title, notes("front", data, units_of(data)))


def _cells(row: ReportedTrial, *, tested: bool) -> dict[str, Any]:
    """A network of the front by column: what files hold, and where people see it a text."""
    trial, recipe = row.trial, row.trial.candidate.recipe
    others = {**row.objectives, **trial.cost, **row.objectives}  # in this order, and measured as objectives where both
    del others["error"]
    return {
        "trial": Cell(
            row.number,
            str(row.number),
            tags=tuple((tag, TAGS[tag]) for tag in row.tags),
            more="\n".join(filter(None, (trial.label, _twins_text(row)))),
        ),
        "error": Cell(row.error, show_percent(row.error), _seeds_text(row.standing), tone="strong"),
        **(_standing_fields(row.standing) if row.standing else {}),
        **({"test": _test_cell(row.retrained)} if tested else {}),
        **{name: Cell(value, show_cost(name, value)) for name, value in others.items()},
        **_network_fields(row.architecture),
        "tags": " ".join(row.tags),
        "twins": " ".join(map(str, row.twins)),
        "baseline": trial.baseline,
        **{_versus_key(versus.unit): _versus_cell(versus) for versus in row.versus},
        **_rate_fields(recipe),
        **_setting_fields(row.settings),
        "seconds": trial.seconds,
        **(_test_fields(row.retrained) if row.retrained else {}),
    }


def _twins_text(row: ReportedTrial) -> str:
    others = [str(number) for number in row.twins if number not in row.repeats]
    parts = [f"twins {', '.join(others)}"] if others else []
    parts += [f"repeated by {', '.join(map(str, row.repeats))}"] if row.repeats else []
    return "; ".join(parts)


def _seeds_text(standing: Standing | None) -> str:
    if standing is None:
        return ""
    return f"{counted(standing.seeds, 'seed')}, {interval_text((standing.low, standing.high))}"


def _standing_fields(standing: Standing) -> dict[str, Any]:
    return {
        "seeds": standing.seeds,
        "error_low": standing.low,
        "error_high": standing.high,
        "front_share": share(standing.on_front, 0),
    }


def _test_cell(retrained: Retrained | None) -> Cell:
    if retrained is None:
        return Cell(text="not retrained", tone="dim")
    mean = show_percent(retrained.mean) if retrained.test_accuracy else NOTHING.text
    more = "\n".join(filter(None, (interval_text(retrained.interval), came_through(retrained))))
    return Cell(text=mean, more=more, tone="strong")


def _test_fields(retrained: Retrained) -> dict[str, Any]:
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


def _versus_cell(versus: Versus) -> Cell:
    images = "" if versus.images is None else f"{versus.images:+d} images; ".replace("-", "−")
    more = f"{images}trial {versus.trial}: {show_percent(versus.error)}"
    return Cell(versus.difference, f"{show_points(versus.difference)} points", more, tip=versus.baseline)


def _no_baseline(unit: str, row: ReportedTrial) -> Cell:
    itself = row.trial.baseline.startswith(f"{unit} ")
    return Cell(text="is the baseline" if itself else "none as cheap", tone="dim")


def units_of(data: ReportData) -> list[Unit]:
    """Units of the networks on the front."""
    occurring = {name for row in data.front for name in row.architecture.unit_set}
    return [UNITS.get(name) for name in UNITS.names if name in occurring]


def pairs_table(data: ReportData) -> Table | None:
    """Networks of the front compared image by image; None where nothing tells which they got right."""
    return paired_table(data.pairs, "Neighbours on the front, and the best, image by image") if data.pairs else None


def placement_table(front: Sequence[ReportedTrial]) -> Table:
    """A cell for each residual layer, and how much of each network and of each stage multiplies."""
    stages = list(zip_longest(*(row.architecture.units for row in front), fillvalue=()))
    names = [f"stage {number}" for number in range(1, len(stages) + 1)]
    columns = (
        Column("trial", "trial", "left"),
        Column("error", "error"),
        *(Column(name, name, "left") for name in names),
        Column("product", "product"),
    )
    rows = []
    for place, row in enumerate(front):
        number, share = str(row.number), _share_text(sum(row.architecture.units, ()))
        layers = (Cell(stages=(stage[place],)) for stage in stages)
        rows.append(Row.of(columns, [number, show_percent(row.error), *layers, share], identity=number))
    shares = [_share_text(sum(stage, ())) for stage in stages]
    return Table("placement", columns, (*rows, Row.of(columns, ["product share", "", *shares, ""], tone="dim")))


def _share_text(names: Sequence[str]) -> str:
    return show_percent(product_share(names), 0)


def incomplete_table(trials: Sequence[TrialRecord]) -> Table:
    """Trials that diverged, failed or were rejected, with reasons."""
    incomplete = [trial for trial in trials if trial.state != "complete"]
    columns = (Column("trial", "trial"), *(Column(name, name, "left") for name in ("state", "reason", "placement")))
    lines = (
        [each.number, each.state, each.reason, Cell(stages=each.candidate.architecture.units)]
        for each in incomplete[:_MOST_INCOMPLETE]
    )
    more = len(incomplete) - _MOST_INCOMPLETE
    return Table.of("incomplete", columns, lines, "", (f"{more:,} more are in trials.csv.",) if more > 0 else ())


def early_stopping_table(found: EarlyStopping) -> Table:
    """Each epoch after which trials may end: how many did, and how well errors foretell those at the end."""
    columns = (
        Column("epoch", "after epoch"),
        Column("reached", "trials"),
        Column("stopped", "ended here"),
        Column("tau", "Kendall's tau with the end"),
    )
    lines = ([each.epoch, each.reached, each.stopped, number(each.tau, 2)] for each in found.rungs)
    return Table.of("rungs", columns, lines, notes=notes("early_stopping", found))


def front_document(data: ReportData) -> dict[str, Any]:
    """The front as JSON holds it: every network with its architecture, recipe and values."""
    pairs = pairs_table(data)
    document: dict[str, Any] = without_nan(
        {
            "schema": SCHEMA,
            "run": data.path,
            "study": data.settings["study"],
            "dataset": str(data.settings.get("dataset", "")),
            "trials": sum(trial.counts for trial in data.trials),
            "objectives": data.objectives,
            "reference": data.reference,
            "hypervolume": data.results.hypervolume,
            "comparison": notes("caution", data)[0],
            "front": [_network(row) for row in data.front],
            "image_by_image": pairs.records() if pairs else [],
        }
    )
    return document


def _network(row: ReportedTrial) -> dict[str, Any]:
    trial = row.trial
    return {
        "trial": trial.number,
        "tags": row.tags,
        "twins": row.twins,
        "repeats": row.repeats,
        "baseline": trial.baseline,
        "objectives": row.objectives,
        "errors": trial.errors,
        "standing": row.standing and vars(row.standing),
        "metrics": trial.metrics,
        "cost": trial.cost,
        "seconds": trial.seconds,
        "test": score_document(row.retrained) if row.retrained else None,
        "versus_baselines": [versus._asdict() for versus in row.versus],
        "architecture": trial.candidate.architecture.model_dump(mode="json", by_alias=True),
        "recipe": trial.candidate.recipe.model_dump(mode="json", by_alias=True),
    }


def trials_table(data: ReportData) -> Table:
    """One line for each trial that has ended, however it ended; columns as in front.csv where both have them."""
    front, searched = {row.number for row in data.front}, searched_fields(data.settings)
    records = []
    for trial in data.trials:
        architecture, recipe = trial.candidate.architecture, trial.candidate.recipe
        objectives = dict(zip(data.objectives, trial.objectives, strict=False))
        confirmed = {"seeds": 1 + len(trial.seeds)} if data.results.confirmed and trial.objectives else {}
        records.append(
            {
                "trial": trial.number,
                "state": trial.state,
                **{**objectives, **trial.cost, **objectives},
                **confirmed,
                "on_front": trial.number in front,
                "baseline": trial.baseline,
                **({"source": trial.source} if trial.source else {}),
                **_network_fields(architecture),
                "epochs": recipe.epochs,
                "batch_size": recipe.batch_size,
                **_rate_fields(recipe),
                **{f"weight_decay_schedule_{kind}": recipe.weight_decay[kind].schedule for kind in PARAMETER_KINDS},
                **{f"weight_decay_end_{kind}": recipe.weight_decay[kind].end for kind in PARAMETER_KINDS},
                **_setting_fields(plain_settings(architecture, recipe, searched=searched)),
                "seconds": trial.seconds,
                "replay_of": trial.replay_of,
                "stopped_after": trial.stopped_after,
                "reason": trial.reason,
            }
        )
    columns = columns_of(records, first=("trial", "state", *data.objectives))
    return Table("trials", columns, tuple(map(Row, records)))


def _network_fields(architecture: Architecture) -> dict[str, Any]:
    return {
        "kind": architecture.kind,
        "depth": architecture.depth,
        "base_width": architecture.base_width,
        "bottleneck": architecture.bottleneck,
        "placement": Cell(" | ".join(map(" ".join, architecture.units)), stages=architecture.units),
    }


def _rate_fields(recipe: Recipe) -> dict[str, float]:
    return {
        **{f"learning_rate_{kind}": recipe.learning_rate[kind] for kind in PARAMETER_KINDS},
        **{f"weight_decay_start_{kind}": recipe.weight_decay[kind].start for kind in PARAMETER_KINDS},
    }


def _setting_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are, unless they would leave the cell empty or have one value a stage."""
    fields = {name: "none" if value is None else value for name, value in settings.items()}
    stages = {name: value for name, value in fields.items() if isinstance(value, tuple)}
    return fields | {
        name: " | ".join("-" if each is None else str(each) for each in value) for name, value in stages.items()
    }


def curves_table(data: ReportData) -> Table:
    """One line for each epoch of each trial, also of those that diverged; accuracies from 0 to 1."""
    by_number = {trial.number: trial for trial in data.trials}
    lines = (line for trial in data.trials for line in _epochs(trial.number, trial.trained_in(by_number).curve))
    return Table.of("curves", map(Column, ("trial", "epoch", *_MEASURED)), lines)


def _epochs(trial: int, curve: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    training, validation = (accuracies(curve, kind) for kind in ("training", "validation"))
    for record, *both in zip(curve, training, validation, strict=True):
        rest = map(record.get, ("train_loss", "validation_loss", "learning_rate", "seconds"))
        yield trial, record["epoch"], *both, *rest
