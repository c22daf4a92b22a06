"""pure-nas experiment: what it lists, plans, trains, refuses, and takes up again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import Forked
from pure_nas_cli import experiment_run
from pure_nas_cli.main import app
from studies import Command, contents

from pure_nas.data.dataset import Dataset, ImageSource
from pure_nas.plans.driver import Driver
from pure_nas.plans.experiment.file import EXPERIMENTS
from pure_nas.plans.experiment.session import ExperimentSettings
from pure_nas.plans.plan import FixedPlan, Listener, Trained
from pure_nas.quantities import show_points
from pure_nas.run.directory import RunDirectory
from pure_nas.training.training import EpochMetrics, Training

TINY = """
schema = 1
question = "Which of two small networks is better?"
dataset = "{dataset}"
reference = "adds"
targets = [0.4, 0.6]
[networks.adds]
base = "resnet8"
[networks.multiplies]
base = "pure8"
[scales.tiny]
cost = "seconds"
epochs = 2
seeds = 2
batch_size = 16
base_width = 2
crop_padding = 1
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
    return "--out", folder.parent, "--study", folder.name


@pytest.fixture(scope="module")
def tiny(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an experiment of four trainings."""
    path = tmp_path_factory.mktemp("file") / "tiny.toml"
    path.write_text(TINY.format(dataset=image_folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(pure_nas: Command, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    answer = pure_nas("experiment", tiny, *at(folder), "--device", "cpu")
    assert answer.code == 0, answer.stderr
    return folder


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_experiments_are_listed_with_question_scales_and_cost(pure_nas: Command, arguments: list[str]) -> None:
    answer = pure_nas("experiment", *arguments)
    assert answer.code == 0
    assert answer.stderr == ""
    text = " ".join(answer.stdout.split())
    assert "depth-cifar10 Is PURe more accurate than a ResNet of the same depth?" in text
    assert "smoke 12 digits 6 about 2 minutes on 2 CPU cores" in text
    shipped = len(EXPERIMENTS.places)
    assert text.count(" smoke ") == text.count(" small ") == text.count(" paper ") == shipped


def test_listing_imports_nothing_heavy(program: list[str]) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom pure_nas_cli.root import app\n"
        "assert CliRunner().invoke(app, ['experiment']).exit_code == 0\n"
        "print(*sorted({'torch', 'optuna', 'matplotlib', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([program[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_list_and_a_plan_are_json_too(pure_nas: Command, tiny: Path, tmp_path: Path) -> None:
    listed = json.loads(pure_nas("experiment", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(each["name"] for each in listed)
    assert listed[0]["scales"][0].keys() >= {"name", "cost", "networks", "epochs", "seeds", "trainings"}
    plan = json.loads(pure_nas("experiment", tiny, "--dry-run", "--json", "--device", "cpu").stdout)
    assert (plan["trainings"], plan["networks"], plan["epochs"]) == (4, ["adds", "multiplies"], 2)
    assert plan["seconds"] == pytest.approx(sum(plan["seconds_of_trainings"].values()))
    assert plan["seconds"] > 0
    assert all(0 < plan["seconds_of_epochs"][name] < all_ for name, all_ in plan["seconds_of_trainings"].items())


def test_a_file_is_shown_to_be_copied(pure_nas: Command, tmp_path: Path) -> None:
    shown = pure_nas("experiment", "noise", "--show")
    assert shown.code == 0
    copy = tmp_path / "copy.toml"
    copy.write_text(shown.stdout, encoding="utf-8")
    assert pure_nas("experiment", copy, "--show").stdout == shown.stdout


def test_a_dry_run_says_size_and_estimate_and_writes_nothing(
    pure_nas: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = pure_nas("experiment", tiny, "--dry-run", "--device", "cpu", "--seeds", 3)
    assert answer.code == 0
    assert "grid: 2 networks, 3 seeds each: 6 trainings of 2 epochs" in answer.stderr
    assert "estimated time on cpu: " in answer.stderr
    assert "multiplies: " in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_prints_tables_and_leaves_a_report(pure_nas: Command, tiny: Path, finished: Path) -> None:
    for name in ("experiment.json", "experiment.csv", "comparisons.csv", "curves.csv", "report.html"):
        assert (finished / name).stat().st_size > 0
    assert {path.name for path in (finished / "figures").iterdir()} >= {"accuracy.png", "accuracy.svg", "curves.svg"}
    again = pure_nas("experiment", tiny, *at(finished), "--device", "cpu")
    assert again.code == 0
    assert "\nAll 4 trainings are done." in again.stderr
    assert again.stdout.startswith("Test accuracy, 2 epochs, 2 seeds: mean ± standard deviation\n")
    assert ["multiplies", "adds"] in [line.split()[:2] for line in again.stdout.splitlines()]
    assert "they show only very large differences" in " ".join(again.stdout.split())
    document = json.loads(pure_nas("experiment", tiny, *at(finished), "--device", "cpu", "--json").stdout)
    assert document == json.loads((finished / "experiment.json").read_text(encoding="utf-8"))
    assert document["complete"] == 4


def test_pure_nas_report_reads_an_experiment(pure_nas: Command, finished: Path) -> None:
    answer = pure_nas("report", finished)
    assert answer.code == 0
    assert answer.stdout.startswith("Test accuracy, 2 epochs, 2 seeds")
    assert str(finished / "report.html") in answer.stderr
    assert json.loads(pure_nas("report", finished, "--json").stdout)["experiment"] == "tiny"


def test_runs_go_to_a_folder_of_their_name_scale_and_dataset(
    pure_nas: Command, tiny: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def run_experiment(settings: ExperimentSettings, folder: Path, *, as_json: bool) -> int:
        folders.append(folder)
        return 0

    monkeypatch.setattr(experiment_run, "run_experiment", run_experiment)
    for arguments in (
        [],
        ["--dataset", image_folder],
        ["--scale", "long", "--out", "mine"],
        ["--study", "first"],
        ["--study", "first", "--out", "~/mine"],
    ):
        assert pure_nas("experiment", tiny, *arguments).code == 0
    named = [f"runs/tiny-tiny-{image_folder.name}", "mine/tiny-long", "runs/first", f"{Path.home()}/mine/first"]
    assert folders == [Path("runs/tiny-tiny"), *map(Path, named)]


def test_out_that_is_a_run_itself_goes_on_as_in_commands_of_earlier_versions(
    pure_nas: Command, tiny: Path, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(finished, folder)
    before = sorted(folder.iterdir())
    answer = pure_nas("experiment", tiny, "--out", folder, "--device", "cpu")
    assert answer.code == 0
    assert "All 4 trainings are done." in answer.stderr
    assert f"report: {folder / 'report.html'}" in answer.stderr
    refused = pure_nas("experiment", tiny, "--scale", "long", "--out", folder, "--device", "cpu")
    assert refused.code == 1
    assert "choose another --study or --out for a new run" in refused.message
    assert sorted(folder.iterdir()) == before
    # With a name of its own it is a run in that folder.
    started = pure_nas("experiment", tiny, *at(folder / "own"), "--device", "cpu", "--time", "1ms")
    assert started.code == 0
    assert (folder / "own" / "run.toml").is_file()


@pytest.mark.parametrize("name", ["", "a/b", ".hidden"])
def test_a_study_needs_the_name_of_a_folder(pure_nas: Command, tiny: Path, tmp_path: Path, name: str) -> None:
    answer = pure_nas("experiment", tiny, "--out", tmp_path / "runs", "--study", name, "--device", "cpu")
    assert answer.code == 2
    assert "The study name" in answer.message
    assert not (tmp_path / "runs").exists()


def test_time_counts_from_before_the_images_are_loaded(
    pure_nas: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float | None] = []
    load, go = ImageSource.__call__, Driver.go

    def slowly(source: ImageSource) -> Dataset:
        time.sleep(0.5)
        return load(source)

    def timed(self: Driver, plan: FixedPlan, listener: Listener[Trained]) -> str:
        left.append(self.budget.left)
        self.budget.limit = 0.0
        return go(self, plan, listener)

    monkeypatch.setattr(ImageSource, "__call__", slowly)
    monkeypatch.setattr(Driver, "go", timed)
    for allowed in ("10m", "400ms"):
        assert pure_nas("experiment", tiny, *at(tmp_path / "run"), "--time", allowed, "--device", "cpu").code == 0
    assert left[0] is not None
    assert 500 < left[0] <= 599.5
    assert left[1] == 0.0


def test_a_grid_that_takes_longer_than_its_time_says_so_stops_and_goes_on(
    pure_nas: Command, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    answer = pure_nas("experiment", tiny, "--scale", "long", *at(folder), "--time", "1ms", "--device", "cpu")
    assert answer.code == 0
    said = answer.message
    assert "estimated time on cpu: " in said
    assert "for 4 trainings" in said
    assert "That is more than --time 0.0 s, which is enough for none of 4 trainings; then it stops" in said
    assert said.index("That is more than") < said.index("Stopped: the time is used up; the same command resumes it.")
    assert "An epoch takes up to" in said
    assert "a session of --time 0.0 s runs until the epochs in progress are done" in said
    assert "4 to go" not in answer.stdout
    assert "2 to go" in answer.stdout
    assert (folder / "report.html").is_file()
    again = pure_nas("experiment", tiny, "--scale", "long", *at(folder), "--time", "1ms", "--device", "cpu")
    assert "adds-seed1 resumes after epoch 1" in again.message


def test_the_plan_says_a_product_that_is_one(pure_nas: Command, tiny: Path, tmp_path: Path) -> None:
    several = tmp_path / "several.toml"
    recipes = (
        '[networks.deeper]\nbase = "pure8"\nrecipes = ["a"]\n[recipes.a]\n[recipes.b]\nmomentum = 0.5\n[scales.tiny]'
    )
    several.write_text(tiny.read_text(encoding="utf-8").replace("[scales.tiny]", recipes), encoding="utf-8")
    answer = pure_nas("experiment", several, "--dry-run", "--device", "cpu")
    # Five cells, of which the deeper network is as deep as another: 4 x 2.
    assert "grid: 4 different pairs of network and recipe, 2 seeds each: 8 trainings of 2 epochs" in answer.stderr


def test_a_file_of_which_only_words_changed_replaces_the_runs_copy(
    pure_nas: Command, tiny: Path, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    changed = tmp_path / "tiny.toml"
    changed.write_text(tiny.read_text(encoding="utf-8").replace("Which of two", "Which one of two"), encoding="utf-8")
    answer = pure_nas("experiment", changed, *at(folder), "--device", "cpu")
    assert answer.code == 0
    assert "file: it was edited but needs the same trainings; the run's copy is updated" in answer.stderr
    assert "Which one of two" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_run_with_fewer_seeds_than_it_had_says_which_it_is_of(
    pure_nas: Command, tiny: Path, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    answer = pure_nas("experiment", tiny, *at(folder), "--device", "cpu", "--seeds", 1)
    assert answer.code == 0
    assert "seeds: 2 have been trained; tables and report show the first\n" in answer.stderr
    assert "seeds: " not in pure_nas("experiment", tiny, *at(folder), "--device", "cpu").stderr


def test_a_file_without_its_ending_is_pointed_to(
    pure_nas: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").touch()
    answer = pure_nas("experiment", "base")
    assert answer.code == 2
    assert "Or give the file that is here: base.toml." in answer.message


def test_a_run_in_use_is_refused_with_the_option_that_there_is(pure_nas: Command, tiny: Path, tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run").locked():
        answer = pure_nas("experiment", tiny, *at(tmp_path / "run"), "--device", "cpu")
    assert answer.code == 1
    assert "is in use" in answer.message
    assert "choose another --study or --out." in answer.message


def test_a_grid_without_trainings_leaves_nothing(
    pure_nas: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    empty = tmp_path / "empty.toml"
    text = tiny.read_text(encoding="utf-8").replace('"resnet8"', '"resnet8"\nrecipes = "b"', 1)
    text = text.replace('cost = "seconds"', 'cost = "seconds"\nnetworks = ["adds"]\nrecipes = ["a"]')
    empty.write_text(text.replace("[scales.tiny]", "[recipes.a]\n[recipes.b]\n[scales.tiny]"), encoding="utf-8")
    answer = pure_nas("experiment", empty, "--device", "cpu")
    assert answer.code == 2
    assert "scales.tiny: trains nothing" in answer.message
    assert not list((tmp_path / "here").iterdir())


def test_corrupt_images_are_left_out_if_asked(
    pure_nas: Command, tiny: Path, image_folder: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    (images / "train" / "crosses" / "003.png").write_bytes(b"no image")
    command = ("experiment", tiny, "--dataset", images, *at(tmp_path / "run"), "--seeds", 1, "--device", "cpu")
    refused = pure_nas(*command)
    assert refused.code == 1
    assert "--skip-corrupt" in refused.message
    answer = pure_nas(*command, "--skip-corrupt")
    assert answer.code == 0
    assert "1 corrupt image skipped (--skip-corrupt)" in answer.message
    assert pure_nas(*command).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["dept-cifar10"], 2, 'There is no experiment "dept-cifar10"; did you mean "depth-cifar10"?'),
        (["noise", "--scale", "smal"], 2, 'There is no scale "smal" in this experiment; did you mean "small"?'),
        (["none.toml"], 2, "The experiment none.toml cannot be read: No such file or directory."),
        (["noise", "--dataset", "digts"], 2, 'There is no dataset "digts"; did you mean "digits"?'),
        (["noise", "--seeds", "0"], 2, "--seeds"),
        (["noise", "--time", "soon"], 2, '"soon" is not a time'),
        (["noise", "--workers", "0"], 2, "is not auto or a number"),
        (["noise", "--device", "cuda:99"], 2, 'The device "cuda:99" is not available'),
    ],
)
def test_bad_input_is_refused(
    pure_nas: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = pure_nas("experiment", *arguments)
    assert answer.code == code
    assert message in answer.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["export", "retrain"])
def test_what_is_for_searches_says_that_an_experiment_is_none(pure_nas: Command, finished: Path, command: str) -> None:
    before = contents(finished)
    answer = pure_nas(command, finished)
    assert answer.code == 1
    assert "holds an experiment, not a search." in answer.message
    assert contents(finished) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_experiment_that_was_stopped_or_killed_goes_on(
    pure_nas: Command, tiny: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    run_epoch, epochs = Training.run_epoch, []

    def stalling(training: Training) -> EpochMetrics:
        if len(epochs) == 3:  # two of the first training, and one of the second
            print("stalled", file=sys.stderr, flush=True)
            time.sleep(600)
        epochs.append(training)
        return run_epoch(training)

    def work() -> None:
        Training.run_epoch = stalling  # type: ignore[method-assign]
        sys.argv = ["pure-nas", "experiment", str(tiny), *map(str, at(folder)), "--device", "cpu"]
        app()

    with Forked(work) as process:
        process.wait_for("stalled\n")
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert "Traceback" not in stderr
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Stopped: interrupted; the same command resumes it." in stderr
        assert stdout.startswith("Test accuracy, 2 epochs")
    assert [path.parent.name for path in folder.glob("trials/*/result.json")] == ["adds-seed1"]
    answer = pure_nas("experiment", tiny, *at(folder), "--device", "cpu")
    assert answer.code == 0
    assert "4 trainings of 2 epochs; 1 done" in answer.stderr
    assert json.loads((folder / "experiment.json").read_text(encoding="utf-8"))["complete"] == 4


def test_what_networks_were_evaluated_by_is_printed(pure_nas: Command, tiny: Path, tmp_path: Path) -> None:
    evaluated = tmp_path / "evaluated.toml"
    head = 'schema = 1\nevaluations = ["quality", "noise", "invariance", "views"]\nnoise = { speckle = [0.5] }'
    text = tiny.read_text(encoding="utf-8").replace("schema = 1", head, 1)
    evaluated.write_text(text, encoding="utf-8")
    answer = pure_nas("experiment", evaluated, *at(tmp_path / "run"), "--device", "cpu")
    assert answer.code == 0, answer.stderr
    document = json.loads((tmp_path / "run" / "experiment.json").read_text(encoding="utf-8"))
    found = document["networks"][1]["judged"]
    lines = [line.split() for line in answer.stdout.splitlines() if line.startswith("multiplies ")]

    def shown(*values: float) -> list[str]:
        return [part for value in values for part in (f"{100 * value:.2f}", "%")]

    noise = [found["noise"]["speckle"][0]["accuracy"]["mean"], found["noise_accuracy"]["speckle"]["mean"]]
    assert ["multiplies", *shown(*noise)] in lines
    assert ["multiplies", *shown(*(each["accuracy"]["mean"] for each in found["intensity"]))] in lines
    assert "ten-crop, top-1" in answer.stdout
    further = {(each["measure"], each["kind"]): each["difference"] for each in document["comparisons"]}
    assert further.keys() == {("accuracy", ""), ("views", "ten-crop"), ("noise", "speckle"), ("intensity", "")}
    for difference in further.values():
        assert ["multiplies", "adds", show_points(difference)] in [line[:3] for line in lines]
