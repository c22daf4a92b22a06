"""Every trial of a run as CSV: one line a trial, and one line an epoch of a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pure_nas.analysis.convergence import accuracies
from pure_nas.report.csv_text import csv_text
from pure_nas.report.data import ReportData
from pure_nas.report.plain_settings import plain_settings
from pure_nas.run.results import TrialRecord
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS

_CURVE = ("trial", "epoch", "training_accuracy", "validation_accuracy", "training_loss", "validation_loss")


def trials_csv(data: ReportData) -> str:
    """One line for each trial that has ended, however it ended; columns as in front.csv where both have them.

    A trial that repeats another has its values, and that trial's number in `replay_of`.
    """
    front = {row.number for row in data.front}
    lines = [_trial(trial, data, on_front=trial.number in front) for trial in data.trials]
    return csv_text(lines, ("trial", "state", *data.objectives))


def _trial(trial: TrialRecord, data: ReportData, *, on_front: bool) -> dict[str, Any]:
    architecture, recipe = trial.candidate.architecture, trial.candidate.recipe
    return {
        "trial": trial.number,
        "state": trial.state,
        **(dict(zip(data.objectives, trial.objectives, strict=True)) if trial.objectives else {}),
        **{name: value for name, value in trial.cost.items() if name not in data.objectives or not trial.objectives},
        "on_front": on_front,
        "baseline": trial.baseline,
        "kind": architecture.kind,
        "depth": architecture.depth,
        "base_width": architecture.base_width,
        "bottleneck": architecture.bottleneck,
        "placement": placement_cell(architecture.units),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        **rate_columns(recipe),
        **{f"weight_decay_schedule_{kind}": recipe.weight_decay[kind].schedule for kind in PARAMETER_KINDS},
        **{f"weight_decay_end_{kind}": recipe.weight_decay[kind].end for kind in PARAMETER_KINDS},
        **setting_columns(plain_settings(trial.candidate, data.searched)),
        "seconds": trial.seconds,
        "replay_of": trial.replay_of,
        "reason": trial.reason,
    }


def rate_columns(recipe: Recipe) -> dict[str, float]:
    """Learning rates and the weight decays that training starts with, of every parameter kind."""
    return {
        **{f"learning_rate_{kind}": recipe.learning_rate[kind] for kind in PARAMETER_KINDS},
        **{f"weight_decay_start_{kind}": recipe.weight_decay[kind].start for kind in PARAMETER_KINDS},
    }


def setting_columns(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are, unless they would leave the cell empty or have one value a stage."""
    return {name: _cell(value) for name, value in settings.items()}


def placement_cell(units: tuple[tuple[str, ...], ...]) -> str:
    """The unit of each layer; stages are separated by "|"."""
    return " | ".join(" ".join(stage) for stage in units)


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return " | ".join("-" if each is None else str(each) for each in value)
    return "none" if value is None else value


def curves_csv(data: ReportData) -> str:
    """One line for each epoch of each trial, also of those that diverged; accuracies from 0 to 1."""
    by_number = {trial.number: trial for trial in data.trials}
    return csv_text([line for trial in data.trials for line in _epochs(trial, by_number)], _CURVE)


def _epochs(trial: TrialRecord, by_number: Mapping[int, TrialRecord]) -> Iterator[dict[str, Any]]:
    records = trial.trained_in(by_number).curve
    training, validation = (accuracies(records, kind) for kind in ("training", "validation"))
    for record, seen, unseen in zip(records, training, validation, strict=True):
        losses = record.get("train_loss"), record.get("validation_loss")
        yield {
            **dict(zip(_CURVE, (trial.number, record.get("epoch"), seen, unseen, *losses), strict=True)),
            "learning_rate": record.get("learning_rate"),
            "seconds": record.get("seconds"),
        }
