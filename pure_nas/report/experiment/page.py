"""The report of an experiment as one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from pure_nas.files import write_whole
from pure_nas.findings.caveats import includes_plain, judged_on, unreached
from pure_nas.findings.findings import Findings
from pure_nas.findings.judged import MeasureName
from pure_nas.findings.results import ExperimentResults
from pure_nas.report.data import flattened, read_environment
from pure_nas.report.experiment import parts
from pure_nas.report.experiment.charts import AXIS_NAMES, convergence_lines, noise_kinds, page_charts
from pure_nas.report.experiment.convergence_table import convergence
from pure_nas.report.experiment.interval_charts import has_arrows
from pure_nas.report.experiment.network_styles import network_styles
from pure_nas.report.html import details, document, on_screen, plot, section
from pure_nas.run.directory import RunDirectory

_ROW_HEIGHT, _AROUND_ROWS = 34, 90
"""Pixels of a plot with a line a network."""
_FURTHER = {
    "views": "Differences in accuracy averaged over views",
    "noise": "Differences in mean accuracy under noise",
    "intensity": "Differences in mean accuracy at changed intensity",
}
_MANY = 12
"""Networks from which on a plot with a line for each only repeats one over the number that they vary."""


def write_page(run: RunDirectory, results: ExperimentResults, findings: Findings) -> Path:
    """Write report.html.

    Raises:
        RunError: environment.json is damaged, or the file cannot be written.
    """
    write_whole(run.report_path, page(results, findings, read_environment(run)))
    return run.report_path


def page(results: ExperimentResults, findings: Findings, environment: Mapping[str, Any]) -> str:
    """The whole page."""
    plots = page_charts(findings, results.file.split)
    if len(findings.rows) > _MANY and any(name.startswith("over-") for name in plots):
        plots.pop("accuracy", None)
    rows: dict[str, Any] = {str(index): {} for index in range(len(findings.rows))}
    body = "".join(_body(results, findings, plots, environment))
    return document(str(results.settings["experiment"]), body, plots, rows)


def _body(
    results: ExperimentResults, findings: Findings, plots: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterable[str]:
    yield parts.header(results, findings)
    yield section("networks", "Networks", _accuracy(findings, plots), _accuracy_note(results, findings, plots))
    if findings.comparisons:
        note = parts.comparison_note(findings, arrows=has_arrows(plots.get("differences")))
        yield section("comparisons", "Compared", _compared(findings, plots), note)
    if "curves" in plots:
        yield section(
            "learning", "Learning curves", _plot("curves", "Accuracy over epochs", plots), _curve_note(findings)
        )
    reached = convergence(findings)
    if reached:
        body = reached + _plot("convergence", "Epochs until an accuracy was reached", plots)
        yield section("converged", "How fast they learn", body, _convergence_note(findings))
    yield from _judged(results, findings, plots)
    command = str(environment.get("command", "pure-nas experiment"))
    note = f"The run is in {escape(str(results.path))}; <code>{escape(command)}</code> began it."
    yield section("settings", "How it was run", _settings(results, environment), note)


def _plot(identity: str, description: str, plots: Mapping[str, Any], rows: int | None = None) -> str:
    """The element that a plot fills, as high as its rows need; nothing where there is no such plot."""
    if identity not in plots:
        return ""
    lines = len(plots[identity].names)
    return plot(identity, description, f"height:{_AROUND_ROWS + _ROW_HEIGHT * rows}px" if rows else f"--lines:{lines}")


def _compared(findings: Findings, plots: Mapping[str, Any]) -> str:
    plain = findings.compared_by("accuracy")
    shown = sum(each.difference is not None for each in plain)
    body = _plot("differences", "Differences in accuracy", plots, rows=shown) + parts.comparisons(plain)
    return body + _further(findings, "views")


def _further(findings: Findings, name: MeasureName) -> str:
    """The comparisons by another measure than accuracy; nothing where there are none."""
    compared = findings.compared_by(name)
    return f"<h3>{_FURTHER[name]}</h3>{parts.comparisons(compared)}" if compared else ""


def _accuracy(findings: Findings, plots: Mapping[str, Any]) -> str:
    over = "".join(
        _plot(name, f"Accuracy over {AXIS_NAMES.get(axis, axis)}", plots)
        for name in plots
        if name.startswith("over-")
        for axis in [name.removeprefix("over-")]
    )
    dots = _plot("accuracy", "Accuracy of every network", plots, rows=len(findings.rows))
    return f"{over}{dots}{parts.networks(findings)}"


def _accuracy_note(results: ExperimentResults, findings: Findings, plots: Mapping[str, Any]) -> str:
    if results.file.split == "test":
        how = "Trained on training and validation images together"
        if results.file.validation_curve:
            how = "Trained on the training images"
        note = f"{how} and scored once, after the last epoch, on the test split."
    else:
        note = "Trained on the training images and scored on the validation split, as suits a question of choosing."
    return " ".join([note, *_mark_notes(findings, plots), judged_on(results, findings)]).strip()


def _mark_notes(findings: Findings, plots: Mapping[str, Any]) -> Iterable[str]:
    """What the marks of the table and of the plots above it mean, as far as they are there."""
    rows = findings.rows
    if any(row.std is not None for row in rows):
        yield "Mean ± standard deviation over seeds."
        if "accuracy" in plots:
            arrow = " (an arrow means the interval continues)" if has_arrows(plots["accuracy"]) else ""
            bars = f"bars are Student's 95 % interval of the mean{arrow}, " if any(row.told for row in rows) else ""
            yield f"In the plot with one line per network, {bars}ticks are single seeds."
        if any(name.startswith("over-") for name in plots):
            yield "Bars over a number reach from the lowest seed to the highest."
    if any(row.told for row in rows) and any(row.mean is not None and not row.told for row in rows):
        yield "No interval: one seed, or identical results."


def _curve_note(findings: Findings) -> str:
    what = (
        "on the validation images, after each epoch"
        if findings.curve_kind == "validation"
        else "on the training images, during each epoch: augmented, and before it ends"
    )
    spread = ": mean, and a band from the lowest seed to the highest" if _several(findings) else ""
    numbered = any(look.end != look.name for look in network_styles(findings.rows).values())
    ends = " Numbers at line ends are those of the legend." if numbered else ""
    hint = on_screen("Point at a row of a table to see its curve alone; click an entry of the legend to hide it.")
    return f"Accuracy {what}{spread}.{ends} {hint}"


def _several(findings: Findings) -> bool:
    """Whether some network has several seeds."""
    return any(row.seeds > 1 for row in findings.rows)


def _convergence_note(findings: Findings) -> str:
    found = [each for row in findings.rows for each in row.convergence]
    means = ": means over seeds, in brackets the lowest and the highest" if _several(findings) else ""
    note = [f"Epochs, and seconds of training, until the {findings.curve_kind} accuracy first reached a value{means}."]
    if any(each.missed and each.epochs for each in found):
        note.append("Where not every seed got there, how many did comes first, and the mean is theirs.")
    if any(each.speeds for each in findings.comparisons):
        note.append("Times fewer are ratios of means; epochs are whole, so ratios of few are coarse.")
    drawn = convergence_lines(findings.rows)
    if drawn:
        note.append("The plot shows networks of which every seed got there.")
    if any(line.wider for line in drawn):
        note.append("Of lines that run the same way, those below are wider.")
    return " ".join(filter(None, (*note, unreached(findings))))


def _judged(results: ExperimentResults, findings: Findings, plots: Mapping[str, Any]) -> Iterable[str]:
    kinds = noise_kinds(findings.rows)
    limits = " ".join(filter(None, (judged_on(results, findings), includes_plain(findings))))
    legend = parts.legend([row for row in findings.rows if row.judged], network_styles(findings.rows))
    bands = "Bands reach from the lowest seed to the highest." if _several(findings) else ""
    if kinds:
        views = "".join(
            f"<div><h3>{escape(kind)}</h3>{_plot(f'noise-{kind}', f'Accuracy under {kind} noise', plots)}</div>"
            for kind in kinds
        )
        note = (
            "Networks were not trained with noise, and all see the same draws. The table has the mean over the levels "
            f"of a kind.{_corrected(findings, 'noise', ' So have the differences')} {limits} {bands}"
        )
        body = f'{legend}<div class="views small">{views}</div>{parts.noise(findings, kinds)}'
        yield section("noise", "Under noise", body + _further(findings, "noise"), note)
    if "intensity" in plots:
        views = "".join(
            f"<div>{_plot(name, text, plots)}</div>"
            for name, text in (("intensity", "Accuracy over intensity"), ("features", "Change of features"))
        )
        differ = " Differences are of the mean accuracy over the factors other than 1"
        note = (
            "Accuracy, and the direction of the features before the classifier (cosine 1: unchanged), when all values "
            "of an image are multiplied by a factor. Images are multiplied before they are normalised by the mean and "
            "deviation of the training images, so that a factor is an affine change of what a network sees. As before: "
            f"images whose predicted class stays.{_corrected(findings, 'intensity', differ)} {limits} {bands}"
        )
        body = f'{legend}<div class="views small">{views}</div>{parts.intensity(findings)}'
        yield section("light", "Brighter and darker", body + _further(findings, "intensity"), note)


def _corrected(findings: Findings, name: MeasureName, what: str) -> str:
    """What the differences by a measure are, and how their p is corrected; empty where there are none."""
    if not findings.compared_by(name):
        return ""
    return f"{what}: their p is corrected together with those of all comparisons of this page."


def _settings(results: ExperimentResults, environment: Mapping[str, Any]) -> str:
    return details("Settings", flattened(results.settings)) + details("Environment", flattened(environment))
