"""The findings of an experiment as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pure_nas.experiment.findings import Comparison, Findings, Row, document, findings_of
from pure_nas.experiment.judged import Spread
from pure_nas.experiment.results import ExperimentResults, load_experiment_results
from pure_nas.report.experiment import write_experiment_report
from pure_nas.run_directory import RunDirectory
from pure_nas_cli.console import stdout
from pure_nas_cli.quantities import show_count, show_seconds, show_size

_VERDICT = "so"
_STYLES = {"better": "green", "worse": "red", "diverged": "yellow"}


def show_findings(run: RunDirectory, *, as_json: bool) -> list[Path]:
    """Print what an experiment has found, then write its report, which takes longer and may fail; its files."""
    results = load_experiment_results(run)
    findings = findings_of(results)
    try:
        if as_json:
            print(json.dumps(document(results, findings), indent=2), flush=True)
        else:
            print_findings(results, findings)
    finally:
        # Whoever reads the tables may have left (| head -1): that must not cost the report.
        written = write_experiment_report(run, results, findings)
    return written


def print_findings(results: ExperimentResults, findings: Findings) -> None:
    """Print accuracies, comparisons and convergence, and what they mean."""
    split, seeds = results.file.split, show_count(results.grid.seeds, "seed")
    epochs = show_count(results.scale.epochs, "epoch")
    stdout.print(
        f"{split.capitalize()} accuracy after {epochs}: mean, standard deviation and 95 % interval over {seeds}",
        style="italic",
    )
    stdout.print(_networks(findings))
    if findings.comparisons:
        stdout.print(_comparisons(findings))
        stdout.print(_comparison_note(findings), style="dim")
    for title, judged in _judged(findings):
        stdout.print(title, style="italic")
        stdout.print(judged)
    reached = _convergence(findings)
    if reached.row_count:
        stdout.print(f"Epochs until the {findings.curve_kind} accuracy first reached", style="italic")
        stdout.print(reached)


def _plain(*columns: str) -> Table:
    """A table of numbers, names on the left, verdicts on the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(columns):
        left = index == 0 or name == _VERDICT
        table.add_column(name, justify="left" if left else "right", no_wrap=not left)
    return table


def _networks(findings: Findings) -> Table:
    table = _plain("network", "accuracy", "95 % interval", "params", "flops", "time")
    alone = len({row.table for row in findings.rows}) == len(findings.rows)
    last = None
    for row in findings.rows:
        if last is not None and row.table != last and not alone:
            table.add_section()
        last = row.table
        table.add_row(
            row.label,
            _accuracy(row),
            _interval(row),
            show_size(row.params),
            show_size(row.flops),
            show_seconds(row.seconds) if row.seconds is not None else "",
        )
    return table


def _accuracy(row: Row) -> Text:
    text = Text()
    if row.mean is not None:
        text.append(f"{100 * row.mean:.2f}")
        text.append(f" ± {100 * row.std:.2f} %" if row.std is not None else " %")
    notes = [f"{row.diverged} diverged"] if row.diverged else []
    notes += [f"{row.missing} to go"] if row.missing else []
    if notes:
        text.append(f"{' ' if text.plain else ''}({', '.join(notes)})", "yellow" if row.diverged else "dim")
    return text


def _interval(row: Row) -> str:
    return f"{100 * row.interval[0]:.2f} to {100 * row.interval[1]:.2f}" if row.interval else ""


def _comparisons(findings: Findings) -> Table:
    table = _plain("compared", "difference", "95 % interval", "p", _VERDICT)
    for each in findings.comparisons:
        table.add_row(
            f"{each.label} - {each.reference}",
            f"{100 * each.difference:+.2f}" if each.difference is not None else "",
            f"{100 * each.low:+.2f} to {100 * each.high:+.2f}"
            if each.low is not None and each.high is not None
            else "",
            _p_value(each),
            Text(each.verdict, _STYLES.get(each.verdict, "")),
        )
    return table


def _p_value(comparison: Comparison) -> str:
    if comparison.p_adjusted is None:
        return ""
    return "< 0.001" if comparison.p_adjusted < 0.001 else f"{comparison.p_adjusted:.3f}"


def _comparison_note(findings: Findings) -> str:
    note = "Differences in points of accuracy, intervals by Welch."
    if findings.tests > 1:
        note += f" p is corrected for the {findings.tests} comparisons (Holm)."
    return note


def _judged(findings: Findings) -> Iterator[tuple[str, Table]]:
    """What networks were judged by beside the error, as far as they were."""
    rows = [(row.label, row.judged) for row in findings.rows if row.judged]
    views = list(dict.fromkeys(name for _, judged in rows for name in judged.views))
    if any(judged.top5 or judged.calibration_error for _, judged in rows):
        table = _plain("network", "top-5", "calibration error", *(f"{name}, top-1" for name in views))
        for label, judged in rows:
            cells = (judged.top5, judged.calibration_error, *(judged.views.get(name) for name in views))
            table.add_row(label, *map(_share, cells))
        yield "Judged further", table
    kinds = list(dict.fromkeys(kind for _, judged in rows for kind in judged.noise))
    if kinds:
        table = _plain("network", "no noise", *kinds)
        for label, judged in rows:
            clean = next(iter(judged.noise.values()))[0].accuracy
            table.add_row(label, _share(clean), *(_share(judged.noise_accuracy.get(kind)) for kind in kinds))
        yield "Mean accuracy over the levels of each kind of noise", table
    if any(judged.intensity for _, judged in rows):
        factors = [point.factor for point in rows[0][1].intensity]
        table = _plain("network", *(f"x{factor:g}" for factor in factors))
        for label, judged in rows:
            table.add_row(label, *(_share(point.accuracy) for point in judged.intensity))
        yield "Accuracy when intensity is multiplied", table


def _share(spread: Spread | None) -> str:
    return "-" if spread is None else f"{100 * spread.mean:.2f} %"


def _convergence(findings: Findings) -> Table:
    """A column for each accuracy that something reached."""
    targets = [
        (index, each.target)
        for index, each in enumerate(findings.rows[0].convergence if findings.rows else ())
        if any(row.convergence[index].epochs for row in findings.rows)
    ]
    table = _plain("network", *(f"{100 * target:g} %" for _, target in targets))
    for row in findings.rows if targets else ():
        table.add_row(row.label, *(_epochs(row, index) for index, _ in targets))
    return table


def _epochs(row: Row, index: int) -> str:
    found = row.convergence[index]
    if found.mean_epochs is None:
        return "-"
    missed = f" ({found.missed} never)" if found.missed else ""
    return f"{found.mean_epochs:.1f}{missed}"
