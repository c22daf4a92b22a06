"""Figures for papers."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import matplotlib.figure
import matplotlib.style
import pytest
from made_up_runs import make_run, start_run
from PIL import Image

from pure_nas.report.chart import Axis, Chart, Figure, Line, Series
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.matplotlib_chart import DPI, draw, write_figures
from pure_nas.report.palette import LIGHT
from pure_nas.report.search_charts import paper_figures
from pure_nas.run.directory import RunDirectory


def write(run: RunDirectory) -> list[Path]:
    return write_figures(run.figures, paper_figures(report_data(run)))


@pytest.fixture(scope="module")
def written(run: RunDirectory) -> dict[str, Path]:
    return {path.name: path for path in write(run)}


def drawn(data: ReportData, name: str) -> matplotlib.figure.Figure:
    figure = draw(next(figure for figure in paper_figures(data) if figure.name == name))
    figure.canvas.draw()
    return figure


def test_every_figure_is_written_as_png_and_svg(written: dict[str, Path]) -> None:
    names = ("front-flops", "hypervolume", "placement", "curves", "retrained")
    assert set(written) == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    for name in names:
        assert ET.parse(written[f"{name}.svg"]).getroot().tag.endswith("svg")
    with Image.open(written["front-flops.png"]) as image:
        assert image.size == (round(6.4 * DPI), round(4.2 * DPI))
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or ()}
    for role in ("conv", "product", "hybrid", "ink"):
        assert tuple(bytes.fromhex(LIGHT[role][1:])) in colours


def test_the_legend_of_a_front_covers_no_point(data: ReportData) -> None:
    figure = drawn(data, "front-flops")
    (axes,), (legend,) = figure.axes, figure.legends
    assert axes.get_legend() is None
    box = legend.get_window_extent()
    assert box.y1 <= axes.get_window_extent().y0
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_curves_of_one_colour_differ_and_their_ends_say_which_trial_they_are(data: ReportData) -> None:
    figure = drawn(data, "curves")
    (axes,) = figure.axes
    curves = axes.get_lines()[: len(data.curves)]
    looks = {(line.get_color(), str(line._dash_pattern), line.get_alpha()) for line in curves}  # type: ignore[attr-defined]
    assert len(looks) == len(data.curves)
    assert sorted(int(text.get_text()) for text in axes.texts) == sorted(curve.number for curve in data.curves)
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    assert max(box.x1 for box in boxes) <= figure.bbox.width


def test_run_without_complete_trials_has_no_figures(tmp_path: Path) -> None:
    assert write(start_run(tmp_path / "run")) == []


def test_one_trial_is_enough(tmp_path: Path) -> None:
    assert len(write(make_run(tmp_path / "run", trials=1, epochs=1))) == 8


def test_figures_are_the_same_every_time_whatever_the_style_of_the_callers_plots(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=4)
    usual = {path: path.read_bytes() for path in write(run)}
    with matplotlib.style.context(["dark_background", {"text.usetex": True, "font.size": 30}]):
        assert {path: path.read_bytes() for path in write(run)} == usual
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no-such-backend", "svg"])
def test_a_backend_that_the_environment_names_is_neither_needed_nor_lost(backend: str) -> None:
    code = (
        "import os, sys, pure_nas.report.matplotlib_chart, matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams._get_backend_or_none())"
    )
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [backend, "svg" if backend == "svg" else "None"]


def figure_with_legend(names: list[str], width: float) -> matplotlib.figure.Figure:
    lines = [Series(name=name, x=(0, 1), y=(0, 1), role="ink", line=Line()) for name in names]
    figure = draw(Figure("lines", [Chart(x=Axis(), y=Axis(), series=lines)], (width, 3)))
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize(
    ("names", "width"),
    [
        (["a", "b", "c"], 4.8),
        (["runs/cifar10:23, retrained, seed 1", "conv twin, usual recipe, seed 1", "conv twin, same recipe"], 4.8),
        (["one network with a name that is longer than any figure is wide, as people do give them"] * 2, 4.4),
        (["/a/very/long/path/without/a/single/space/" * 4], 4.8),
        (["WWWWWWWWWW" * 3, "iiiiiiiiii"] * 4, 7.2),
        (["x"], 4.8),
    ],
)
def test_legend_lies_within_the_figure(names: list[str], width: float) -> None:
    figure = figure_with_legend(names, width)
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y0 >= 0
    shown = [text.get_text().replace("\n", "").replace(" ", "") for text in legend.get_texts()]
    assert shown == [name.replace(" ", "") for name in names]


def test_short_names_stand_side_by_side() -> None:
    figure = figure_with_legend(["a", "b", "c"], 4.8)
    assert len({round(text.get_window_extent().y0) for text in figure.legends[0].get_texts()}) == 1


def test_without_names_there_is_no_legend() -> None:
    assert not figure_with_legend([""], 4.8).legends
