"""The report of an experiment: tables, figures, and the page in a real browser."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import warnings
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browsing import cut_parts, line_ends, opened
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from pure_nas.analysis.convergence import Convergence
from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.errors import RunError
from pure_nas.files import append_line, write_whole
from pure_nas.findings.experiment_results import load_experiment_results
from pure_nas.findings.findings import Findings, findings_of
from pure_nas.findings.rows import Row
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import Grid, trainings_of
from pure_nas.report import write_experiment_report
from pure_nas.report.experiment.charts import convergence_lines, network_styles, page_charts, varied
from pure_nas.report.pages import experiment_page as page
from pure_nas.run.directory import EXPERIMENT, RunDirectory

IMAGES = {"in_chans": 1, "num_classes": 10, "image_size": 8}
HEAD = 'schema = 1\nquestion = "{question}"\npaper = "It says so."\ndataset = "digits"\nvalidation_curve = true\n'
GRID = """
[networks.{first}]
base = {{ each = ["resnet8", "resnet14", "resnet20"] }}
[networks.pure]
base = {{ each = ["pure8", "pure14", "pure20"] }}
against = {first}
[networks.alone]
base = "pure8"
relu_in_block = true
against = "resnet8"
[scales.s]
cost = "none at all"
epochs = 4
seeds = 3
base_width = 2
"""
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror=window.hacked=1>"


def make_run(
    path: Path,
    *,
    question: str = "Which?",
    first: str = "resnet",
    done: int = 100,
    sick: Sequence[str] = (),
    seeds: int = 3,
    **changes: str,
) -> RunDirectory:
    """A run as an experiment leaves it: `done` trainings have ended, of the `sick` two seeds by diverging.

    Args:
        changes: parts of the file and what stands there instead, each as `name="part -> instead"`.
    """
    text = HEAD.format(question=question) + GRID.format(first=json.dumps(first))
    for change in changes.values():
        text = text.replace(*change.split(" -> "))
    file = ExperimentFile.from_toml(text)
    grid = Grid.of(file, file.scales["s"], IMAGES, seeds)
    run = RunDirectory(path)
    data = {**IMAGES, "name": "digits", "classes": [str(digit) for digit in range(10)], "train": 1150, "scored": 359}
    settings = {"schema": 1, "kind": EXPERIMENT, "experiment": "made-up", "scale": "s", "dataset": "digits"}
    run.write_settings({**settings, "split": "test", "seeds": seeds, "epochs": 4, "data": data})
    write_whole(path / "experiment.toml", text)
    write_whole(path / "environment.json", json.dumps({"device": "cpu"}))
    for number, training in enumerate(trainings_of(run, grid)):
        if number >= done:
            break
        depth, product = (
            training.candidate.architecture.depth,
            "product" in training.candidate.architecture.unit_set,
        )
        accuracy = 0.8 + depth / 400 + 0.02 * product + 0.004 * training.seed
        training.directory.path.mkdir(parents=True, exist_ok=True)
        for epoch in range(1, 5):
            error = 1 - accuracy * epoch / 4
            record = {"epoch": epoch, "train_accuracy": 0.5, "validation_error": error, "seconds": 2.0}
            append_line(training.directory.metrics, record)
        if training.label in sick and training.seed < 3:
            ended = {"state": "diverged", "reason": "training loss became nan in epoch 2", "seconds": 2.0}
        else:
            ended = {"state": "complete", "reason": "", "seconds": 8.0, "metrics": {"accuracy": accuracy}}
            write_whole(training.directory.evaluation, json.dumps(evaluation(accuracy)))
        training.directory.write_result(ended)
    return run


def evaluation(accuracy: float) -> dict[str, Any]:
    levels = [(0.0, accuracy), (0.1, accuracy - 0.1), (0.2, accuracy - 0.3)]
    return {
        "images": 100,
        "accuracy": accuracy,
        "top5": 0.99,
        "calibration_error": 0.03,
        "views": {"name": "flip", "accuracy": accuracy + 0.01, "top5": 0.995},
        "noise": {
            kind: [{"level": level, "accuracy": value} for level, value in levels] for kind in ("gaussian", "speckle")
        },
        "intensity": [
            {"factor": factor, "accuracy": accuracy - 0.2, "agreement": 0.8, "cosine": 0.9} for factor in (0.5, 2.0)
        ],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A finished run with its report; not to be changed."""
    made = make_run(tmp_path_factory.mktemp("experiment") / "run", sick=["pure20"])
    write_experiment_report(made)
    return made


