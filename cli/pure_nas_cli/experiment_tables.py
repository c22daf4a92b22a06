"""The findings of an experiment as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from pure_nas.experiment.findings import Findings, document, findings_of
from pure_nas.experiment.judged import Judged, MeasureName, Spread
from pure_nas.experiment.results import ExperimentResults, load_experiment_results
from pure_nas.experiment.rows import Row
from pure_nas.report.experiment import write_experiment_report
from pure_nas.run_directory import RunDirectory
from pure_nas_cli.console import stdout
from pure_nas_cli.experiment_comparisons import comparison_notes, comparison_tables, further_differences
from pure_nas_cli.plain_tables import fitting, plain_table
from pure_nas_cli.quantities import show_count, show_seconds, show_size

_INTERVAL = "95 % interval"


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
    networks = fitting(stdout, (_networks(findings, brief=brief) for brief in (False, True)))
    interval = ", 95 % interval" if any(column.header == _INTERVAL for column in networks.columns) else ""
    stdout.print(
        f"{split.capitalize()} accuracy, {epochs}, {seeds}: mean ± standard deviation{interval}",
        style="italic",
    )
    stdout.print(networks)
    compared = findings.compared_by("accuracy")
    if compared:
        stdout.print(fitting(stdout, comparison_tables(compared)))
        stdout.print(comparison_notes(findings), style="dim")
    for title, judged in _judged(findings):
        if title:
            stdout.print(title, style="italic")
        stdout.print(judged)
    reached = fitting(stdout, (_convergence(findings, brief=brief) for brief in (False, True)))
    if reached.row_count:
        stdout.print(f"Epochs until the {findings.curve_kind} accuracy first reached", style="italic")
        stdout.print(reached)
        if any(each.missed and each.epochs for row in findings.rows for each in row.convergence):
            stdout.print("In brackets: seeds that never did; the mean is of the others.", style="dim")


def _networks(findings: Findings, *, brief: bool) -> Table:
    table = plain_table("network", "accuracy", *([] if brief else [_INTERVAL]), "params", "flops", "time")
    alone = len({row.table for row in findings.rows}) == len(findings.rows)
    last = None
    for row in findings.rows:
        if last is not None and row.table != last and not alone:
            table.add_section()
        last = row.table
        table.add_row(
            row.label,
            _accuracy(row),
            *([] if brief else [_interval(row)]),
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
    return f"{100 * row.told[0]:.2f} to {100 * row.told[1]:.2f}" if row.told else "–" if row.interval else ""


def _judged(findings: Findings) -> Iterator[tuple[str, Table]]:
    """What networks were judged by beside the error, as far as they were, each with its differences."""
    rows = [(row.label, row.judged) for row in findings.rows if row.judged]
    views = list(dict.fromkeys(name for _, judged in rows for name in judged.views))
    if any(judged.top5 or judged.calibration_error or judged.views for _, judged in rows):
        table = plain_table("network", "top-5", "calibration error", *(f"{name}, top-1" for name in views))
        for label, judged in rows:
            cells = (judged.top5, judged.calibration_error, *(judged.views.get(name) for name in views))
            table.add_row(label, *map(_share, cells))
        yield "Judged further", table
        yield from _differences(findings, "views")
    kinds = list(dict.fromkeys(kind for _, judged in rows for kind in judged.noise))
    if kinds:
        table = plain_table("network", "no noise", *kinds)
        for label, judged in rows:
            clean = next(iter(judged.noise.values()))[0].accuracy
            table.add_row(label, _share(clean), *(_share(judged.noise_accuracy.get(kind)) for kind in kinds))
        yield "Mean accuracy over the levels of each kind of noise", table
        yield from _differences(findings, "noise")
    if any(judged.intensity for _, judged in rows):
        yield (
            "Accuracy when intensity is multiplied, in percent",
            fitting(stdout, (_intensity(rows, digits=digits) for digits in (2, 1))),
        )
        yield from _differences(findings, "intensity")


def _differences(findings: Findings, name: MeasureName) -> Iterator[tuple[str, Table]]:
    table = further_differences(findings, name)
    if table:
        yield "", table


def _intensity(rows: Sequence[tuple[str, Judged]], *, digits: int) -> Table:
    factors = [point.factor for point in rows[0][1].intensity]
    table = plain_table("network", *(f"x{factor:g}" for factor in factors))
    for label, judged in rows:
        table.add_row(label, *(f"{100 * point.accuracy.mean:.{digits}f}" for point in judged.intensity))
    return table


def _share(spread: Spread | None) -> str:
    return "-" if spread is None else f"{100 * spread.mean:.2f} %"


def _convergence(findings: Findings, *, brief: bool) -> Table:
    """A column for each accuracy that something reached."""
    targets = [
        (index, each.target)
        for index, each in enumerate(findings.rows[0].convergence if findings.rows else ())
        if any(row.convergence[index].epochs for row in findings.rows)
    ]
    table = plain_table("network", *(f"{100 * target:g} %" for _, target in targets))
    for row in findings.rows if targets else ():
        table.add_row(row.label, *(_epochs(row, index, brief=brief) for index, _ in targets))
    return table


def _epochs(row: Row, index: int, *, brief: bool) -> str:
    found = row.convergence[index]
    if found.mean_epochs is None:
        return "-"
    missed = f" ({found.missed}{'' if brief else ' never'})" if found.missed else ""
    return f"{found.mean_epochs:.1f}{missed}"
