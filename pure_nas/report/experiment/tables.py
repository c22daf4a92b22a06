"""The findings of an experiment as JSON, complete, and as CSV: a line a network, a comparison and an epoch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pure_nas.experiment.compared import Comparison
from pure_nas.experiment.findings import Findings, document
from pure_nas.experiment.judged import Judged, Spread
from pure_nas.experiment.results import ExperimentResults
from pure_nas.experiment.rows import Row
from pure_nas.run_directory import RunDirectory, write_whole


def write_tables(run: RunDirectory, results: ExperimentResults, findings: Findings) -> list[Path]:
    """Write experiment.json, experiment.csv, comparisons.csv and curves.csv.

    Raises:
        RunError: a file cannot be written.
    """
    contents = {
        "experiment.json": json.dumps(document(results, findings), indent=2, allow_nan=False, ensure_ascii=False)
        + "\n",
        "experiment.csv": _csv([_line(row) for row in findings.rows]),
        "comparisons.csv": _csv([_comparison_line(each) for each in findings.comparisons]),
        "curves.csv": _csv(list(_curve_lines(findings))),
    }
    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [run.path / name for name in contents]


def _line(row: Row) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    return {
        "network": row.label,
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
        **(_judged(row.judged) if row.judged else {}),
        **{f"epochs_to_{each.target:g}": each.mean_epochs for each in row.convergence},
        **{f"seconds_to_{each.target:g}": each.mean_seconds for each in row.convergence},
        **{f"never_reached_{each.target:g}": each.missed for each in row.convergence},
    }


def _judged(judged: Judged) -> dict[str, float | None]:
    """Means over seeds; of a kind of noise over its levels too, of intensity over the changed ones."""
    return {
        "top5": _mean(judged.top5),
        "calibration_error": _mean(judged.calibration_error),
        **{f"views_{name}": spread.mean for name, spread in judged.views.items()},
        **{f"noise_{kind}": spread.mean for kind, spread in judged.noise_accuracy.items()},
        "intensity": _mean(judged.intensity_accuracy),
    }


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread else None


def _comparison_line(comparison: Comparison) -> dict[str, Any]:
    return {
        "network": comparison.label,
        "compared_with": comparison.reference,
        "measure": comparison.measure.name,
        "kind": comparison.measure.kind,
        "difference": comparison.difference,
        "low": comparison.low,
        "high": comparison.high,
        "p": comparison.p,
        "p_adjusted": comparison.p_adjusted,
        "verdict": comparison.said,
        "seeds": comparison.seeds,
        "diverged": comparison.diverged,
        "reference_seeds": comparison.reference_seeds,
        "reference_diverged": comparison.reference_diverged,
        "repeats": " beside ".join(comparison.repeats or ()),
        **{f"times_fewer_epochs_to_{target}": ratio for target, ratio in comparison.speed.items()},
    }


def _curve_lines(findings: Findings) -> Iterable[dict[str, Any]]:
    for row in findings.rows:
        for point in row.curve:
            yield {
                "network": row.label,
                "epoch": point.epoch,
                f"{findings.curve_kind}_accuracy": point.mean,
                "lowest": point.low,
                "highest": point.high,
            }


def _csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """The union of all lines' columns, in their order."""
    columns = dict.fromkeys(name for line in lines for name in line)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