def found_in(run: RunDirectory) -> Findings:
    return findings_of(load_experiment_results(run))


def rows_of(run: RunDirectory) -> tuple[Row, ...]:
    return found_in(run).rows


def paged(tmp_path: Path, **changes: Any) -> RunDirectory:
    """A run of `make_run` with its page, without the figures, which take longer."""
    run = make_run(tmp_path / "run", **changes)
    write_whole(run.report_path, page(found_in(run), {}))
    return run


def texts(run: RunDirectory) -> dict[str, str]:
    """What the header of a page and each of its sections say, without a browser."""
    _, _, main = run.report_path.read_text(encoding="utf-8").partition("<main>")
    parts = re.split(r'<section id="(\w+)">', f"header{main.partition('</main>')[0]}")
    plain = [" ".join(unescape(re.sub("<[^>]+>", " ", part)).split()) for part in parts]
    return {"header": plain[0], **dict(zip(plain[1::2], plain[2::2], strict=True))}


def traces(browser: Chrome, plot: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.execute_script(
        f"return document.getElementById('{plot}').data.map(({{name, x, y, mode, opacity}}) => "
        "({name, x, y, mode, opacity}))"
    )
    return found


def test_plots_show_what_was_found(browser: Chrome, run: RunDirectory) -> None:
    opened(browser, run.report_path)
    rows = rows_of(run)
    shown = {trace["y"][0]: trace["x"][0] for trace in traces(browser, "accuracy")[1::2]}
    assert shown == {place: pytest.approx(100 * (row.mean or 0)) for place, row in enumerate(rows)}
    over = {trace["name"]: trace for trace in traces(browser, "over-depth")}
    assert set(over) == {"resnet", "pure", "alone"}
    assert over["pure"]["x"] == [8, 14, 20]
    assert over["pure"]["y"] == pytest.approx([100 * (row.mean or 0) for row in rows[3:6]])
    curves = [trace for trace in traces(browser, "curves") if trace["mode"] == "lines"]
    assert [trace["name"] for trace in curves] == [row.label for row in rows]
    assert curves[0]["y"] == pytest.approx([100 * found.mean for found in rows[0].curve.values()])
    browser.execute_script("document.querySelectorAll('table.networks tbody tr')[2].focus()")
    shades = {trace["name"]: trace["opacity"] for trace in traces(browser, "curves") if trace["mode"] == "lines"}
    assert shades == {row.label: 1 if row.label == "resnet20" else 0.15 for row in rows}
    band, line = traces(browser, "noise-gaussian")[:2]
    assert line["y"][0] - line["y"][2] == pytest.approx(30)
    levels = rows[0].evaluation.noise["gaussian"] if rows[0].evaluation else ()
    assert band["y"][: len(levels)] == pytest.approx([100 * each.accuracy.high for each in levels])
    assert band["y"][-1] == pytest.approx(100 * levels[0].accuracy.low)
    legend = browser.find_element(By.CSS_SELECTOR, "#noise .legend").text
    assert all(row.label in legend for row in rows)
    assert len(traces(browser, "differences")) == 4
    assert traces(browser, "intensity")[1]["x"] == [0.5, 1, 2]


def test_networks_and_levels_keep_their_names_when_a_plot_is_zoomed(browser: Chrome, run: RunDirectory) -> None:
    opened(browser, run.report_path)
    for plot, axis, label in (("accuracy", "y", "pure8"), ("noise-gaussian", "x", "0.1")):
        middle = 3 if axis == "y" else 1
        change = {f"{axis}axis.range[0]": middle - 0.4, f"{axis}axis.range[1]": middle + 0.4}
        browser.execute_async_script(
            "const [plot, change, done] = arguments; Plotly.relayout(plot, change).then(() => setTimeout(done, 100))",
            plot,
            change,
        )
        ticks = browser.find_elements(By.CSS_SELECTOR, f"#{plot} .{axis}tick text")
        assert [tick.text for tick in ticks] == [label]


@pytest.mark.parametrize("plot", ["curves", "noise-gaussian", "intensity", "convergence"])
def test_every_line_has_its_name_at_its_end(browser: Chrome, run: RunDirectory, plot: str) -> None:
    opened(browser, run.report_path)
    assert set(line_ends(browser, plot, 9)) == {row.label for row in rows_of(run)}


@pytest.mark.parametrize(("width", "printed"), [(360, False), (957, True), (700, True)])
def test_nothing_is_cut_on_a_narrow_screen_or_on_paper(
    browser: Chrome, run: RunDirectory, width: int, printed: bool
) -> None:
    assert cut_parts(browser, run.report_path, width, printed=printed) == []


def test_long_names_have_a_number_at_the_end_of_their_lines_and_in_the_legend(browser: Chrome, tmp_path: Path) -> None:
    run = paged(tmp_path, base="[networks.alone] -> [networks.alone-with-relu]")
    opened(browser, run.report_path)
    assert set(line_ends(browser, "curves", 9)) == {str(number) for number in range(1, 8)}
    assert "7: alone-with-relu" in browser.find_element(By.CSS_SELECTOR, "#noise .legend").text
    assert "Numbers at line ends are those of the legend" in browser.find_element(By.ID, "learning").text


def test_sections_have_their_tables_and_notes(run: RunDirectory) -> None:
    said = texts(run)
    for part, words in {
        "networks": (
            "1, 2 diverged training loss became nan in epoch 2",
            "network top-5 flip, top-1 flip, top-5 calibration error",
        ),
        "comparisons": (
            "corrected for their number (Holm)",
            "In brackets: only the seeds that did not diverge",
            "pure20 resnet20 (+2.40) – – – 2 of 3 seeds diverged",
        ),
        "converged": (
            "network 50 % 60 % 70 % 80 % + resnet8 3 / 6.0 s 3 / 6.0 s 4 / 8.0 s 4 / 8.0 s",
            "pure8 resnet8 1 / 1 3 against 3 1 / 1 3 against 3 1 / 1 4 against 4 1 / 1 4 against 4",
            "No network reached 90 %.",
        ),
        "noise": ("These differences include those on the unchanged images",),
        "light": ("62.80 % 80 % same class", "+ resnet8 0.900 1.000 0.900", "changes the network's input affinely"),
    }.items():
        assert [each for each in words if each not in said[part]] == []
    for part in ("networks", "noise", "light"):
        assert "Evaluated on 100 of the 359 test images" in said[part]
    _, _, differences = said["noise"].partition("network compared with gaussian speckle")
    assert differences.count("no difference shown") == 6
    assert differences.count("p 0.004, 0.054 corrected") == 6
    assert "no difference shown: 15, seeds diverged: 5" in said["header"]
    # pure20 would be the highest by the one seed that came through.
    best = max((row for row in rows_of(run) if not row.diverged), key=lambda row: row.mean or 0)
    assert f"highest test accuracy 86.30 % {best.label} " in said["header"]
    assert "The paper: It says so." in said["header"]


@pytest.mark.parametrize(("seeds", "arrows"), [(3, 0), (2, 4)])
def test_intervals_are_whole_or_go_on_with_an_arrow(browser: Chrome, tmp_path: Path, seeds: int, arrows: int) -> None:
    """Those of three seeds fit; of those of two some reach further than all seeds together."""
    run = paged(tmp_path, seeds=seeds)
    rows, limits = rows_of(run), page_charts(found_in(run))["accuracy"].x.range
    assert limits is not None
    beyond = [
        edge
        for low, high in (row.spread_interval for row in rows if row.spread_interval)
        for edge, goes_on in zip(limits, (100 * low < limits[0], 100 * high > limits[1]), strict=True)
        if goes_on
    ]
    assert len(beyond) == arrows
    opened(browser, run.report_path)
    marked = [trace["x"][0] for trace in traces(browser, "accuracy")[2 * len(rows) :]]
    assert marked == pytest.approx(beyond)
    assert ("An arrow means the interval continues." in texts(run)["networks"]) == bool(arrows)


def test_one_seed_is_said_in_one_sentence_and_there_is_no_table_of_it(tmp_path: Path) -> None:
    run = paged(tmp_path, seeds=1, targets="validation_curve -> targets = [0.97, 0.99]\nvalidation_curve")
    said = texts(run)
    assert said["converged"].endswith("No network reached 97 or 99 %.")
    assert said["comparisons"] == f"Compared {ONE_SEED}"
    whole = " ".join(said.values())
    assert whole.count(ONE_SEED) == 1
    for what in ("too few seeds", "differences shown", "interval", "standard deviation over", "seeds."):
        assert what not in whole


def test_names_in_scripts_that_the_font_lacks_warn_nobody(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_experiment_report(make_run(tmp_path / "run", first="日本", seeds=1))


@pytest.mark.parametrize("damage", ["{", "[]", '{"state": "complete"}'])
def test_a_damaged_result_has_the_way_out_of_an_experiment(tmp_path: Path, damage: str) -> None:
    run = make_run(tmp_path / "run", done=1)
    (result,) = (run.path / "trials").glob("*/result.json")
    result.write_text(damage)
    with pytest.raises(RunError, match="is damaged") as caught:
        write_experiment_report(run)
    assert caught.value.hint == "Restore a good copy, or remove the folder and run the experiment's command again."


def test_hostile_names_are_shown_and_not_run(browser: Chrome, tmp_path: Path) -> None:
    run = paged(tmp_path, question=HOSTILE, first="<img src=x onerror=hacked=1>")
    opened(browser, run.report_path)
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []


@pytest.mark.parametrize("done", [0, 5])
def test_experiments_that_are_not_finished_have_a_page(browser: Chrome, tmp_path: Path, done: int) -> None:
    run = paged(tmp_path, done=done)
    opened(browser, run.report_path)
    assert f"{done} of 21" in texts(run)["header"]
    assert "3 to go" in texts(run)["networks"]
    if done:
        drawn = browser.find_element(By.ID, "accuracy").text
        assert all(row.label in drawn for row in rows_of(run)), "a network without a mark keeps its line"
        assert drawn.count("not trained yet") == sum(row.mean is None for row in rows_of(run))


def test_lines_of_networks_that_only_diverged_say_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", sick=["resnet8"], seeds=2)
    assert page_charts(found_in(run))["accuracy"].notes == [(0, "every seed diverged")]


def lines(run: RunDirectory, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run.path / name).read_text(encoding="utf-8"))))


