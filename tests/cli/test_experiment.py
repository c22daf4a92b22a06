"""pure-nas experiment: what it lists, plans, trains, refuses, and takes up again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies import contents, copied_images, invoke, json_in

from pure_nas.data.dataset import Dataset, ImageSource
from pure_nas.plans.driver import Driver
from pure_nas.plans.experiment.file import EXPERIMENTS, find_experiment
from pure_nas.plans.experiment.session import ExperimentSettings
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Event, InlineExecutor

HEAD = """
reference = "adds"
targets = [0.4, 0.6]
"""
MORE = """
crop_padding = 1
[networks.multiplies]
base = "pure8"
[scales.long]
cost = "longer"
epochs = 25
seeds = 2
batch_size = 16
base_width = 2
crop_padding = 1
"""


def at(folder: Path) -> tuple[object, ...]:
    """The options that name a run by its folder."""
    return "--out", folder.parent, "--study", folder.name, "--device", "cpu"


@pytest.fixture(scope="module")
def tiny(write_experiment: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an experiment of four trainings."""
    return write_experiment(tmp_path_factory.mktemp("file") / "tiny.toml", HEAD, MORE, epochs=2, seeds=2)


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    invoke("experiment", tiny, *at(folder)).done()
    return folder


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_experiments_are_listed_with_question_scales_and_cost(arguments: list[str]) -> None:
    answer = invoke("experiment", *arguments).done()
    assert answer.stderr == ""
    text = " ".join(answer.stdout.split())
    assert "depth-cifar10 Is PURe more accurate than a ResNet of the same depth?" in text
    assert "smoke 12 digits 6 about 2 minutes on 2 CPU cores" in text
    shipped = len(EXPERIMENTS.places)
    assert text.count(" smoke ") == text.count(" small ") == text.count(" paper ") == shipped


def test_a_list_and_a_plan_are_json_too(tiny: Path) -> None:
    listed = invoke("experiment", "--json").json
    assert [each["name"] for each in listed] == sorted(each["name"] for each in listed)
    assert listed[0]["scales"][0].keys() >= {"name", "cost", "networks", "epochs", "seeds", "trainings"}
    plan = invoke("experiment", tiny, "--dry-run", "--json", "--device", "cpu").json
    assert (plan["trainings"], plan["networks"], plan["epochs"]) == (4, ["adds", "multiplies"], 2)
    assert plan["seconds"] == pytest.approx(sum(plan["seconds_of_trainings"].values()))
    assert plan["seconds"] > 0
    assert all(0 < plan["seconds_of_epochs"][name] < all_ for name, all_ in plan["seconds_of_trainings"].items())


def test_a_file_is_shown_to_be_copied(tmp_path: Path) -> None:
    shown = invoke("experiment", "noise", "--show").stdout
    copy = tmp_path / "copy.toml"
    copy.write_text(shown, encoding="utf-8")
    assert invoke("experiment", copy, "--show").stdout == shown


def test_a_dry_run_says_size_and_estimate_and_writes_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = invoke("experiment", tiny, "--dry-run", "--device", "cpu", "--seeds", 3).done()
    assert "grid: 2 networks, 3 seeds each: 6 trainings of 2 epochs" in answer.stderr
    assert "estimated time on cpu: " in answer.stderr
    assert "multiplies: " in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_prints_tables_and_leaves_a_report(tiny: Path, finished: Path) -> None:
    for name in ("experiment.json", "experiment.csv", "comparisons.csv", "curves.csv", "report.html"):
        assert (finished / name).stat().st_size > 0
    assert {path.name for path in (finished / "figures").iterdir()} >= {"accuracy.png", "accuracy.svg", "curves.svg"}
    again = invoke("experiment", tiny, *at(finished)).done()
    assert "\nAll 4 trainings are done." in again.stderr
    assert "seeds: " not in again.stderr
    assert again.stdout.startswith("Test accuracy, 2 epochs, 2 seeds: mean ± standard deviation\n")
    assert ["multiplies", "adds"] in [line.split()[:2] for line in again.stdout.splitlines()]
    assert "they show only very large differences" in " ".join(again.stdout.split())
    document = invoke("experiment", tiny, *at(finished), "--json").json
    assert document == json_in(finished / "experiment.json")
    assert document["complete"] == 4


def test_pure_nas_report_reads_an_experiment(finished: Path) -> None:
    answer = invoke("report", finished).done()
    assert answer.stdout.startswith("Test accuracy, 2 epochs, 2 seeds")
    assert str(finished / "report.html") in answer.stderr
    assert invoke("report", finished, "--json").json["experiment"] == "tiny"


def test_runs_go_to_a_folder_of_their_name_scale_and_dataset(tiny: Path, finished: Path, image_folder: Path) -> None:
    source, runs = find_experiment(str(tiny)), Path("runs")
    cases: list[tuple[dict[str, Any], Path, Path]] = [
        ({}, runs, runs / "tiny-tiny"),
        ({"dataset": str(image_folder)}, runs, runs / f"tiny-tiny-{image_folder.name}"),
        ({"scale_name": "long"}, runs, runs / "tiny-long"),
        ({"study": "first"}, runs, runs / "first"),
        ({}, finished, finished),  # as in commands of earlier versions
        ({"study": "own"}, finished, finished / "own"),
    ]
    for fields, out, folder in cases:
        assert ExperimentSettings(source=source, **fields).folder_in(out) == folder


