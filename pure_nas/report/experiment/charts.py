"""The charts of an experiment, for its page and as figures for papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pure_nas.findings.findings import FEW_SEEDS, Comparison, Findings
from pure_nas.findings.rows import EvaluationOverSeeds, Row
from pure_nas.quantities import counted, show_number, show_points, show_seconds
from pure_nas.report.chart import Axis, Chart, Figure, Line, Mark, NetworkStyle, Series, Span
from pure_nas.report.evaluation_charts import (
    DASHES,
    Points,
    Readings,
    evaluation_charts,
    limits_of,
    noise_and_intensity_figures,
    spread_line,
)
from pure_nas.report.experiment.tables import accuracy_text
from pure_nas.report.palette import style_of
from pure_nas.report.table import interval_text, points_text

AXIS_NAMES = {
    "depth": "depth, weighted layers",
    "threshold_init": "θ at the start",
    "learning_rate": "learning rate",
}
_ARROWS = ("triangle-left", "triangle-right")  # where an interval goes on beyond the edge of a chart
_MARK = 11.0
_MOST_TICKS = 12
_LOG_SPAN = 6.0  # from how many times the smallest value as the largest an axis of positive numbers is logarithmic
_WIDTH = 6.4  # of figures, inches
_WIDEST, _WIDER = 9.0, 3.0
"""How much thicker than usual a line is drawn at most, so that those above it leave its edges free, and its steps."""
_ROLES = ("conv", "product", "hybrid", "other-1", "other-2", "other-3", "other-4")
_PALEST = 0.35
_LONGEST_END = 8  # characters that have room at the end of a line
Styles = Mapping[str, NetworkStyle]


def page_charts(findings: Findings) -> dict[str, Chart]:
    """Every chart that there is something to draw for, by the id of the element of the page that it fills."""
    rows, split, styles = findings.rows, findings.split, network_styles(findings.rows)
    charts: dict[str, Chart] = {}
    if any(row.accuracies for row in rows):
        charts["accuracy"] = _accuracy_chart(rows, styles, split)
    for axis in dict.fromkeys(group[0].axis for group in varied(rows) if any(row.accuracies for row in group)):
        charts[f"over-{axis}"] = _over_chart(rows, styles, axis, split)
    compared = findings.compared_by("accuracy")
    if any(each.difference is not None for each in compared):
        charts["differences"] = _differences_chart(compared, styles)
    if any(row.curve for row in rows):
        charts["curves"] = _curves_chart(findings, styles)
    if convergence_lines(rows):
        charts["convergence"] = _convergence_chart(findings, styles)
    return charts | evaluation_charts(
        [_readings(row, styles[row.label], row.evaluation) for row in rows if row.evaluation]
    )


def paper_figures(findings: Findings) -> Iterator[Figure]:
    """The same charts as figures."""
    charts = page_charts(findings)
    heights = {"over": 4.0, "curves": 4.2, "convergence": 3.6}
    for name, chart in charts.items():
        if name in ("accuracy", "differences"):
            yield Figure(name, [chart], (_WIDTH, 0.9 + 0.3 * len(chart.y.ticks or ())))
        elif name.split("-")[0] in heights:
            yield Figure(name, [chart], (_WIDTH, heights[name.split("-")[0]]))
    yield from noise_and_intensity_figures(charts)


def _over_chart(rows: Sequence[Row], styles: Styles, axis: str, split: str) -> Chart:
    """Accuracy over the number that groups of networks vary; networks without such a number as level lines."""
    groups = [group for group in varied(rows) if group[0].axis == axis]
    places = sorted({row.place for group in groups for row in group if row.place is not None})
    inside = {row.label for group in groups for row in group}
    series = [_joined_means(group, styles[group[-1].label]) for group in groups]
    series += [
        Series(
            name=row.label,
            x=[places[0], places[-1]],
            y=[100 * row.mean] * 2,
            role=styles[row.label].role,
            line=Line("dot", 1.75),
            hover=[_hover(row)] * 2,
        )
        for row in rows
        if row.label not in inside and not row.axis and row.mean is not None
    ]
    log = places[0] > 0 and places[-1] / places[0] >= _LOG_SPAN
    ticks = {place: f"{place:g}".replace("-", "−") for place in places} if log or len(places) <= _MOST_TICKS else None
    return Chart(
        x=Axis(title=AXIS_NAMES.get(axis, axis.replace("_", " ")), log=log, ticks=ticks),
        y=Axis(title=f"{split} accuracy", numbers="percent"),
        series=series,
    )


def _joined_means(group: Sequence[Row], style: NetworkStyle) -> Series:
    known = [(row, 100 * row.mean) for row in group if row.mean is not None]
    return Series(
        name=group[0].series,
        x=[row.place or 0.0 for row, _ in known],
        y=[mean for _, mean in known],
        role=style.role,
        line=Line(style.dash),
        mark=Mark(style.shape, 9),
        bars=[(100 * min(row.accuracies), 100 * max(row.accuracies)) for row, _ in known],
        hover=[_hover(row) for row, _ in known],
    )


def _curves_chart(findings: Findings, styles: Styles) -> Chart:
    curves: list[Points] = [{epoch: found.percent for epoch, found in row.curve.items()} for row in findings.rows]
    return Chart(
        x=Axis(title="epoch", numbers="whole"),
        y=Axis(title=f"{findings.results.curve_kind} accuracy", numbers="percent").around(limits_of(curves)),
        series=[
            spread_line(
                styles[row.label],
                curve,
                hover=[f"{row.label}\nepoch {epoch}: {found.mean:.2f} %" for epoch, found in curve.items()],
                mark=Mark(styles[row.label].shape) if len(curve) == 1 else None,
                row=index,
            )
            for index, (row, curve) in enumerate(zip(findings.rows, curves, strict=True))
            if curve
        ],
    ).with_line_ends()


def _accuracy_chart(rows: Sequence[Row], styles: Styles, split: str) -> Chart:
    """A line a network: mean, 95 % interval and every seed; why there are none where there are none."""
    axis = Axis(title=f"{split} accuracy", numbers="percent", range=_accuracy_limits(rows))
    series: list[Series] = []
    for place, row in enumerate(rows):
        if row.mean is None:
            continue
        seeds = [100 * value for value in row.accuracies]
        ticks = Series(
            x=seeds,
            y=[place] * len(seeds),
            role=styles[row.label].role,
            mark=Mark("line-ns", 9, hollow=True, edge=1.25),
            opacity=0.7,
            hover=[f"one seed: {value:.2f} %" for value in seeds],
        )
        series += [ticks, _value(100 * row.mean, row.spread_interval, place, styles[row.label], _hover(row))]
    notes = [(place, accuracy_text(row)) for place, row in enumerate(rows) if row.mean is None]
    return replace(_line_chart(axis, [row.label for row in rows], series), notes=notes)


def _differences_chart(comparisons: Sequence[Comparison], styles: Styles) -> Chart:
    """A line a comparison: the difference and Welch's interval; filled where it is shown."""
    known = [(each, each.difference) for each in comparisons if each.difference is not None]
    pairs = [f"{each.label} − {each.reference}" for each, _ in known]
    series = [
        _value(100 * value, each.interval, place, styles[each.label], f"{pair}\n{_difference_text(each)}", each.shown)
        for place, ((each, value), pair) in enumerate(zip(known, pairs, strict=True))
    ]
    return _line_chart(Axis(title="points of accuracy", range=_difference_limits(series), zero=True), pairs, series)


