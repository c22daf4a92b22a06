"""The charts of a search, as Plotly gets them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pure_nas.report.data import ReportData
from pure_nas.report.plotly_chart import plotly_chart
from pure_nas.report.search_charts import page_charts


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
