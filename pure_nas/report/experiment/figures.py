"""Figures of an experiment for papers, as PNG and SVG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pure_nas.report.any_backend  # noqa: F401 - before Matplotlib

# isort: split
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pure_nas.files import write_whole
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.judged import Spread
from pure_nas.findings.results import ExperimentResults
from pure_nas.findings.rows import Row
from pure_nas.report.experiment.convergence_lines import convergence_lines
from pure_nas.report.experiment.evaluation_plots import in_percent, level_name, noise_kinds
from pure_nas.report.experiment.interval_plots import accuracy_limits, edges_beyond
from pure_nas.report.experiment.looks import Look, joined, looks_of
from pure_nas.report.experiment.marks_text import accuracy_text, compared_text
from pure_nas.report.experiment.plots import AXIS_NAMES, axes_of, is_log
from pure_nas.report.figures import label_line_ends, log_axis, saved
from pure_nas.report.legend import legend_below
from pure_nas.report.marks import axis_range
from pure_nas.report.palette import LIGHT
from pure_nas.run.directory import RunDirectory

_WIDTH = 6.4
Looks = Mapping[str, Look]
Drawing = Callable[[Figure], None]
LineEnd = tuple[Look, float, float]
"""How a line is drawn, and where it ends."""


def write_figures(run: RunDirectory, results: ExperimentResults, findings: Findings) -> list[Path]:
    """Write every figure that there is something to draw for into figures/.

    Raises:
        RunError: a file cannot be written.
    """
    paths: list[Path] = []
    for name, size, drawing in _drawings(findings, results.file.split):
        for ending, content in saved(size, drawing).items():
            paths.append(run.figures / f"{name}.{ending}")
            write_whole(paths[-1], content)
    return paths


def _drawings(findings: Findings, split: str) -> Iterator[tuple[str, tuple[float, float], Drawing]]:
    """Name, size in inches and drawing of each figure."""
    rows, looks = findings.rows, looks_of(findings.rows)
    if any(row.accuracies for row in rows):
        yield "accuracy", _tall(len(rows)), partial(_draw_accuracy, rows=rows, looks=looks, split=split)
    for axis in axes_of(rows):
        yield f"over-{axis}", (_WIDTH, 4.0), partial(_draw_over, rows=rows, looks=looks, axis=axis, split=split)
    compared = [each for each in findings.compared_by("accuracy") if each.difference is not None]
    if compared:
        yield "differences", _tall(len(compared)), partial(_draw_differences, compared=compared, looks=looks)
    if any(row.curve for row in rows):
        yield "curves", (_WIDTH, 4.2), partial(_draw_curves, findings=findings, looks=looks)
    if convergence_lines(rows):
        yield "convergence", (_WIDTH, 3.6), partial(_draw_convergence, findings=findings, looks=looks)
    kinds = noise_kinds(rows)
    if kinds:
        size = (7.2, 0.6 + 2.7 * ((len(kinds) + 1) // 2))
        yield "noise", size, partial(_draw_noise, rows=rows, looks=looks, kinds=kinds)
    if any(row.judged and row.judged.intensity for row in rows):
        yield "intensity", (7.2, 3.2), partial(_draw_intensity, rows=rows, looks=looks)


def _tall(lines: int) -> tuple[float, float]:
    """The size of a figure with a line a network."""
    return _WIDTH, 0.9 + 0.3 * lines


def _draw_accuracy(figure: Figure, rows: Sequence[Row], looks: Looks, split: str) -> None:
    """A line a network: mean, 95 % interval and every seed; why there are none where there are none."""
    axes, limits = figure.subplots(), accuracy_limits(rows)
    for place, row in enumerate(rows):
        if row.mean is None:
            at_left = axes.get_yaxis_transform()
            axes.text(0.01, place, accuracy_text(row), transform=at_left, va="center", color=LIGHT["soft"])
            continue
        look = looks[row.label]
        colour = LIGHT[look.role]
        axes.scatter([100 * each for each in row.accuracies], [place] * len(row.accuracies), s=28, c=colour, marker="|")
        if row.told:
            reach = [[100 * (row.mean - row.told[0])], [100 * (row.told[1] - row.mean)]]
            axes.errorbar([100 * row.mean], [place], xerr=reach, color=colour, elinewidth=1.2, capsize=3)
            for edge, marker in zip(edges_beyond(row.told, limits), ("<", ">"), strict=True):
                if edge is not None:
                    axes.plot([edge], [place], marker=marker, color=colour, markersize=5, clip_on=False)
        axes.plot([100 * row.mean], [place], marker=look.style.marker, color=colour, markersize=6)
    axes.set_xlim(*limits)
    _name_lines(axes, [row.label for row in rows])
    _percent(axes, "x", f"{split} accuracy")


def _name_lines(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _percent(axes: Axes, name: str, label: str) -> None:
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_formatter("{x:g} %")
    axes.set(**{f"{name}label": label})


def _draw_over(figure: Figure, rows: Sequence[Row], looks: Looks, axis: str, split: str) -> None:
    """Accuracy over the number that groups of networks vary; bars from the lowest seed to the highest."""
    axes = figure.subplots()
    groups = [group for group in joined(rows) if group[0].axis == axis]
    for group in groups:
        look, known = looks[group[-1].label], [row for row in group if row.mean is not None]
        means = [100 * (row.mean or 0.0) for row in known]
        lows = [mean - 100 * min(row.accuracies) for mean, row in zip(means, known, strict=True)]
        highs = [100 * max(row.accuracies) - mean for mean, row in zip(means, known, strict=True)]
        axes.errorbar(
            [row.place or 0.0 for row in known],
            means,
            yerr=[lows, highs],
            color=LIGHT[look.role],
            linestyle=look.line,
            marker=look.style.marker,
            markersize=5,
            capsize=2,
            label=group[0].series,
        )
    inside = {row.label for group in groups for row in group}
    for row in rows:
        if row.label not in inside and not row.axis and row.mean is not None:
            axes.axhline(100 * row.mean, color=LIGHT[looks[row.label].role], linestyle=":", label=row.label)
    places = sorted({row.place for group in groups for row in group if row.place is not None})
    if is_log(places):
        log_axis(axes, places)
    axes.set_xlabel(AXIS_NAMES.get(axis, axis.replace("_", " ")))
    _percent(axes, "y", f"{split} accuracy")
    axes.legend()


def _draw_differences(figure: Figure, compared: Sequence[Comparison], looks: Looks) -> None:
    """A line a comparison: the difference and Welch's interval; filled where it is shown."""
    axes = figure.subplots()
    axes.axvline(0, color=LIGHT["soft"], linewidth=0.8)
    for place, each in enumerate(compared):
        look = looks[each.label]
        colour = LIGHT[look.role]
        if each.low is not None and each.high is not None:
            axes.plot([100 * each.low, 100 * each.high], [place, place], color=colour, linewidth=1.2)
        axes.plot(
            [100 * (each.difference or 0.0)],
            [place],
            marker=look.style.marker,
            color=colour,
            markerfacecolor=colour if each.shown else "white",
            markersize=6,
        )
    _name_lines(axes, [compared_text(each) for each in compared])
    axes.set_xlabel("difference, points of accuracy")


