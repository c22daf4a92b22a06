"""The report of an experiment as one HTML page that works offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from pure_nas.experiment.caveats import includes_plain, judged_on, unreached
from pure_nas.experiment.findings import Findings
from pure_nas.experiment.judged import MeasureName
from pure_nas.experiment.results import ExperimentResults
from pure_nas.report.data import flattened, read_environment
from pure_nas.report.experiment import parts
from pure_nas.report.experiment.convergence_table import convergence
from pure_nas.report.experiment.evaluation_plots import noise_kinds
from pure_nas.report.experiment.looks import looks_of
from pure_nas.report.experiment.plots import AXIS_NAMES, all_plots
from pure_nas.report.html import document
from pure_nas.report.sections import details, section
from pure_nas.run_directory import RunDirectory, write_whole

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
    plots = all_plots(findings, results.file.split)
    if len(findings.rows) > _MANY and any(name.startswith("over-") for name in plots):
        plots.pop("accuracy", None)
    rows: dict[str, Any] = {str(index): {} for index in range(len(findings.rows))}
    body = "".join(_body(results, findings, plots, environment))
    return document(str(results.settings["experiment"]), body, plots, rows)


def _body(
    results: ExperimentResults, findings: Findings, plots: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterable[str]:
    yield parts.header(results, findings)
    yield section("networks", "Networks", _accuracy(findings, plots), _accuracy_note(results, findings))
    if findings.comparisons:
        yield section("comparisons", "Compared", _compared(findings, plots), parts.comparison_note(findings))
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
    note = f"The run lies in {escape(str(results.path))}; <code>{escape(command)}</code> began it."
    yield section("settings", "How it was run", _settings(results, environment), note)


def _plot(identity: str, description: str, plots: Mapping[str, Any], rows: int | None = None) -> str:
    """The element that a plot fills, as high as its rows need; nothing where there is no such plot."""
    if identity not in plots:
        return ""
    height = f' style="height:{_AROUND_ROWS + _ROW_HEIGHT * rows}px"' if rows else ""
    return f'<div class="plot" id="{escape(identity)}"{height} role="img" aria-label="{escape(description)}"></div>'


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


def _accuracy_note(results: ExperimentResults, findings: Findings) -> str:
    if results.file.split == "test":
        how = "Trained on training and validation images together"
        if results.file.validation_curve:
            how = "Trained on the training images"
        note = f"{how} and scored once, after the last epoch, on the test split."
    else:
        note = "Trained on the training images and scored on the validation split, as suits a question of choosing."
    note += (
        " Mean ± standard deviation over seeds; bars are Student's 95 % interval of the mean (an arrow: it goes on), "
        "ticks single seeds. Bars over a number reach from the lowest seed to the highest. No interval: one seed, or "
        "all the same."
    )
    return " ".join(filter(None, (note, judged_on(results, findings))))


def _curve_note(findings: Findings) -> str:
    what = (
        "on the validation images, after each epoch"
        if findings.curve_kind == "validation"
        else "on the training images, during each epoch: augmented, and before it ends"
    )
    return (
        f"Accuracy {what}: mean, and a band from the lowest seed to the highest. Point at a row of a table to see its "
        "curve alone; click an entry of the legend to hide it."
    )


def _convergence_note(findings: Findings) -> str:
    note = (
        f"Epochs, and seconds of training, until the {findings.curve_kind} accuracy first reached a value: means over "
        "seeds, in brackets the lowest and the highest. Where not every seed got there, how many did comes first, and "
        "the mean is theirs. Times fewer are ratios of means; epochs are whole, so ratios of few are coarse. The plot "
        "shows networks of which every seed got there; of lines that run the same way, those below are wider."
    )
    return " ".join(filter(None, (note, unreached(findings))))


def _judged(results: ExperimentResults, findings: Findings, plots: Mapping[str, Any]) -> Iterable[str]:
    kinds = noise_kinds(findings.rows)
    limits = " ".join(filter(None, (judged_on(results, findings), includes_plain(findings))))
    legend = parts.legend([row for row in findings.rows if row.judged], looks_of(findings.rows))
    if kinds:
        views = "".join(
            f"<div><h3>{escape(kind)}</h3>{_plot(f'noise-{kind}', f'Accuracy under {kind} noise', plots)}</div>"
            for kind in kinds
        )
        note = (
            "Networks were not trained with noise, and all see the same draws. The table has the mean over the levels "
            "of a kind, and so have the differences: their p is corrected together with those of all comparisons of "
            f"this page. {limits} Bands reach from the lowest seed to the highest."
        )
        body = f'{legend}<div class="views small">{views}</div>{parts.noise(findings, kinds)}'
        yield section("noise", "Under noise", body + _further(findings, "noise"), note)
    if "intensity" in plots:
        views = "".join(
            f"<div>{_plot(name, text, plots)}</div>"
            for name, text in (("intensity", "Accuracy over intensity"), ("features", "Change of features"))
        )
        note = (
            "Accuracy, and the direction of the features before the classifier (cosine 1: unchanged), when all values "
            "of an image are multiplied by a factor. Images are multiplied before they are normalised by the mean and "
            "deviation of the training images, so that a factor is an affine change of what a network sees. As before: "
            "images whose predicted class stays. Differences are of the mean accuracy over the factors other than 1; "
            f"their p is corrected together with all others. {limits}"
        )
        body = f'{legend}<div class="views small">{views}</div>{parts.intensity(findings)}'
        yield section("light", "Brighter and darker", body + _further(findings, "intensity"), note)


def _settings(results: ExperimentResults, environment: Mapping[str, Any]) -> str:
    return details("Settings", flattened(results.settings)) + details("Environment", flattened(environment))
