"""The files of a search's report: the front as JSON and CSV, every trial and every curve as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pure_nas.analysis.convergence import accuracies
from pure_nas.files import without_nan, write_whole
from pure_nas.report.data import ReportData, ReportedTrial
from pure_nas.report.front_table import caution, front_table
from pure_nas.report.retraining import score_document
from pure_nas.report.settings_text import (
    network_columns,
    plain_settings,
    rate_columns,
    searched_fields,
    setting_columns,
)
from pure_nas.report.table import csv_text
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import TrialRecord
from pure_nas.space.unit import PARAMETER_KINDS

SCHEMA = 1
_CURVE = ("trial", "epoch", "training_accuracy", "validation_accuracy", "training_loss", "validation_loss")


def write_data_files(run: RunDirectory, data: ReportData) -> list[Path]:
    """Write front.json, front.csv, trials.csv and curves.csv."""
    contents = {
        "front.json": json.dumps(front_document(data), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
        "front.csv": front_table(data).csv(),
        "trials.csv": trials_csv(data),
        "curves.csv": curves_csv(data),
    }
    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [run.path / name for name in contents]


def front_document(data: ReportData) -> dict[str, Any]:
    """The front as JSON holds it: every network with its architecture, recipe and values."""
    document: dict[str, Any] = without_nan(
        {
            "schema": SCHEMA,
            "run": data.path,
            "study": data.study,
            "dataset": str(data.settings.get("dataset", "")),
            "trials": sum(trial.counts for trial in data.trials),
            "objectives": data.objectives,
            "reference": data.reference,
            "hypervolume": data.results.hypervolume,
            "comparison": caution(data),
            "front": [_network(row) for row in data.front],
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
        "metrics": trial.metrics,
        "cost": trial.cost,
        "seconds": trial.seconds,
        "test": score_document(row.retrained) if row.retrained else None,
        "versus_baselines": [
            {
                "unit": versus.unit,
                "trial": versus.baseline.number,
                "baseline": versus.baseline.baseline,
                "error": versus.baseline.error,
                "difference": versus.difference,
                "images": versus.images,
            }
            for versus in row.versus
        ],
        "architecture": trial.candidate.architecture.model_dump(mode="json", by_alias=True),
        "recipe": trial.candidate.recipe.model_dump(mode="json", by_alias=True),
    }


def trials_csv(data: ReportData) -> str:
    """One line for each trial that has ended, however it ended; columns as in front.csv where both have them.

    A trial that repeats another has its values, and that trial's number in `replay_of`.
    """
    front = {row.number for row in data.front}
    searched = searched_fields(data.settings)
    lines = [_trial(trial, data, searched, on_front=trial.number in front) for trial in data.trials]
    return csv_text(lines, ("trial", "state", *data.objectives))


def _trial(trial: TrialRecord, data: ReportData, searched: frozenset[str], *, on_front: bool) -> dict[str, Any]:
    recipe = trial.candidate.recipe
    return {
        "trial": trial.number,
        "state": trial.state,
        **(dict(zip(data.objectives, trial.objectives, strict=True)) if trial.objectives else {}),
        **{name: value for name, value in trial.cost.items() if name not in data.objectives or not trial.objectives},
        "on_front": on_front,
        "baseline": trial.baseline,
        **network_columns(trial.candidate.architecture),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        **rate_columns(recipe),
        **{f"weight_decay_schedule_{kind}": recipe.weight_decay[kind].schedule for kind in PARAMETER_KINDS},
        **{f"weight_decay_end_{kind}": recipe.weight_decay[kind].end for kind in PARAMETER_KINDS},
        **setting_columns(plain_settings(trial.candidate, searched)),
        "seconds": trial.seconds,
        "replay_of": trial.replay_of,
        "reason": trial.reason,
    }


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
            **dict(zip(_CURVE, (trial.number, record["epoch"], seen, unseen, *losses), strict=True)),
            "learning_rate": record.get("learning_rate"),
            "seconds": record.get("seconds"),
        }
