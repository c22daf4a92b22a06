"""The findings of an experiment as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from rich.table import Table
from rich.text import Text

from pure_nas.analysis.convergence import Convergence
from pure_nas.findings.caveats import includes_plain, judged_on, unreached
from pure_nas.findings.findings import Findings, document, findings_of
from pure_nas.findings.judged import Judged, MeasureName, Spread
from pure_nas.findings.results import ExperimentResults, load_experiment_results
from pure_nas.findings.rows import Row
from pure_nas.quantities import counted, show_number, show_seconds
from pure_nas.report.experiment import write_experiment_report
from pure_nas.run.directory import RunDirectory
from pure_nas_cli.console import stdout
from pure_nas_cli.experiment_comparisons import (
    comparison_notes,
    comparison_tables,
    further_differences,
    speed_tables,
)
from pure_nas_cli.plain_tables import fitting, plain_table

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
    split, seeds = results.file.split, counted(results.grid.seeds, "seed")
    epochs = counted(results.scale.epochs, "epoch")
    spread = any(len(row.accuracies) > 1 for row in findings.rows)
    networks = fitting(stdout, (_networks(findings, brief=brief) for brief in ((False, True) if spread else (True,))))
    interval = ", 95 % interval" if any(column.header == _INTERVAL for column in networks.columns) else ""
    what = f": mean ± standard deviation{interval}" if spread else ""
    stdout.print(f"{split.capitalize()} accuracy, {epochs}, {seeds}{what}", style="italic")
    stdout.print(networks)
    compared = findings.compared_by("accuracy")
    if compared:
        stdout.print(fitting(stdout, comparison_tables(compared)))
    if findings.comparisons:
        stdout.print(comparison_notes(findings), style="dim")
    for title, judged in _judged(findings):
        if title:
            stdout.print(title, style="italic")
        stdout.print(judged)
    further = " ".join(filter(None, (judged_on(results, findings), includes_plain(findings))))
    if further:
        stdout.print(further, style="dim")
    _print_convergence(findings)


def _print_convergence(findings: Findings) -> None:
    """How soon networks learned: epochs and seconds to each accuracy, and those of the compared beside each other."""
    title = f"until the {findings.curve_kind} accuracy first reached"
    epochs = _convergence(findings, "epochs")
    if epochs.row_count:
        stdout.print(f"Mean epochs {title}", style="italic")
        stdout.print(epochs)
        stdout.print(f"Mean seconds of training {title}", style="italic")
        stdout.print(_convergence(findings, "seconds"))
        if any(each.missed and each.epochs for row in findings.rows for each in row.convergence):
            stdout.print("1/3: of one seed of three; the others never did.", style="dim")
    if never := unreached(findings):
        stdout.print(never)
    compared = [each for each in findings.comparisons if each.speeds]
    if compared:
        stdout.print("To the highest accuracy that every seed of both reached", style="italic")
        stdout.print(fitting(stdout, speed_tables(compared)))
        stdout.print(
            "Fewer: how many times, by the means; in brackets, where there is room, from the lowest to the highest of "
            "any two seeds. Below 1: more. Epochs are whole, so ratios of few are coarse.",
            style="dim",
        )


def _networks(findings: Findings, *, brief: bool) -> Table:
    table = plain_table("network", "accuracy", *([] if brief else [_INTERVAL]), "params", "flops", "time")
    alone = len({row.table for row in findings.rows}) == len(findings.rows)
    last = None
    for row in findings.rows:
        if last is not None and row.table != last and not alone:
            table.add_section()
        last = row.table
        table.add_row(
            Text(row.label).append(f" = {row.repeats}" if row.repeats else "", "dim"),
            _accuracy(row),
            *([] if brief else [_interval(row)]),
            show_number(row.params),
            show_number(row.flops),
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
    if any(judged.top5 or judged.calibration_error or judged.views for _, judged in rows):
        yield "Judged further", _quality(rows)
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
        yield "Cosine of the features with those of the images as they are", _features(rows)
        yield from _differences(findings, "intensity")


def _quality(rows: Sequence[tuple[str, Judged]]) -> Table:
    """Top-5 and calibration, and accuracies averaged over views where there are some."""
    views = next((judged.views.name for _, judged in rows if judged.views), None)
    titles = (f"{views}, top-1", f"{views}, top-5") if views else ()
    table = plain_table("network", "top-5", "calibration error", *titles)
    for label, judged in rows:
        viewed = (judged.views.accuracy, judged.views.top5) if judged.views else (None, None)
        cells = (judged.top5, judged.calibration_error, *(viewed if views else ()))
        table.add_row(label, *map(_share, cells))
    return table


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


def _features(rows: Sequence[tuple[str, Judged]]) -> Table:
    factors = [point.factor for point in rows[0][1].intensity]
    table = plain_table("network", *(f"x{factor:g}" for factor in factors))
    for label, judged in rows:
        cosines = (point.cosine for point in judged.intensity)
        table.add_row(label, *("-" if cosine is None else f"{cosine.mean:.3f}" for cosine in cosines))
    return table


def _share(spread: Spread | None) -> str:
    return "-" if spread is None else f"{100 * spread.mean:.2f} %"


def _convergence(findings: Findings, unit: Literal["epochs", "seconds"]) -> Table:
    """A column for each accuracy that something reached."""
    reached = [
        place
        for place, each in enumerate(zip(*(row.convergence for row in findings.rows), strict=True))
        if any(found.epochs for found in each)
    ]
    targets = [findings.rows[0].convergence[place].target for place in reached]
    table = plain_table("network", *(f"{100 * target:g} %" for target in targets))
    for row in findings.rows if reached else ():
        table.add_row(row.label, *(_reached(row.convergence[place], unit) for place in reached))
    return table


def _reached(found: Convergence, unit: Literal["epochs", "seconds"]) -> Text:
    """A mean; of how many seeds where some never got there, so that it is not taken for that of all."""
    mean = found.mean_epochs if unit == "epochs" else found.mean_seconds
    if mean is None:
        return Text("never" if found.missed else "-", "dim")
    ended = len(found.epochs) + found.missed
    part = Text(f"{len(found.epochs)}/{ended}: ", "yellow") if found.missed else Text()
    return part.append(f"{mean:.1f}")
