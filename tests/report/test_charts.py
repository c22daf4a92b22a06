"""Charts: colours and marks, where axes begin and end, where labels go, and what Plotly gets."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pure_nas.report.chart import Axis, end_labels, labelled
from pure_nas.report.data import ReportData
from pure_nas.report.palette import DARK, LIGHT, style_of
from pure_nas.report.plotly_chart import plotly_chart
from pure_nas.report.search_charts import page_charts
from pure_nas.space.unit import BUILT_IN, HYBRID


def test_every_unit_has_a_colour_a_marker_and_a_glyph_of_its_own() -> None:
    styles = [style_of(kind) for kind in (*BUILT_IN, HYBRID)]
    for aspect in ("role", "symbol", "glyph"):
        assert len({getattr(style, aspect) for style in styles}) == len(styles), aspect
    assert all(style.role in LIGHT and style.role in DARK for style in styles)


def test_a_unit_of_another_package_has_a_style_too() -> None:
    style = style_of("geometric-mean")
    assert style == style_of("geometric-mean")
    assert style.glyph == "G"
    assert style.role in LIGHT


@given(st.lists(st.floats(min_value=1e-3, max_value=1), min_size=1, max_size=40), st.booleans())
@example([0.0014792213439941409, 0.0014792213439941406], False)
def test_labels_at_line_ends_keep_their_order_their_distance_and_within_the_axis(ends: list[float], log: bool) -> None:
    limits = (10**-3.2, 10**0.2) if log else (-0.1, 1.1)
    low, high = (math.log10(limit) if log else limit for limit in limits)
    found = end_labels(Axis(range=limits, log=log), ends)
    places = [((math.log10(value) if log else value) - low) / (high - low) for value in found]
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    by_end = sorted(range(len(ends)), key=lambda index: ends[index])
    gap = min(0.06, 1 / len(ends))
    assert all(places[above] - places[below] >= gap - 1e-9 for below, above in pairwise(by_end))


@pytest.mark.parametrize("log", [False, True])
def test_a_label_with_room_stands_where_its_line_ends(log: bool) -> None:
    assert end_labels(Axis(range=(0.01, 10.0) if log else (-2.0, 1.0), log=log), [0.1, 0.5]) == pytest.approx(
        [0.1, 0.5]
    )


@given(st.floats(1e-6, 1e12), st.floats(1.0001, 1e6))
@example(low=633333333334.0, ratio=1.5)
def test_a_logarithmic_axis_has_a_few_ticks_at_least_one(low: float, ratio: float) -> None:
    axis = Axis().fitted([low, low * ratio], str)
    assert axis.range is not None
    assert axis.ticks is not None
    assert 1 <= len(axis.ticks) <= 12
    assert all(0.99 * axis.range[0] <= tick <= 1.01 * axis.range[1] for tick in axis.ticks)


def test_an_axis_with_a_zero_is_linear() -> None:
    axis = Axis().fitted([0, 5], str)
    assert not axis.log
    assert axis.range == pytest.approx((-0.4, 5.4))


@given(st.lists(st.floats(1e-3, 1e9), min_size=1), st.booleans())
def test_an_axis_holds_every_value(values: list[float], log: bool) -> None:
    low, high = Axis(log=log).around(values).range or (0, 0)
    assert low < min(values)
    assert high > max(values)


def test_labels_that_would_touch_are_left_out() -> None:
    assert labelled([(1e5, 0.1), (1.0001e5, 0.1), (1e6, 0.05)]) == {0, 2}
    assert labelled([]) == set()


def plot(data: ReportData, name: str) -> dict[str, Any]:
    return plotly_chart(page_charts(data)[name])


def test_curves_of_a_single_epoch_have_ticks_at_whole_epochs_only(data: ReportData) -> None:
    short = [replace(curve, epochs=curve.epochs[:1], errors=curve.errors[:1]) for curve in data.curves]
    axis = plot(replace(data, curves=tuple(short)), "curves")["layout"]["xaxis"]
    assert (axis["dtick"], axis["tickformat"]) == (1, "d")


def test_curves_without_any_number_are_drawn(data: ReportData) -> None:
    lost = [replace(curve, errors=(None,) * len(curve.errors)) for curve in data.curves]
    assert len(plot(replace(data, curves=tuple(lost)), "curves")["data"]) == len(lost)


def test_what_joins_a_curve_to_its_label_looks_like_no_curve_and_is_hidden_with_it(data: ReportData) -> None:
    traces = plot(data, "curves")["data"]
    strokes = [trace for trace in traces if not trace["showlegend"]]
    assert [trace["legendgroup"] for trace in strokes] == [trace["name"] for trace in traces if trace["showlegend"]]
    assert {trace["line"]["dash"] for trace in strokes} == {"dot"}


def test_the_last_trial_of_a_search_is_inside_its_plot(data: ReportData) -> None:
    course = plot(data, "hypervolume")
    low, high = course["layout"]["xaxis"]["range"]
    assert low < course["data"][0]["x"][0]
    assert course["data"][0]["x"][-1] < high


def test_each_retrained_trial_is_drawn_as_what_it_is(data: ReportData) -> None:
    by_kind = {kind: next(each for each in data.complete if each.kind == kind) for kind in ("conv", "product")}
    (row, *_) = data.retraining.rows
    rows = tuple(replace(row, trial=each.number, variant="trial") for each in by_kind.values())
    chart = page_charts(replace(data, retraining=replace(data.retraining, rows=rows)))["retrained"]
    own = {series.name: series.role for series in chart.series if series.name}
    assert own == {f"the trial itself, {kind}": style_of(kind).role for kind in by_kind}
    assert len(set(own.values())) == 2