def test_tables_hold_every_number(run: RunDirectory) -> None:
    rows = rows_of(run)
    found = lines(run, "experiment.csv")
    assert [line["network"] for line in found] == [row.label for row in rows]
    for line, row in zip(found, rows, strict=True):
        assert float(line["accuracy"]) == row.mean
        assert (line["std"] == "") == (row.std is None)
        assert (int(line["params"]), int(line["diverged"])) == (row.params, row.diverged)
    assert json.loads((run.path / "experiment.json").read_text(encoding="utf-8"))["networks"][0]["mean"] == rows[0].mean
    assert {path.stem for path in run.figures.iterdir()} == {
        *("accuracy", "over-depth", "differences", "curves", "convergence", "noise", "intensity")
    }
    compared = lines(run, "comparisons.csv")
    plain = [line for line in compared if line["measure"] == "accuracy"]
    assert float(plain[0]["difference"]) == pytest.approx(0.02)
    assert (plain[2]["verdict"], plain[2]["diverged"], plain[2]["p"]) == ("2 of 3 seeds diverged", "2", "")
    measures = [f"{line['measure']} {line['kind']}".strip() for line in compared if line["network"] == "alone"]
    assert measures == ["accuracy", "views flip", "noise gaussian", "noise speckle", "intensity"]
    for column in ("epochs_to_0.5", "epochs_to_0.5_low", "epochs_to_0.5_high", "seconds_to_0.5"):
        assert float(plain[0][f"times_fewer_{column}"]) == 1.0  # every epoch takes as long
    assert float(found[0]["noise_gaussian"]) == pytest.approx(float(found[0]["accuracy"]) - 0.2)
    assert float(found[0]["intensity"]) == pytest.approx(float(found[0]["accuracy"]) - 0.2)
    judged = {"judged_images": 100, "top5": 0.99, "calibration_error": 0.03, "views_flip_top5": 0.995}
    judged |= {"intensity_agreement": 0.8, "intensity_cosine": 0.9}
    assert {name: float(found[0][name]) for name in judged} == pytest.approx(judged)
    for line, row in zip(found, rows, strict=True):
        assert [int(line[f"never_reached_{each.target:g}"]) for each in row.convergence] == [
            each.missed for each in row.convergence
        ]
    curves = lines(run, "curves.csv")
    assert len(curves) == 7 * 4
    assert math.isclose(float(curves[3]["validation_accuracy"]), rows[0].curve[4].mean)