def test_time_counts_from_before_the_images_are_loaded(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float | None] = []
    load = ImageSource.__call__

    def slowly(source: ImageSource) -> Dataset:
        time.sleep(0.5)
        return load(source)

    def stopped(driver: Driver, *_: object) -> str:
        left.append(driver.budget.left)
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageSource, "__call__", slowly)
    monkeypatch.setattr(Driver, "go", stopped)
    invoke("experiment", tiny, *at(tmp_path / "run"), "--time", "10m").refusal(130)
    assert left[0] is not None
    assert 500 < left[0] <= 599.5


def test_a_grid_that_takes_longer_than_its_time_says_so_stops_and_goes_on(tiny: Path, tmp_path: Path) -> None:
    command = ("experiment", tiny, "--scale", "long", *at(tmp_path / "run"), "--time", "1ms")
    answer = invoke(*command).done()
    said = answer.message
    assert "estimated time on cpu: " in said
    assert "for 4 trainings" in said
    assert "That is more than --time 0.0 s, which is enough for none of 4 trainings; then it stops" in said
    assert said.index("That is more than") < said.index("Stopped: the time is used up; the same command resumes it.")
    assert "An epoch takes up to" in said
    assert "a session of --time 0.0 s runs until the epochs in progress are done" in said
    assert "4 to go" not in answer.stdout
    assert "2 to go" in answer.stdout
    assert (tmp_path / "run" / "report.html").is_file()
    assert "adds-seed1 resumes after epoch 1" in invoke(*command).message


def test_the_plan_says_a_product_that_is_one(tiny: Path, tmp_path: Path) -> None:
    several = tmp_path / "several.toml"
    recipes = (
        '[networks.deeper]\nbase = "pure8"\nrecipes = ["a"]\n[recipes.a]\n[recipes.b]\nmomentum = 0.5\n[scales.tiny]'
    )
    several.write_text(tiny.read_text(encoding="utf-8").replace("[scales.tiny]", recipes), encoding="utf-8")
    answer = invoke("experiment", several, "--dry-run", "--device", "cpu")
    # Five cells, of which the deeper network is as deep as another: 4 x 2.
    assert "grid: 4 different pairs of network and recipe, 2 seeds each: 8 trainings of 2 epochs" in answer.stderr


def test_an_edited_file_and_seeds_that_are_not_shown_are_said(tiny: Path, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    changed = tmp_path / "tiny.toml"
    changed.write_text(tiny.read_text(encoding="utf-8").replace("Which?", "Which one?"), encoding="utf-8")
    answer = invoke("experiment", changed, *at(folder), "--seeds", 1).done()
    assert "file: it was edited but needs the same trainings; the run's copy is updated" in answer.stderr
    assert "seeds: 2 have been trained; tables and report show the first\n" in answer.stderr
    assert "Which one?" in (folder / "report.html").read_text(encoding="utf-8")


def test_corrupt_images_are_left_out_if_asked(tiny: Path, image_folder: Path, tmp_path: Path) -> None:
    images = copied_images(image_folder, tmp_path, spoilt="train/crosses/003.png")
    command = ("experiment", tiny, "--dataset", images, "--dry-run", "--device", "cpu")
    assert "--skip-corrupt" in invoke(*command).refusal(1)
    assert "1 corrupt image skipped (--skip-corrupt)" in invoke(*command, "--skip-corrupt").done().message


def test_a_run_in_use_is_refused_with_the_option_that_there_is(tiny: Path, tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run").locked():
        refused = invoke("experiment", tiny, *at(tmp_path / "run")).refusal(1)
    assert "is in use" in refused
    assert "choose another --study or --out." in refused


@pytest.mark.parametrize("command", ["export", "retrain"])
def test_what_is_for_searches_says_that_an_experiment_is_none(finished: Path, command: str) -> None:
    before = contents(finished)
    assert "holds an experiment, not a search." in invoke(command, finished).refusal(1)
    assert contents(finished) == before


def test_an_experiment_that_is_interrupted_shows_what_there_is(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_event = InlineExecutor.next_event

    def interrupted(executor: InlineExecutor) -> Event:
        if list(tmp_path.glob("run/trials/*/result.json")):
            raise KeyboardInterrupt
        return next_event(executor)

    with monkeypatch.context() as patch:
        patch.setattr(InlineExecutor, "next_event", interrupted)
        answer = invoke("experiment", tiny, *at(tmp_path / "run"))
    assert "Stopped: interrupted; the same command resumes it." in answer.refusal(130)
    assert answer.stdout.startswith("Test accuracy, 2 epochs")
    assert "4 trainings of 2 epochs; 1 done" in invoke("experiment", tiny, *at(tmp_path / "run")).done().stderr
