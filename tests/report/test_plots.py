"""The interactive plots, as Plotly gets them."""

from __future__ import annotations

from dataclasses import replace

from pure_nas.report.data import ReportData
from pure_nas.report.plots import curves_plot, hypervolume_plot


def test_curves_of_a_single_epoch_have_ticks_at_whole_epochs_only(data: ReportData) -> None:
    short = [replace(curve, epochs=curve.epochs[:1], errors=curve.errors[:1]) for curve in data.curves]
    axis = curves_plot(replace(data, curves=tuple(short)))["layout"]["xaxis"]
    assert (axis["dtick"], axis["tickformat"]) == (1, "d")


def test_what_joins_a_curve_to_its_label_looks_like_no_curve(data: ReportData) -> None:
    strokes = [trace for trace in curves_plot(data)["data"] if trace["name"].startswith("end of ")]
    assert strokes
    assert {trace["line"]["dash"] for trace in strokes} == {"dot"}


def test_the_last_trial_of_a_search_is_inside_its_plot(data: ReportData) -> None:
    plot = hypervolume_plot(data)
    low, high = plot["layout"]["xaxis"]["range"]
    assert low < plot["data"][0]["x"][0]
    assert plot["data"][0]["x"][-1] < high
