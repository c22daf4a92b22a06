"""Charts with a line for each network or comparison: values, intervals, and arrows where these go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    limits = _accuracy_limits(rows)
    series: list[Series] = []
    arrows: list[Series] = []
    for place, row in enumerate(rows):
        if row.mean is None:
            continue
        style, interval = styles[row.label], _percent(row.spread_interval)
        seeds = [100 * value for value in row.accuracies]
        series.append(
            Series(
                x=seeds,
                y=[place] * len(seeds),
                role=style.role,
                mark=Mark("line-ns", 9, hollow=True, edge=1.25),
                opacity=0.7,
                hover=[f"one seed: {value:.2f} %" for value in seeds],
            )
        )
        series.append(_value(100 * row.mean, interval, place, style, hover(row)))
        arrows += _arrows(interval, limits, place, style)
    return Chart(
        x=Axis(title=f"{split} accuracy", numbers="percent", range=limits),
        y=_lines([row.label for row in rows]),
        series=series + arrows,
        notes=[(place, accuracy_text(row)) for place, row in enumerate(rows) if row.mean is None],
    )


def differences_chart(comparisons: Sequence[Comparison], styles: Mapping[str, NetworkStyle]) -> Chart:
    """A line a comparison: the difference and Welch's interval; filled where it is shown."""
    known = [(each, 100 * each.difference) for each in comparisons if each.difference is not None]
    intervals = [_percent(each.interval) for each, _ in known]
    limits = _difference_limits([value for _, value in known], intervals)
    series: list[Series] = []
    for place, ((each, value), interval) in enumerate(zip(known, intervals, strict=True)):
        style, text = styles[each.label], f"{_pair(each)}\n{_difference_text(each)}"
        series.append(_value(value, interval, place, style, text, hollow=not each.shown))
        series += _arrows(interval, limits, place, style)
    return Chart(
        x=Axis(title="points of accuracy", range=limits, zero=True),
        y=_lines([_pair(each) for each, _ in known]),
        series=series,
    )


def has_arrows(chart: Chart) -> bool:
    """Whether an interval of a chart goes on beyond its edge."""
    return any(series.mark and series.mark.shape in _ARROWS for series in chart.series)


def _accuracy_limits(rows: Sequence[Row]) -> Span:
    """Limits in percent around every seed and interval, but those of two seeds, which reach far beyond what can be."""
    values = [100 * value for row in rows for value in row.accuracies]
    intervals = [row.spread_interval for row in rows if row.spread_interval and len(row.accuracies) >= FEW_SEEDS]
    values += [100 * bound for interval in intervals for bound in interval]
    margin = 0.08 * (max(values) - min(values) or 1.0)
    return max(0.0, min(values) - margin), min(100.0, max(values) + margin)


def _difference_limits(values: Sequence[float], intervals: Sequence[Span | None]) -> Span:
    """Zero in the middle; intervals that reach far beyond all differences are cut off."""
    sizes = [abs(value) for value in values]
    furthest = 2.5 * max([1.0, *sizes])
    inside = [min(furthest, abs(bound)) for interval in intervals for bound in interval or ()]
    limit = 1.08 * max([*inside, *sizes, 0.5])
    return -limit, limit


def _percent(interval: Span | None) -> Span | None:
    return (100 * interval[0], 100 * interval[1]) if interval else None


def _lines(labels: Sequence[str]) -> Axis:
    """The first line on top; half a line is free at the ends, where lines without a mark would be left out."""
    return Axis(
        ticks={float(place): label for place, label in enumerate(labels)}, range=(len(labels) - 0.5, -0.5), grid=False
    )


def _value(
    x: float, interval: Span | None, place: int, style: NetworkStyle, text: str, *, hollow: bool = False
) -> Series:
    mark, bars = Mark(style.shape, _MARK, hollow=hollow), [interval] if interval else []
    return Series(x=[x], y=[place], role=style.role, mark=mark, bars=bars, bars_along="x", hover=[text])


def _arrows(interval: Span | None, limits: Span, place: int, style: NetworkStyle) -> Iterator[Series]:
    """Marks at the edges that an interval goes on beyond."""
    if interval is None:
        return
    beyond = (interval[0] < limits[0], interval[1] > limits[1])
    for edge, shape, goes_on in zip(limits, _ARROWS, beyond, strict=True):
        if goes_on:
            yield Series(x=[edge], y=[place], role=style.role, mark=Mark(shape, _MARK), clip=False)


def hover(row: Row) -> str:
    """What a mark says of a network."""
    lines = [row.label, f"{accuracy_text(row)} over {counted(len(row.accuracies), 'seed')}"]
    if row.spread_interval:
        lines.append(f"95 % interval {interval_text(row.spread_interval)}")
    lines.append(f"{show_number(row.params)} parameters, {show_number(row.flops)} FLOPs, depth {row.depth}")
    if row.seconds is not None:
        lines.append(f"{show_seconds(row.seconds)} a training")
    return "\n".join(lines)


def _pair(comparison: Comparison) -> str:
    return f"{comparison.label} − {comparison.reference}"


def _difference_text(comparison: Comparison) -> str:
    """The difference, its interval and what follows."""
    survivors = " over the seeds that came through" if comparison.of_survivors else ""
    interval = f", 95 % interval {points_text(comparison.interval)}" if comparison.interval else ""
    return f"{show_points(comparison.difference or 0)} points{survivors}{interval}: {comparison.verdict_text}"