def has_arrows(chart: Chart) -> bool:
    """Whether an interval of a chart goes on beyond its edge."""
    return any(series.mark and series.mark.shape in _ARROWS for series in chart.series)


def _line_chart(axis: Axis, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """The first line on top; half a line is free at the ends, where lines without a mark would be left out."""
    lines = Axis(ticks=dict(enumerate(labels)), range=(len(labels) - 0.5, -0.5), grid=False)
    return Chart(x=axis, y=lines, series=[*series, *_arrows(series, axis.range or (0, 0))])


def _arrows(series: Iterable[Series], limits: Span) -> Iterator[Series]:
    for each in series:
        for low, high in filter(None, each.bars):
            for edge, shape, goes_on in zip(limits, _ARROWS, (low < limits[0], high > limits[1]), strict=True):
                if goes_on:
                    yield Series(x=[edge], y=each.y, role=each.role, mark=Mark(shape, _MARK), clip=False)


def _accuracy_limits(rows: Sequence[Row]) -> Span:
    """Limits in percent around every seed and interval, but those of two seeds, which reach far beyond what can be."""
    values = [100 * value for row in rows for value in row.accuracies]
    values += [100 * end for row in rows if len(row.accuracies) >= FEW_SEEDS for end in row.spread_interval or ()]
    margin = 0.08 * (max(values) - min(values) or 1.0)
    return max(0.0, min(values) - margin), min(100.0, max(values) + margin)


def _difference_limits(series: Sequence[Series]) -> Span:
    """Zero in the middle; intervals that reach far beyond all differences are cut off."""
    sizes = [abs(value) for each in series for value in each.x]
    furthest = 2.5 * max([1.0, *sizes])
    ends = [min(furthest, abs(end)) for each in series for bar in each.bars for end in bar or ()]
    limit = 1.08 * max([*ends, *sizes, 0.5])
    return -limit, limit


def _value(x: float, interval: Span | None, place: int, style: NetworkStyle, text: str, filled: bool = True) -> Series:
    bars = [(100 * interval[0], 100 * interval[1])] if interval else []
    mark = Mark(style.shape, _MARK, hollow=not filled)
    return Series(x=[x], y=[place], role=style.role, mark=mark, bars=bars, bars_along="x", hover=[text])


def _hover(row: Row) -> str:
    lines = [row.label, f"{accuracy_text(row)} over {counted(len(row.accuracies), 'seed')}"]
    if row.spread_interval:
        lines.append(f"95 % interval {interval_text(row.spread_interval)}")
    lines.append(f"{show_number(row.params)} parameters, {show_number(row.flops)} FLOPs, depth {row.depth}")
    if row.seconds is not None:
        lines.append(f"{show_seconds(row.seconds)} per training")
    return "\n".join(lines)


def _difference_text(comparison: Comparison) -> str:
    survivors = " over the seeds that did not diverge" if comparison.of_survivors else ""
    interval = f", 95 % interval {points_text(comparison.interval)}" if comparison.interval else ""
    return f"{show_points(comparison.difference or 0)} points{survivors}{interval}: {comparison.verdict_text}"


class ConvergenceLine(NamedTuple):
    """How soon a network learned."""

    row: Row
    points: list[tuple[float, float]]  # (accuracy, mean epochs until it was first reached), where every seed reached it
    wider: float  # than usual, where lines that are drawn above it run just as it does and would hide it


def convergence_lines(rows: Sequence[Row]) -> list[ConvergenceLine]:
    """The line of each network of which every seed reached something, in the order of drawing."""
    lines = (
        (row, [(each.target, each.mean_epochs) for each in row.convergence if each.mean_epochs and not each.missed])
        for row in rows
    )
    found = [(row, points) for row, points in lines if points]
    above = [
        sum(set(points) <= set(other) for _, other in found[place + 1 :]) for place, (_, points) in enumerate(found)
    ]
    step = min(_WIDER, _WIDEST / max([*above, 1]))
    return [ConvergenceLine(row, points, step * count) for (row, points), count in zip(found, above, strict=True)]


def _convergence_chart(findings: Findings, styles: Styles) -> Chart:
    lines = convergence_lines(findings.rows)
    highest = max(epochs for line in lines for _, epochs in line.points)
    return Chart(
        x=Axis(title=f"{findings.results.curve_kind} accuracy to reach", numbers="percent"),
        y=Axis(title="epochs", range=(0, 1.08 * highest)),
        series=[
            styles[line.row.label].line(
                [100 * target for target, _ in line.points],
                [epochs for _, epochs in line.points],
                width=2 + line.wider,
                mark=Mark(styles[line.row.label].shape, 8 + 2 * line.wider),
                hover=[
                    f"{line.row.label}\n{100 * target:g} % after {epochs:.1f} epochs" for target, epochs in line.points
                ],
            )
            for line in lines
        ],
    ).with_line_ends()


def _readings(row: Row, style: NetworkStyle, evaluation: EvaluationOverSeeds) -> Readings:
    found: dict[str, Points] = {
        f"noise-{kind}": {each.level: each.accuracy.percent for each in levels}
        for kind, levels in evaluation.noise.items()
    }
    found["intensity"] = {each.factor: each.accuracy.percent for each in evaluation.intensity}
    found["features"] = {each.factor: each.cosine for each in evaluation.intensity if each.cosine}
    return Readings(row.label, style, found)


def network_styles(rows: Sequence[Row]) -> Styles:
    """The style of every row, by its label: a colour a table, a dash a series, paler towards a series' beginning."""
    roles: dict[str, str] = {}
    for row in rows:
        usual, taken = style_of(row.kind).role, list(roles.values())
        least = min(_ROLES, key=lambda role: (taken.count(role), _ROLES.index(role)))
        roles.setdefault(row.table, usual if usual not in taken else least)
    numbers = {row.label: str(number) for number, row in enumerate(rows, start=1)}
    long = any(len(label) > _LONGEST_END for label in numbers)
    drawn = Counter[str]()
    found = {}
    for group in _series(rows):
        role = roles[group[0].table]
        dash = DASHES[drawn[role] % len(DASHES)]
        drawn[role] += 1
        for index, row in enumerate(group, start=1 if len(group) == 1 else 0):
            found[row.label] = NetworkStyle(
                role=role,
                shape=style_of(row.kind).symbol,
                dash=dash,
                opacity=round(_PALEST + (1 - _PALEST) * index / max(len(group) - 1, 1), 3),
                name=f"{numbers[row.label]}: {row.label}" if long else row.label,
                end=numbers[row.label] if long else row.label,
            )
    return found


def varied(rows: Sequence[Row]) -> list[list[Row]]:
    """The series that vary a number, each in the order of that number."""
    placed = _series([row for row in rows if row.axis and row.place is not None])
    return [sorted(group, key=lambda row: row.place or 0.0) for group in placed if len(group) > 1]


def _series(rows: Sequence[Row]) -> list[list[Row]]:
    names = dict.fromkeys(row.series for row in rows)
    return [[row for row in rows if row.series == name] for name in names]
