"""The front as JSON, complete, and as CSV, one line a network; every trial and every curve as CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pure_nas.files import write_whole
from pure_nas.report.csv_text import csv_text
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.front_rows import FrontRow, caution
from pure_nas.report.retraining import score_document
from pure_nas.report.trial_tables import curves_csv, placement_cell, rate_columns, setting_columns, trials_csv
from pure_nas.run.directory import RunDirectory
from pure_nas.space.recipe import Recipe

SCHEMA = 1


def write_tables(run: RunDirectory, data: ReportData | None = None) -> list[Path]:
    """Write front.json, front.csv, trials.csv and curves.csv, from `data` where the caller has it already.

    Raises:
        RunError: the run is damaged, or a file cannot be written.
    """
    data = data or report_data(run)
    contents = {
        "front.json": front_json(data),
        "front.csv": front_csv(data),
        "trials.csv": trials_csv(data),
        "curves.csv": curves_csv(data),
    }
    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [run.path / name for name in contents]


def front_json(data: ReportData) -> str:
    """Every network of the front with its architecture, recipe and values."""
    content = {
        "schema": SCHEMA,
        "study": data.facts.study,
        "dataset": data.facts.dataset,
        "objectives": list(data.objectives),
        "reference": data.facts.reference,
        "hypervolume": data.facts.hypervolume,
        "comparison": caution(data.front),
        "front": [_entry(row) for row in data.front],
    }
    return json.dumps(_without_nan(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _entry(row: FrontRow) -> dict[str, Any]:
    return {
        "trial": row.number,
        "tags": list(row.tags),
        "twins": list(row.twins),
        "repeats": list(row.repeats),
        "baseline": row.baseline,
        "objectives": row.objectives,
        "metrics": row.metrics,
        "cost": row.cost,
        "seconds": row.seconds,
        "test": score_document(row.retrained) if row.retrained else None,
        "versus_baselines": [
            {
                "unit": versus.unit,
                "trial": versus.number,
                "baseline": versus.label,
                "error": versus.error,
                "difference": versus.difference,
                "images": versus.images,
            }
            for versus in row.versus
        ],
        "architecture": row.architecture,
        "recipe": row.recipe,
    }


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def front_csv(data: ReportData) -> str:
    """One line for each network of the front; stages are separated by "|", layers of the placement by blanks.

    Settings that were searched or are not the default have a column each, empty where the network does not read it.
    """
    return csv_text([_line(row, data) for row in data.front], ("trial", *data.objectives))


def _line(row: FrontRow, data: ReportData) -> dict[str, Any]:
    return {
        "trial": row.number,
        **{name: row.objectives[name] for name in data.objectives},
        **{name: value for name, value in row.cost.items() if name not in row.objectives},
        "kind": row.kind,
        "depth": row.depth,
        "base_width": row.base_width,
        "bottleneck": row.bottleneck,
        "placement": placement_cell(row.units),
        "tags": " ".join(row.tags),
        "twins": " ".join(map(str, row.twins)),
        "baseline": row.baseline,
        **{f"error_minus_{versus.unit}_baseline": versus.difference for versus in row.versus},
        **rate_columns(Recipe.model_validate(row.recipe)),
        **setting_columns(row.settings),
        "seconds": row.seconds,
        **_test_columns(row),
    }


def _test_columns(row: FrontRow) -> dict[str, Any]:
    """The test accuracy of a retrained network; no column where there is none."""
    if row.retrained is None:
        return {}
    score = score_document(row.retrained)
    low, high = score["interval"] or ("", "")
    return {
        "test_accuracy": "" if score["accuracy"] is None else score["accuracy"],
        "test_accuracy_low": low,
        "test_accuracy_high": high,
        **{f"test_{name}": score[name] for name in ("seeds", "diverged", "epochs")},
    }
