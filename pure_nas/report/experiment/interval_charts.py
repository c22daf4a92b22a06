"""Charts with a line for each network or comparison: values, intervals, and arrows where these go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pure_nas.findings.findings import FEW_SEEDS, Comparison
from pure_nas.findings.rows import Row
from pure_nas.quantities import counted, show_number, show_points, show_seconds
from pure_nas.report.chart import Axis, Chart, Mark, NetworkStyle, Series, Span
from pure_nas.report.experiment.tables import accuracy_text, points_text
from pure_nas.report.table import interval_text

_ARROWS = ("triangle-left", "triangle-right")
_MARK = 11.0


def accuracy_chart(rows: Sequence[Row], styles: Mapping[str, NetworkStyle], split: str) -> Chart:
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
        series += [ticks, _value(100 * row.mean, row.spread_interval, place, styles[row.label], hover(row))]
    notes = [(place, accuracy_text(row)) for place, row in enumerate(rows) if row.mean is None]
    return replace(_chart(axis, [row.label for row in rows], series), notes=notes)


def differences_chart(comparisons: Sequence[Comparison], styles: Mapping[str, NetworkStyle]) -> Chart:
    """A line a comparison: the difference and Welch's interval; filled where it is shown."""
    known = [(each, each.difference) for each in comparisons if each.difference is not None]
    pairs = [f"{each.label} − {each.reference}" for each, _ in known]
    series = [
        _value(100 * value, each.interval, place, styles[each.label], f"{pair}\n{_difference_text(each)}", each.shown)
        for place, ((each, value), pair) in enumerate(zip(known, pairs, strict=True))
    ]
    return _chart(Axis(title="points of accuracy", range=_difference_limits(series), zero=True), pairs, series)


def has_arrows(chart: Chart) -> bool:
    """Whether an interval of a chart goes on beyond its edge."""
    return any(series.mark and series.mark.shape in _ARROWS for series in chart.series)


def _chart(axis: Axis, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """The first line on top; half a line is free at the ends, where lines without a mark would be left out."""
    lines = Axis(ticks=dict(enumerate(labels)), range=(len(labels) - 0.5, -0.5), grid=False)
    return Chart(x=axis, y=lines, series=[*series, *_arrows(series, axis.range or (0, 0))])


def _arrows(series: Iterable[Series], limits: Span) -> Iterator[Series]:
    """Marks at the edges that intervals go on beyond."""
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


def hover(row: Row) -> str:
    """What a mark says of a network."""
    lines = [row.label, f"{accuracy_text(row)} over {counted(len(row.accuracies), 'seed')}"]
    if row.spread_interval:
        lines.append(f"95 % interval {interval_text(row.spread_interval)}")
    lines.append(f"{show_number(row.params)} parameters, {show_number(row.flops)} FLOPs, depth {row.depth}")
    if row.seconds is not None:
        lines.append(f"{show_seconds(row.seconds)} a training")
    return "\n".join(lines)


def _difference_text(comparison: Comparison) -> str:
    """The difference, its interval and what follows."""
    survivors = " over the seeds that came through" if comparison.of_survivors else ""
    interval = f", 95 % interval {points_text(comparison.interval)}" if comparison.interval else ""
    return f"{show_points(comparison.difference or 0)} points{survivors}{interval}: {comparison.verdict_text}"
