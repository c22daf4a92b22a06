"""The findings of an experiment as JSON, complete, and as CSV: a line a network, a comparison and an epoch."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pure_nas.files import write_whole
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings, document
from pure_nas.findings.judged import Judged, Spread, Viewed
from pure_nas.findings.results import ExperimentResults
from pure_nas.findings.rows import Row
from pure_nas.report.table import csv_text
from pure_nas.run.directory import RunDirectory


def write_tables(run: RunDirectory, results: ExperimentResults, findings: Findings) -> list[Path]:
    """Write experiment.json, experiment.csv, comparisons.csv and curves.csv.

    Raises:
        RunError: a file cannot be written.
    """
    contents = {
        "experiment.json": json.dumps(document(results, findings), indent=2, allow_nan=False, ensure_ascii=False)
        + "\n",
        "experiment.csv": experiment_csv(findings),
        "comparisons.csv": csv_text([_comparison_line(each) for each in findings.comparisons], tuple(_COMPARED)),
        "curves.csv": csv_text(list(_curve_lines(findings)), _curve_columns(findings)),
    }
    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [run.path / name for name in contents]


def experiment_csv(findings: Findings) -> str:
    """One line for each network."""
    return csv_text([_line(row) for row in findings.rows])


def _line(row: Row) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    return {
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
        **(_judged(row.judged) if row.judged else {}),
        **{f"epochs_to_{each.target:g}": each.mean_epochs for each in row.convergence},
        **{f"seconds_to_{each.target:g}": each.mean_seconds for each in row.convergence},
        **{f"never_reached_{each.target:g}": each.missed for each in row.convergence},
    }


def _judged(judged: Judged) -> dict[str, float | None]:
    """Means over seeds; of a kind of noise over its levels too, of intensity over the changed ones."""
    changed = [each for each in judged.intensity if each.factor != 1]
    return {
        "judged_images": judged.images,
        "top5": _mean(judged.top5),
        "calibration_error": _mean(judged.calibration_error),
        **_viewed(judged.views),
        **{f"noise_{kind}": spread.mean for kind, spread in judged.noise_accuracy.items()},
        "intensity": _mean(judged.intensity_accuracy),
        "intensity_agreement": _mean_of(each.agreement for each in changed),
        "intensity_cosine": _mean_of(each.cosine for each in changed),
    }


def _viewed(views: Viewed | None) -> dict[str, float | None]:
    if views is None:
        return {}
    return {f"views_{views.name}": views.accuracy.mean, f"views_{views.name}_top5": _mean(views.top5)}


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread else None


def _mean_of(spreads: Iterable[Spread | None]) -> float | None:
    """Over those that are known; None where none is."""
    means = [each.mean for each in spreads if each]
    return statistics.fmean(means) if means else None


_COMPARED: Mapping[str, Callable[[Comparison], Any]] = {
    "network": lambda each: each.label,
    "compared_with": lambda each: each.reference,
    "measure": lambda each: each.measure.name,
    "kind": lambda each: each.measure.kind,
    "difference": lambda each: each.difference,
    "low": lambda each: each.low,
    "high": lambda each: each.high,
    "p": lambda each: each.p,
    "p_adjusted": lambda each: each.p_adjusted,
    "verdict": lambda each: each.said,
    "seeds": lambda each: each.seeds,
    "diverged": lambda each: each.diverged,
    "reference_seeds": lambda each: each.reference_seeds,
    "reference_diverged": lambda each: each.reference_diverged,
    "repeats": lambda each: " beside ".join(each.repeats or ()),
}
"""The columns that every comparison has; those of how soon an accuracy was reached follow where it was."""


def _comparison_line(comparison: Comparison) -> dict[str, Any]:
    line = {name: read(comparison) for name, read in _COMPARED.items()}
    for speed in comparison.speeds:
        for unit, found in (("epochs", speed.epochs), ("seconds", speed.seconds)):
            if found:
                name = f"times_fewer_{unit}_to_{speed.target:g}"
                line |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
    return line


def _curve_columns(findings: Findings) -> tuple[str, ...]:
    return "network", "epoch", f"{findings.curve_kind}_accuracy", "lowest", "highest"


def _curve_lines(findings: Findings) -> Iterable[dict[str, Any]]:
    columns = _curve_columns(findings)
    for row in findings.rows:
        for point in row.curve:
            yield dict(zip(columns, (row.label, point.epoch, point.mean, point.low, point.high), strict=True))
