"""The charts of a search: its front, its course, its learning curves, and its retrained networks."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile, zip_longest

from pure_nas.quantities import cost_label, counted, show_cost, show_number, show_percent
from pure_nas.report.chart import Axis, Chart, Dash, Figure, Line, Mark, NetworkStyle, Series, labelled
from pure_nas.report.data import Curve, ReportData, ReportedTrial, product_share
from pure_nas.report.palette import placement_text, style_of
from pure_nas.report.retraining_tables import came_through, group_labels, variant_kind
from pure_nas.report.table import interval_text, mean_text
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.unit import get_unit

_HOVER_WIDTH = 58  # characters
_SHADES = (1.0, 0.65, 0.4)
_DASHES: tuple[Dash, ...] = ("solid", "dash", "dashdot", "longdash")
_DOTS: tuple[Dash, ...] = ("dot", "2px,6px")  # of baselines
_MOST_NAMES = 24  # up to which a figure has a legend; a page always has one
_HEIGHTS = {"front": 4.2, "hypervolume": 3.0, "curves": 4.8, "retrained": 4.2}  # of figures, inches
_CELL, _STAGE_GAP = 0.22, 1.0  # size of a cell of the placement, inches, and what lies between two stages, cells
_KEY_ENTRY = 1.5, 0.2  # width and height of an entry of its legend, inches


def page_charts(data: ReportData) -> dict[str, Chart]:
    """Every chart that the run has data for, by the id of the element of the page that it fills."""
    charts: dict[str, Chart] = {}
    if data.complete:
        charts.update({f"front-{cost}": _front_chart(data, cost) for cost in data.objectives[1:]})
        charts["share"] = _share_chart(data.complete)
        charts["hypervolume"] = _hypervolume_chart(data)
    if data.curves:
        charts["curves"] = _curves_chart(data.curves)
    if data.retraining.rows:
        charts["retrained"] = _retrained_chart(data, data.retraining)
    return charts


def paper_figures(data: ReportData) -> Iterator[Figure]:
    """Every figure that the run has data for."""
    for name, chart in page_charts(data).items():
        if height := _HEIGHTS.get(name.split("-")[0]):
            width = max(6.4, 2.4 * len(chart.x.ticks or ())) if name == "retrained" else 6.4
            yield Figure(name, [chart], (width, height), legend=len(chart.names) <= _MOST_NAMES)
    if data.front:
        yield _placement_figure(data.front)


def _front_chart(data: ReportData, cost: str) -> Chart:
    crosses = _crosses(data.complete, cost)
    costs = [each.objectives[cost] for each in data.complete]
    errors = [*(100 * each.error for each in data.complete), *(error for error in crosses.y if error is not None)]
    low, high = min(errors) / 2, max(errors) * 2
    line = data.lowest(cost)
    stairs = Series(
        name="front",
        x=[line[0][0], *(value for value, _ in line), 2 * max(costs)],
        y=[high, *(100 * error for _, error in line), 100 * line[-1][1]],
        role="ink",
        line=Line(width=1.75, steps=True),
    )
    intervals = _seed_intervals(data.complete, cost)
    # Intervals that reach far do not squeeze the rest.
    shown = [min(max(low, limit), high) for bar in (*crosses.bars, *intervals.bars) for limit in bar or ()]
    axis = Axis(title=cost_label(cost), numbers="share" if cost == "noise_error" else "metric")
    return Chart(
        x=axis.fitted(costs, lambda value: show_cost(cost, value)),
        y=_error_axis(errors + shown, " (crosses: test error)" if crosses.x else ""),
        series=[
            stairs,
            *([intervals] if intervals.x else []),
            *_points(data.complete, lambda each: each.objectives[cost]),
            *([crosses] if crosses.x else []),
            _rings([each for each in data.complete if each.on_front], cost),
            # The page's script puts the trial here that the pointer is on in the table.
            Series(x=[], y=[], role="ink", mark=Mark("circle", 30, hollow=True, edge=3)),
        ],
    )


def _share_chart(trials: Sequence[ReportedTrial]) -> Chart:
    ticks = {float(share): f"{share} %" for share in range(0, 101, 25)}
    return Chart(
        x=Axis(title="product layers", range=(-6, 106), ticks=ticks),
        y=_error_axis([100 * each.error for each in trials]),
        series=list(_points(trials, lambda each: 100 * product_share(sum(each.architecture.units, ())))),
    )


def _error_axis(errors: Sequence[float], more: str = "") -> Axis:
    axis = Axis(title=f"validation error{more}", numbers="percent")
    return axis.fitted(errors, lambda value: f"{value:g} %") if errors else replace(axis, numbers="plain")


def _points(trials: Sequence[ReportedTrial], x_of: Callable[[ReportedTrial], float]) -> Iterator[Series]:
    for label in sorted({each.label for each in trials}, key=lambda label: (" baseline" in label, label)):
        shown = [each for each in trials if each.label == label]
        style, baselines = style_of(shown[0].kind), bool(shown[0].trial.baseline)
        sizes = [9.5 if each.on_front else 7.5 for each in shown]
        yield Series(
            name=label,
            x=[x_of(each) for each in shown],
            y=[100 * each.error for each in shown],
            role=style.role,
            mark=Mark(style.symbol, 12, hollow=True, edge=2.5) if baselines else Mark(style.symbol, sizes),
            opacity=[1.0 if each.on_front or baselines else 0.5 for each in shown],
            row=[each.number for each in shown],
            hover=[_hover(each) for each in shown],
        )


def _hover(trial: ReportedTrial) -> str:
    architecture, objectives = trial.architecture, trial.objectives
    costs = [f"{cost_label(name)}: {show_cost(name, objectives[name])}" for name in list(objectives)[1:]]
    if "params" not in objectives and "params" in trial.trial.cost:
        costs.append(f"parameters: {show_number(trial.trial.cost['params'])}")
    lines = (
        f"trial {trial.number} · {trial.trial.baseline or trial.kind}",
        f"error {show_percent(trial.error)}",
        *costs,
        f"depth {architecture.depth}, width {architecture.base_width}",
        f"layers {placement_text(architecture.units)}",
        *(line for text in trial.recipe_text.split("; ") for line in textwrap.wrap(text, _HOVER_WIDTH)),
    )
    return "\n".join(lines)


def _crosses(trials: Sequence[ReportedTrial], cost: str) -> Series:
    """Mean test errors, and their 95 % intervals, of networks that were retrained and came through with some seed."""
    tested = [(each, row) for each in trials if (row := each.retrained) and row.test_accuracy]
    intervals = [row.interval or (row.mean, row.mean) for _, row in tested]
    return Series(
        name="retrained: test error",
        x=[each.objectives[cost] for each, _ in tested],
        y=[100 * (1 - row.mean) for _, row in tested],
        bars=[(100 * (1 - best), 100 * (1 - worst)) for worst, best in intervals],
        role="soft",
        mark=Mark("x-thin", 9, hollow=True),
        row=[each.number for each, _ in tested],
        hover=[_tested_text(each.number, row) for each, row in tested],
    )


def _seed_intervals(trials: Sequence[ReportedTrial], cost: str) -> Series:
    """Of mean errors over several seeds."""
    found = [(each, each.standing) for each in trials if each.standing and each.standing.seeds > 1]
    return Series(
        x=[each.objectives[cost] for each, _ in found],
        y=[100 * standing.error for _, standing in found],
        bars=[(100 * standing.low, 100 * standing.high) for _, standing in found],
        role="soft",
        mark=Mark("circle", 1),
    )


def _tested_text(number: int, row: Row) -> str:
    detail = ", ".join(filter(None, (interval_text(row.interval), came_through(row), counted(row.epochs, "epoch"))))
    return f"trial {number}, retrained\ntest accuracy {show_percent(row.mean)}\n{detail}"


def _rings(front: Sequence[ReportedTrial], cost: str) -> Series:
    chosen = labelled([(each.objectives[cost], each.error) for each in front])
    return Series(
        x=[each.objectives[cost] for each in front],
        y=[100 * each.error for each in front],
        role="ink",
        mark=Mark("circle", 17, hollow=True, edge=1.25),
        texts=[str(each.number) if index in chosen else "" for index, each in enumerate(front)],
        clip=False,
    )


def _hypervolume_chart(data: ReportData) -> Chart:
    history = data.results.hypervolume_history()
    numbers, shares = zip(*history, strict=True)
    course = Series(
        x=numbers,
        y=shares,
        role="ink",
        line=Line(steps=True),
        mark=Mark("circle") if len(numbers) == 1 else None,
        hover=[f"after trial {number}: {share:.4f}" for number, share in history],
    )
    first = takewhile(lambda each: each.trial.baseline, data.complete)
    last_baseline = max((each.number for each in first), default=numbers[-1])
    return Chart(
        x=Axis(title="trial", range=(-0.5, numbers[-1] + 0.5), numbers="whole"),
        y=Axis(title="hypervolume"),
        series=[course],
        shaded=((-0.5, last_baseline + 0.5), "baselines") if last_baseline < numbers[-1] else None,
    )


def _curves_chart(curves: Sequence[Curve]) -> Chart:
    return Chart(
        x=Axis(title="epoch", numbers="whole"),
        y=_error_axis([100 * error for curve in curves for error in curve.errors if error is not None]),
        series=[
            style.line(
                curve.epochs,
                [None if error is None else 100 * error for error in curve.errors],
                width=1.5 if curve.baseline else 2.25,
                mark=Mark(style.shape, [0.0] * (len(curve.epochs) - 1) + [8.0]),
                row=curve.number,
                hover=[
                    f"trial {curve.name}\nepoch {epoch:g}: {show_percent(error or 0)}"
                    for epoch, error in zip(curve.epochs, curve.errors, strict=True)
                ],
            )
            for curve, style in zip(curves, _curve_styles(curves), strict=True)
        ],
    ).with_line_ends()


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


def _retrained_chart(data: ReportData, retraining: Retraining) -> Chart:
    variants = list(dict.fromkeys(row.variant for row in retraining.rows))
    kinds = [(row.variant, variant_kind(row, data.kinds)) for row in retraining.rows]
    series: list[Series] = []
    for variant, kind in dict.fromkeys(kinds):
        rows = [row for row, own in zip(retraining.rows, kinds, strict=True) if own == (variant, kind)]
        offset = 0.7 * ((variants.index(variant) + 0.5) / len(variants) - 0.5)
        places = [retraining.groups.index((row.trial, row.epochs)) + offset for row in rows]
        series += _variant(rows, places, kind)
    return Chart(
        x=Axis(ticks=dict(enumerate(group_labels(retraining))), grid=False),
        y=Axis(title="test accuracy", numbers="percent"),
        series=series,
    )


def _variant(rows: Sequence[Row], places: Sequence[float], kind: str) -> list[Series]:
    variant, style = rows[0].variant, style_of(kind)
    own = variant == "trial"
    means = Series(
        name=f"the trial itself, {kind}" if own else variant,
        x=places,
        y=[100 * row.mean if row.test_accuracy else None for row in rows],
        bars=[(100 * (row.mean - row.std), 100 * (row.mean + row.std)) if row.test_accuracy else None for row in rows],
        role=style.role,
        mark=Mark(style.symbol, 14 if own else 11, hollow="same recipe" in variant),
        hover=[
            f"{variant}\n{', '.join(filter(None, (mean_text(row.test_accuracy), came_through(row))))}" for row in rows
        ],
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


def _placement_figure(front: Sequence[ReportedTrial]) -> Figure:
    placements = [each.architecture.units for each in front]
    starts = [0.0]
    for stages in zip_longest(*placements, fillvalue=()):
        starts.append(starts[-1] + max(2, *map(len, stages)) + _STAGE_GAP)
    spots: dict[str, list[tuple[float, float]]] = {}
    for line, stages in enumerate(placements):
        for start, stage_units in zip(starts, stages, strict=False):
            for place, unit in enumerate(stage_units):
                spots.setdefault(unit, []).append((start + place, line))
    chart = Chart(
        x=Axis(
            range=(-0.7, starts[-1] - _STAGE_GAP - 0.3),
            ticks={start - 0.45: f"stage {stage}" for stage, start in enumerate(starts[:-1], start=1)},
            grid=False,
        ),
        y=Axis(
            range=(len(front) - 0.4, -0.6),
            ticks={line: f"trial {each.number}   {show_percent(each.error)}" for line, each in enumerate(front)},
            grid=False,
        ),
        series=[_cells(unit, spots[unit]) for unit in sorted(spots)],
        frame=False,
    )
    width = max(4.2, 1.9 + _CELL * 1.08 * starts[-1])
    key_rows = -(-len(spots) // min(len(spots), int(width / _KEY_ENTRY[0])))
    height = 0.9 + _CELL * 1.35 * len(front) + _KEY_ENTRY[1] * (key_rows - 1)
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
