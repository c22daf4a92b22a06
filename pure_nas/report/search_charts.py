"""The charts of a search: its front, its course, its learning curves, and its retrained networks."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from pure_nas.quantities import cost_label, counted, show_cost, show_number, show_percent
from pure_nas.report.chart import Axis, Chart, Dash, Figure, Line, Mark, NetworkStyle, Series
from pure_nas.report.chart_layout import fitted, labelled, with_line_ends
from pure_nas.report.data import Curve, Point, ReportData
from pure_nas.report.palette import style_of
from pure_nas.report.retraining import came_through, group_labels, interval_text, seeds_text, variant_kind
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.unit import get_unit

_HOVER_WIDTH = 58
"""Characters."""
_SHADES = (1.0, 0.65, 0.4)
_DASHES: tuple[Dash, ...] = ("solid", "dash", "dashdot", "longdash")
_DOTS: tuple[Dash, ...] = ("dot", "2px,6px")
"""Of baselines."""
_MOST_NAMES = 24
"""Up to which a figure has a legend; a page always has one."""
_CELL, _STAGE_GAP = 0.22, 1.0
"""Size of a cell of the placement, inches, and what lies between two stages, cells."""
_KEY_ENTRY = 1.5, 0.2
"""Width and height of an entry of its legend, inches."""


def page_charts(data: ReportData) -> dict[str, Chart]:
    """Every chart that the run has data for, by the id of the element of the page that it fills."""
    charts: dict[str, Chart] = {}
    if data.points:
        charts.update({f"front-{view.name}": front_chart(data, view.name) for view in data.costs})
        charts["share"] = share_chart(data)
        charts["hypervolume"] = hypervolume_chart(data)
    if data.curves:
        charts["curves"] = curves_chart(data)
    if data.retraining and data.retraining.rows:
        charts["retrained"] = retrained_chart(data, data.retraining)
    return charts


def paper_figures(data: ReportData) -> Iterator[Figure]:
    """Every figure that the run has data for."""
    heights = {"front": 4.2, "hypervolume": 3.0, "curves": 4.8, "retrained": 4.2}
    for name, chart in page_charts(data).items():
        if height := heights.get(name.split("-")[0]):
            width = max(6.4, 2.4 * len(chart.x.ticks or ())) if name == "retrained" else 6.4
            yield Figure(name, [chart], (width, height), legend=len(chart.names) <= _MOST_NAMES)
    if data.front:
        yield placement_figure(data)


def front_chart(data: ReportData, cost: str) -> Chart:
    """Error over one cost: every complete trial, the baselines, the front as a step line."""
    crosses = _crosses(data.points, cost)
    costs, errors = [point.costs[cost] for point in data.points], [100 * point.error for point in data.points]
    errors += [error for error in crosses.y if error is not None]
    low, high = min(errors) / 2, max(errors) * 2
    line = next(view.line for view in data.costs if view.name == cost)
    stairs = Series(
        name="front",
        x=[line[0][0], *(value for value, _ in line), 2 * max(costs)],
        y=[high, *(100 * error for _, error in line), 100 * line[-1][1]],
        role="ink",
        line=Line(width=1.75, steps=True),
    )
    # Intervals that reach far do not squeeze the rest.
    shown = [min(max(low, limit), high) for bar in crosses.bars for limit in bar or ()]
    axis = Axis(title=cost_label(cost), numbers="share" if cost == "noise_error" else "metric")
    return Chart(
        x=fitted(axis, costs, lambda value: show_cost(cost, value)),
        y=_error_axis(f"validation error{' (crosses: test error)' if crosses.x else ''}", errors + shown),
        series=[
            stairs,
            *_points(data.points, lambda point: point.costs[cost]),
            *([crosses] if crosses.x else []),
            _rings([point for point in data.points if point.on_front], cost),
            # The page's script puts the trial here that the pointer is on in the table.
            Series(x=[], y=[], role="ink", mark=Mark("circle", 30, hollow=True, edge=3)),
        ],
    )


def share_chart(data: ReportData) -> Chart:
    """Error over the share of product layers: every complete trial."""
    ticks = {float(share): f"{share} %" for share in range(0, 101, 25)}
    return Chart(
        x=Axis(title="product layers", range=(-6, 106), ticks=ticks),
        y=_error_axis("validation error", [100 * point.error for point in data.points]),
        series=_points(data.points, lambda point: 100 * point.product_share),
    )


def _error_axis(title: str, errors: Sequence[float]) -> Axis:
    return fitted(Axis(title=title, numbers="percent"), errors, lambda value: f"{value:g} %")


def _points(points: Sequence[Point], x_of: Callable[[Point], float]) -> list[Series]:
    """A series for each kind of network, baselines last."""
    labels = sorted({point.kind_label for point in points}, key=lambda label: (" baseline" in label, label))
    return [_kind(label, [point for point in points if point.kind_label == label], x_of) for label in labels]


def _kind(label: str, points: Sequence[Point], x_of: Callable[[Point], float]) -> Series:
    style = style_of(points[0].kind)
    if points[0].baseline:
        mark = Mark(style.symbol, 12, hollow=True, edge=2.5)
    else:
        mark = Mark(style.symbol, [9.5 if point.on_front else 7.5 for point in points])
    return Series(
        name=label,
        x=[x_of(point) for point in points],
        y=[100 * point.error for point in points],
        role=style.role,
        mark=mark,
        opacity=[1.0 if point.on_front or point.baseline else 0.5 for point in points],
        row=[point.number for point in points],
        hover=[_hover(point) for point in points],
    )


def _hover(point: Point) -> str:
    costs = [f"{cost_label(name)}: {show_cost(name, value)}" for name, value in point.costs.items()]
    if "params" not in point.costs and not math.isnan(point.params):
        costs.append(f"parameters: {show_number(point.params)}")
    lines = (
        f"trial {point.number} · {point.baseline or point.kind}",
        f"error {show_percent(point.error)}",
        *costs,
        f"depth {point.depth}, width {point.base_width}",
        f"layers {point.placement}",
        *(line for text in point.recipe_text.split("; ") for line in textwrap.wrap(text, _HOVER_WIDTH)),
    )
    return "\n".join(lines)


def _crosses(points: Sequence[Point], cost: str) -> Series:
    """Mean test errors, and their 95 % intervals, of networks that were retrained and came through with some seed."""
    tested = [(point, row) for point in points if (row := point.retrained) and row.test_accuracy]
    intervals = [row.interval or (row.mean, row.mean) for _, row in tested]
    return Series(
        name="retrained: test error",
        x=[point.costs[cost] for point, _ in tested],
        y=[100 * (1 - row.mean) for _, row in tested],
        bars=[(100 * (1 - best), 100 * (1 - worst)) for worst, best in intervals],
        role="soft",
        mark=Mark("x-thin", 9, hollow=True),
        row=[point.number for point, _ in tested],
        hover=[_tested_text(point.number, row) for point, row in tested],
    )


def _tested_text(number: int, row: Row) -> str:
    detail = ", ".join(filter(None, (interval_text(row), came_through(row), counted(row.epochs, "epoch"))))
    return f"trial {number}, retrained\ntest accuracy {show_percent(row.mean)}\n{detail}"


def _rings(front: Sequence[Point], cost: str) -> Series:
    """A ring around each network of the front, with its number where there is room."""
    chosen = labelled([(point.costs[cost], point.error) for point in front])
    return Series(
        x=[point.costs[cost] for point in front],
        y=[100 * point.error for point in front],
        role="ink",
        mark=Mark("circle", 17, hollow=True, edge=1.25),
        texts=[str(point.number) if index in chosen else "" for index, point in enumerate(front)],
        clip=False,
    )


def hypervolume_chart(data: ReportData) -> Chart:
    """Share of the reference box that the front dominates, after each complete trial."""
    numbers, shares = zip(*data.hypervolume_history, strict=True)
    course = Series(
        x=numbers,
        y=shares,
        role="ink",
        line=Line(steps=True),
        mark=Mark("circle") if len(numbers) == 1 else None,
        hover=[f"after trial {number}: {share:.4f}" for number, share in data.hypervolume_history],
    )
    last_baseline = max((point.number for point in data.points if point.baseline), default=numbers[-1])
    return Chart(
        x=Axis(title="trial", range=(-0.5, numbers[-1] + 0.5), numbers="whole"),
        y=Axis(title="hypervolume"),
        series=[course],
        shaded=((-0.5, last_baseline + 0.5), "baselines") if last_baseline < numbers[-1] else None,
    )


def curves_chart(data: ReportData) -> Chart:
    """Validation error over epochs of the front and the baselines."""
    values = [100 * error for curve in data.curves for error in curve.errors if error is not None]
    chart = Chart(
        x=Axis(title="epoch", numbers="whole"),
        y=_error_axis("validation error", values) if values else Axis(title="validation error"),
        series=[
            style.line(
                curve.epochs,
                [None if error is None else 100 * error for error in curve.errors],
                width=1.5 if curve.baseline else 2.25,
                mark=Mark(style.shape, [0.0] * (len(curve.epochs) - 1) + [8.0]),
                row=curve.number,
                hover=[
                    f"trial {curve.name}\nepoch {epoch:g}: {100 * (error or 0):.2f} %"
                    for epoch, error in zip(curve.epochs, curve.errors, strict=True)
                ],
            )
            for curve, style in zip(data.curves, _curve_styles(data.curves), strict=True)
        ],
    )
    return with_line_ends(chart)


def _curve_styles(curves: Sequence[Curve]) -> Iterator[NetworkStyle]:
    """Another style for each curve of the same colour, up to 12 of the front and 6 baselines."""
    drawn = Counter[tuple[str, bool]]()
    for curve in curves:
        unit, dotted = style_of(curve.kind), bool(curve.baseline)
        dashes = _DOTS if dotted else _DASHES
        shade, place = divmod(drawn[unit.role, dotted], len(dashes))
        drawn[unit.role, dotted] += 1
        yield NetworkStyle(
            role=unit.role,
            shape=unit.symbol,
            dash=dashes[place],
            opacity=_SHADES[shade % len(_SHADES)],
            name=curve.name,
            end=str(curve.number),
        )


def retrained_chart(data: ReportData, retraining: Retraining) -> Chart:
    """Test accuracy of retrained networks beside their twins: every seed, mean and standard deviation."""
    kinds = {point.number: point.kind for point in data.points}
    variants = list(dict.fromkeys(row.variant for row in retraining.rows))
    series: list[Series] = []
    for place, variant in enumerate(variants):
        rows = [row for row in retraining.rows if row.variant == variant]
        offset = 0.7 * ((place + 0.5) / len(variants) - 0.5)
        places = [retraining.groups.index((row.trial, row.epochs)) + offset for row in rows]
        series += _variant(rows, places, variant_kind(rows[0], kinds))
    return Chart(
        x=Axis(ticks=dict(enumerate(group_labels(retraining))), grid=False),
        y=Axis(title="test accuracy", numbers="percent"),
        series=series,
    )


def _variant(rows: Sequence[Row], places: Sequence[float], kind: str) -> list[Series]:
    variant, style = rows[0].variant, style_of(kind)
    own = variant == "trial"
    means = Series(
        name="the trial itself" if own else variant,
        x=places,
        y=[100 * row.mean if row.test_accuracy else None for row in rows],
        bars=[(100 * (row.mean - row.std), 100 * (row.mean + row.std)) if row.test_accuracy else None for row in rows],
        role=style.role,
        mark=Mark(style.symbol, 14 if own else 11, hollow="same recipe" in variant),
        hover=[f"{variant}\n{seeds_text(row)}" for row in rows],
    )
    spots = [(x + 0.035, 100 * value) for x, row in zip(places, rows, strict=True) for value in row.test_accuracy]
    seeds = Series(
        x=[x for x, _ in spots],
        y=[y for _, y in spots],
        role=style.role,
        mark=Mark(style.symbol, 5),
        opacity=0.6,
        hover=[f"one seed: {y:.2f} %" for _, y in spots],
    )
    return [means, seeds]


def placement_figure(data: ReportData) -> Figure:
    """Which layers of the front's networks hold which unit: a row for each network, a cell for each residual layer."""
    starts = [0.0]
    for stages in zip_longest(*(row.units for row in data.front), fillvalue=()):
        starts.append(starts[-1] + max(2, *map(len, stages)) + _STAGE_GAP)
    spots: dict[str, list[tuple[float, float]]] = {}
    for line, row in enumerate(data.front):
        for start, stage_units in zip(starts, row.units, strict=False):
            for place, unit in enumerate(stage_units):
                spots.setdefault(unit, []).append((start + place, line))
    chart = Chart(
        x=Axis(
            range=(-0.7, starts[-1] - _STAGE_GAP - 0.3),
            ticks={start - 0.45: f"stage {stage}" for stage, start in enumerate(starts[:-1], start=1)},
            grid=False,
        ),
        y=Axis(
            range=(len(data.front) - 0.4, -0.6),
            ticks={
                line: f"trial {row.number}   {show_percent(row.objectives['error'])}"
                for line, row in enumerate(data.front)
            },
            grid=False,
        ),
        series=[_cells(unit, spots[unit]) for unit in sorted(spots)],
        frame=False,
    )
    width = max(4.2, 1.9 + _CELL * 1.08 * starts[-1])
    key_rows = -(-len(spots) // min(len(spots), int(width / _KEY_ENTRY[0])))
    height = 0.9 + _CELL * 1.35 * len(data.front) + _KEY_ENTRY[1] * (key_rows - 1)
    return Figure("placement", [chart], (width, height))


def _cells(unit: str, spots: Sequence[tuple[float, float]]) -> Series:
    style = style_of(unit)
    return Series(
        name=f"{unit} ({style.glyph})",
        x=[x for x, _ in spots],
        y=[y for _, y in spots],
        role=style.role,
        mark=Mark("circle" if get_unit(unit).multiplies else "square", 14),
        texts=[style.glyph] * len(spots),
        texts_at="inside",
    )
