"""Legends are never wider than their figure."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pure_nas.report.legend import legend_below


def drawn(names: list[str], width: float, columns: int) -> tuple[Figure, FigureCanvasAgg]:
    figure = Figure(figsize=(width, 3), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name in names:
        axes.plot([0, 1], [0, 1], label=name)
    legend_below(figure, axes, columns=columns, fontsize=8)
    canvas.draw()
    return figure, canvas


@pytest.mark.parametrize(
    ("names", "width", "columns"),
    [
        (["a", "b", "c"], 4.8, 3),
        (["runs/cifar10:23, retrained, seed 1", "conv twin, usual recipe, seed 1", "conv twin, same recipe"], 4.8, 3),
        (["one network with a name that is longer than any figure is wide, as people do give them"] * 2, 4.4, 4),
        (["/a/very/long/path/without/a/single/space/" * 4], 4.8, 3),
        (["WWWWWWWWWW" * 3, "iiiiiiiiii"] * 4, 7.2, 4),
        (["x"], 4.8, 3),
    ],
)
def test_legend_lies_within_the_figure(names: list[str], width: float, columns: int) -> None:
    figure, canvas = drawn(names, width, columns)
    (legend,) = figure.legends
    box = legend.get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y0 >= 0
    shown = [text.get_text().replace("\n", "").replace(" ", "") for text in legend.get_texts()]
    assert shown == [name.replace(" ", "") for name in names]


def test_short_names_stand_side_by_side() -> None:
    figure, canvas = drawn(["a", "b", "c"], 4.8, 3)
    rows = {round(text.get_window_extent(canvas.get_renderer()).y0) for text in figure.legends[0].get_texts()}
    assert len(rows) == 1


def test_without_entries_there_is_no_legend() -> None:
    figure = Figure()
    legend_below(figure, figure.subplots(), columns=3, fontsize=8)
    assert not figure.legends