def _draw_curves(figure: Figure, findings: Findings, looks: Looks) -> None:
    """Accuracy over epochs: mean, and a band from the lowest seed to the highest."""
    axes = figure.subplots()
    for row in findings.rows:
        look, epochs = looks[row.label], [point.epoch for point in row.curve]
        axes.plot(
            epochs,
            [100 * point.mean for point in row.curve],
            color=LIGHT[look.role],
            alpha=look.opacity,
            linestyle=look.line,
            linewidth=1.4,
            marker=look.style.marker if len(epochs) == 1 else "",
            label=look.name,
        )
        axes.fill_between(
            epochs,
            [100 * point.low for point in row.curve],
            [100 * point.high for point in row.curve],
            color=LIGHT[look.role],
            alpha=0.12,
            linewidth=0,
        )
    values = [100 * value for row in findings.rows for point in row.curve for value in (point.low, point.high)]
    axes.set_ylim(*axis_range(values, log=False))
    _label_ends(
        axes, [(looks[row.label], row.curve[-1].epoch, 100 * row.curve[-1].mean) for row in findings.rows if row.curve]
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    _percent(axes, "y", f"{findings.curve_kind} accuracy")
    _legend(figure, axes)


def _label_ends(axes: Axes, ends: Sequence[LineEnd]) -> None:
    label_line_ends(axes, [(x, y, look.end, LIGHT[look.role]) for look, x, y in ends])


def _legend(figure: Figure, axes: Axes) -> None:
    legend_below(figure, axes, columns=4, fontsize=7)


def _draw_convergence(figure: Figure, findings: Findings, looks: Looks) -> None:
    """Epochs until each accuracy was first reached, by those networks that did with every seed."""
    axes = figure.subplots()
    lines = convergence_lines(findings.rows)
    for line in lines:
        look = looks[line.row.label]
        axes.plot(
            [100 * target for target, _ in line.points],
            [epochs for _, epochs in line.points],
            color=LIGHT[look.role],
            alpha=look.opacity,
            linestyle=look.line,
            linewidth=1.4 + 0.6 * line.wider,
            marker=look.style.marker,
            markersize=4 + line.wider,
            label=look.name,
        )
    axes.set_ylim(0, 1.08 * max(epochs for line in lines for _, epochs in line.points))
    _label_ends(axes, [(looks[line.row.label], 100 * line.points[-1][0], line.points[-1][1]) for line in lines])
    axes.set_ylabel("epochs")
    _percent(axes, "x", f"{findings.curve_kind} accuracy to reach")
    _legend(figure, axes)


def _draw_noise(figure: Figure, rows: Sequence[Row], looks: Looks, kinds: Sequence[str]) -> None:
    """One plot a kind, no noise at the left, levels at equal distances."""
    columns = min(2, len(kinds))
    plots = list(figure.subplots((len(kinds) + columns - 1) // columns, columns, squeeze=False, sharey=True).flat)
    ends: defaultdict[Axes, list[LineEnd]] = defaultdict(list)
    for axes, kind in zip(plots, kinds, strict=False):
        texts: list[str] = []
        for row in rows:
            points = row.judged.noise.get(kind, ()) if row.judged else ()
            texts = ["none" if point.level == 0 else f"{point.level:g}" for point in points] or texts
            shares = [in_percent(point.accuracy) for point in points]
            ends[axes] += _draw_line(axes, looks[row.label], range(len(points)), shares)
        axes.set_xticks(range(len(texts)), texts)
        axes.set_xlabel(level_name(kind))
        axes.set_title(f"{kind} noise", fontsize=9, color=LIGHT["ink"])
        _percent(axes, "y", "accuracy")
    for axes in plots[len(kinds) :]:
        axes.remove()
    # Together, because the plots share an axis.
    for axes, lines in ends.items():
        _label_ends(axes, lines)
    _legend(figure, plots[0])


def _draw_intensity(figure: Figure, rows: Sequence[Row], looks: Looks) -> None:
    """Accuracy and direction of the features over what intensities are multiplied by."""
    accuracy, cosine = figure.subplots(1, 2)
    factors: list[float] = []
    ends: defaultdict[Axes, list[LineEnd]] = defaultdict(list)
    for row in rows:
        points = row.judged.intensity if row.judged else ()
        factors = [point.factor for point in points] or factors
        look = looks[row.label]
        shares = [in_percent(each.accuracy) for each in points]
        ends[accuracy] += _draw_line(accuracy, look, [each.factor for each in points], shares)
        known = [(each.factor, each.cosine) for each in points if each.cosine is not None]
        ends[cosine] += _draw_line(cosine, look, [factor for factor, _ in known], [spread for _, spread in known])
    for axes in (accuracy, cosine):
        log_axis(axes, factors)
        _label_ends(axes, ends[axes])
        axes.set_xlabel("intensity, multiplied by")
    _percent(accuracy, "y", "accuracy")
    cosine.set_ylabel("cosine of the features")
    _legend(figure, accuracy)


def _draw_line(axes: Axes, look: Look, xs: Sequence[float], ys: Sequence[Spread]) -> list[LineEnd]:
    """A line of means, and a band from the lowest seed to the highest; the end of the line, if there is one."""
    if not xs:
        return []
    colour = LIGHT[look.role]
    axes.fill_between(list(xs), [each.low for each in ys], [each.high for each in ys], color=colour, alpha=0.12, lw=0)
    axes.plot(
        list(xs),
        [each.mean for each in ys],
        color=colour,
        alpha=look.opacity,
        linestyle=look.line,
        marker=look.style.marker,
        markersize=4,
        linewidth=1.4,
        label=look.name,
    )
    return [(look, xs[-1], ys[-1].mean)]
