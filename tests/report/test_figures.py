"""Figures for papers."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
from made_up_runs import make_run, start_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pure_nas.report.data import ReportData
from pure_nas.report.figures import DPI, draw_curves, draw_front, write_figures
from pure_nas.report.palette import LIGHT
from pure_nas.run.directory import RunDirectory


@pytest.fixture(scope="module")
def written(run: RunDirectory, data: ReportData) -> dict[str, Path]:
    return {path.name: path for path in write_figures(run, data)}


def test_every_figure_is_written_as_png_and_svg(written: dict[str, Path]) -> None:
    names = ("front-flops", "hypervolume", "placement", "curves", "retrained")
    assert set(written) == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}


def test_pngs_have_their_size_and_show_the_palette(written: dict[str, Path]) -> None:
    with Image.open(written["front-flops.png"]) as image:
        assert image.size == (round(6.4 * DPI), round(4.2 * DPI))
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    colours = {tuple(int(value) for value in pixel) for pixel in pixels}
    for role in ("conv", "product", "hybrid", "ink"):
        assert tuple(bytes.fromhex(LIGHT[role][1:])) in colours


def test_svgs_are_xml(written: dict[str, Path]) -> None:
    for path in written.values():
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_the_same_run_gives_the_same_files(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=8)
    first = {path: path.read_bytes() for path in write_figures(run)}
    assert {path: path.read_bytes() for path in write_figures(run)} == first


def test_each_cost_has_its_figure(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=8, objectives=("error", "flops", "latency"))
    names = {path.name for path in write_figures(run)}
    assert {"front-flops.png", "front-latency.png"} <= names


def test_the_legend_of_a_front_covers_no_point(data: ReportData) -> None:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw_front(axes, data, "flops")
    canvas.draw()
    assert axes.get_legend() is None
    (legend,) = figure.legends
    box = legend.get_window_extent(canvas.get_renderer())
    assert box.y1 <= axes.get_window_extent(canvas.get_renderer()).y0
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_curves_of_one_colour_differ_and_their_ends_say_which_trial_they_are(data: ReportData) -> None:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw_curves(axes, data)
    canvas.draw()
    curves = axes.get_lines()[: len(data.curves)]
    looks = {(line.get_color(), str(line._dash_pattern), line.get_alpha()) for line in curves}  # type: ignore[attr-defined]
    assert len(looks) == len(data.curves)
    assert sorted(int(text.get_text()) for text in axes.texts) == sorted(curve.number for curve in data.curves)
    boxes = sorted((text.get_window_extent(canvas.get_renderer()) for text in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    assert max(box.x1 for box in boxes) <= figure.bbox.width


def test_run_without_complete_trials_has_no_figures(tmp_path: Path) -> None:
    assert write_figures(start_run(tmp_path / "run")) == []


def test_one_trial_is_enough(tmp_path: Path) -> None:
    assert len(write_figures(make_run(tmp_path / "run", trials=1, epochs=1))) == 8


def test_figures_do_not_depend_on_the_style_of_the_callers_plots(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=4)
    usual = {path: path.read_bytes() for path in write_figures(run)}
    with matplotlib.style.context(["dark_background", {"text.usetex": True, "font.size": 30}]):
        assert {path: path.read_bytes() for path in write_figures(run)} == usual
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no-such-backend", "svg"])
def test_a_backend_that_the_environment_names_is_neither_needed_nor_lost(backend: str) -> None:
    code = (
        "import os, sys, pure_nas.report.figures, matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams._get_backend_or_none())"
    )
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [backend, "svg" if backend == "svg" else "None"]