def test_tables_without_lines_have_their_columns(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", done=0, alone='against = "resnet8"\n -> \n', pure='against = "resnet"\n -> \n')
    write_experiment_report(run)
    for name in ("comparisons.csv", "curves.csv"):
        (head,) = (run.path / name).read_text(encoding="utf-8").splitlines()
        assert head.startswith("network,")


def test_networks_of_a_table_share_a_colour_and_pale_towards_its_beginning(run: RunDirectory) -> None:
    rows = rows_of(run)
    styles = network_styles(rows)
    roles = [styles[label].role for label in ("resnet8", "resnet20", "pure8", "pure20")]
    assert roles == ["conv", "conv", "product", "product"]
    assert styles["alone"].role not in ("conv", "product")
    assert styles["pure8"].opacity < styles["pure14"].opacity < styles["pure20"].opacity == 1.0
    assert [[row.label for row in group] for group in varied(rows)] == [
        ["resnet8", "resnet14", "resnet20"],
        ["pure8", "pure14", "pure20"],
    ]


def learner(label: str, *epochs: float | None) -> Row:
    """A network of which every seed needed so many epochs for each accuracy; None: one seed never reached it."""
    found = tuple(
        Convergence(target=0.5 + place / 10, epochs=(each,) if each else (3,), seconds=(1.0,), missed=int(each is None))
        for place, each in enumerate(epochs)
    )
    return SimpleNamespace(label=label, convergence=found)  # type: ignore[return-value]


def test_lines_that_others_cover_are_wider_and_there_are_none_without_a_network_that_arrived() -> None:
    lines = convergence_lines(
        [learner("a", 1, 2, 3), learner("b", 1, 2, 3), learner("c", 1, 2), learner("d", 2, 3), learner("e", 1, 2, None)]
    )
    wider = {line.row.label: line.wider for line in lines}
    assert wider["a"] > wider["b"] == 0
    assert wider["c"] > wider["d"] == wider["e"] == 0
    assert [target for target, _ in lines[-1].points] == [0.5, 0.6]
    assert convergence_lines([learner("a", None), learner("b", None, None)]) == []
