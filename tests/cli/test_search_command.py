"""What a search prints, where, and how it resumes."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image
from studies import Answer, Study, contents, invoke

from pure_nas.report.notes import notes
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Executor, InlineExecutor
from pure_nas.workers.resources import Resources, WorkerPlan


def test_front_goes_to_stdout_and_the_rest_to_stderr(study: Study) -> None:
    answer = study.go()
    assert answer.code == 0
    assert answer.stdout.startswith("Front: ")
    assert "hypervolume" in answer.stdout
    assert "Stopped: all 6 trials are done." in answer.stderr
    assert f"next: pure-nas export {study.run} --trial knee" in answer.stderr


def test_plan_comes_before_the_trials_and_their_speed_after_them(new_study: Study) -> None:
    answer = new_study.go("--trials", 1)
    assert answer.code == 0
    lines = answer.stderr.splitlines()
    plan = next(index for index, line in enumerate(lines) if line.startswith("estimated time on cpu: "))
    trial = next(index for index, line in enumerate(lines) if line.startswith("[1/1] trial 0  complete  error "))
    assert plan < trial
    assert "1 trial of 1 epoch" in lines
    assert any(re.fullmatch(r"[\d,]+ training images/s", line) for line in lines[trial:])


def test_json_is_all_there_is_on_stdout(study: Study) -> None:
    found = study.go("--json").json
    assert found["trials"] == 6
    assert [set(member["objectives"]) for member in found["front"]] == [{"error", "flops"}] * len(found["front"])


def test_trials_are_a_total_of_the_study(study: Study) -> None:
    answer = study.go("--trials", 8)
    assert answer.code == 0
    assert "8 trials of 1 epoch; 6 trials done" in answer.stderr
    assert "[7/8] trial 6" in answer.stderr
    assert "[8/8] trial 7" in answer.stderr
    assert "8 trials, " in answer.stderr


def test_time_is_a_total_of_the_study(study: Study) -> None:
    answer = study.go("--trials", 8, "--time", "1ms")
    assert answer.code == 0
    assert "estimated time" not in answer.stderr
    assert "Stopped: the time is used up." in answer.stderr


def test_time_in_which_no_trial_can_begin_is_refused_and_more_of_it_helps(new_study: Study) -> None:
    for _ in range(2):
        answer = new_study.go("--trials", 2, "--time", "1ms")
        assert answer.code == 2
        assert "Nothing fits into --time 0.0 s" in answer.message
        assert "Use a longer --time" in answer.message
        assert "Stopped" not in answer.stderr
    answer = new_study.go("--trials", 2, "--time", "10m")
    assert answer.code == 0
    assert "Stopped: all 2 trials are done." in answer.stderr


def test_finished_search_trains_nothing_more(study: Study) -> None:
    before = {path: data for path, data in contents(study.run).items() if path.startswith("trials/")}
    answer = study.go("--trials", 3)
    assert answer.code == 0
    assert "estimated time" not in answer.stderr
    assert {path: data for path, data in contents(study.run).items() if path.startswith("trials/")} == before


def test_other_names_of_the_same_dataset_and_space_go_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.dataset.parent)
    space = study.run / "copy.toml"
    space.write_bytes(study.space.read_bytes())
    other = Study(Path(".") / study.dataset.name, space, study.out, study.name)
    assert other.go("--dataset", f"./{study.dataset.name}").code == 0
    assert RunDirectory(study.run).settings()["dataset"] == str(study.dataset)


def test_dry_run_writes_nothing(new_study: Study) -> None:
    answer = new_study.go("--dry-run", "--json")
    plan = answer.json
    assert answer.code == 0
    assert plan["trials"] == 6
    assert plan["seconds"] == pytest.approx(6 * plan["seconds_per_trial"])
    assert not new_study.out.exists()


def test_plan_says_how_many_networks_are_trained_at_once(new_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def inline(resources: Resources, left: int) -> tuple[Executor, WorkerPlan]:
        return InlineExecutor(resources.dataset, resources.device), resources.workers_for(left)

    monkeypatch.setattr(Resources, "start_workers", inline)  # two processes take long to start
    assert "workers 2: as requested" in new_study.go("--dry-run", "--workers", "2").stderr
    automatic = new_study.go("--dry-run", "--workers", "auto").stderr
    assert "workers 1: a training step keeps 1 of 1 CPU threads busy" in automatic


def test_long_search_suggests_a_bound(new_study: Study) -> None:
    long = ("--dry-run", "--epochs", 100_000, "--trials", 1000)
    assert "That is long: limit it with --time 1h" in new_study.go(*long).message
    bounded = new_study.go(*long, "--time", "2h").stderr
    assert "That is long" not in bounded
    assert "--time leaves 2 h, enough for about " in bounded


def test_study_is_named_after_the_folder(new_study: Study) -> None:
    arguments = [each for each in new_study.arguments if each not in ("--study", "new")]
    assert invoke(*arguments, "--trials", 1).code == 0
    assert (new_study.out / new_study.dataset.name / "run.toml").is_file()


def test_an_odd_study_name_is_shown_as_it_is(study: Study) -> None:
    renamed = Study(study.dataset, study.space, study.out, "<script> [bold]words :smile: é ☃")
    answer = renamed.go("--trials", 1)
    assert answer.code == 0
    assert f"report: {renamed.run / 'report.html'}" in answer.stderr
    assert f"next: pure-nas export {shlex.quote(str(renamed.run))} --trial knee" in answer.stderr
    assert (renamed.run / "report.html").is_file()


def test_skipped_corrupt_images_are_counted(new_study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(new_study.dataset, folder)
    (folder / "train" / "circles" / "000.png").write_bytes(b"no image")
    study = Study(folder, new_study.space, new_study.out, "damaged")
    refused = study.go("--dry-run")
    assert refused.code == 1
    assert "1 of 72 images" in refused.message
    assert "train/circles/000.png (not an image)" in refused.message
    assert "--skip-corrupt" in refused.message
    assert "1 corrupt image skipped" in study.go("--dry-run", "--skip-corrupt").stderr


@pytest.fixture
def mixed(image_folder: Path, tmp_path: Path) -> Path:
    """The image folder under other names, with things that are no images."""
    root = tmp_path / "mixed"
    shutil.copytree(image_folder / "train", root / "Training")
    shutil.copytree(image_folder / "test", root / "test_set")
    first = next(root.glob("Training/*/000.png"))
    first.with_suffix(".gif").write_bytes(b"")
    (root / "__MACOSX").mkdir()
    (root / "pred").mkdir()
    Image.new("L", (8, 8)).save(root / "pred" / "1.png")
    return root


def planned(study: Study, root: Path, *more: object) -> Answer:
    return invoke(*study.arguments, "--dataset", root, "--dry-run", "--data-dir", root.parent / "data", *more)


def test_a_search_says_which_images_it_will_use(new_study: Study, mixed: Path) -> None:
    answer = planned(new_study, mixed)
    assert answer.code == 0
    lines = answer.stderr.splitlines()
    start = lines.index("mixed: 65 training, 7 validation and 24 test images of 1 x 8 x 8")
    assert lines[start + 1 : start + 3] == [
        "3 classes: circles, crosses, stripes",
        "ignored: the folder pred (neither training, validation nor test); files that end in .gif (1); hidden and "
        "system files and folders: __MACOSX (1)",
    ]


def test_programs_are_told_the_same(new_study: Study, mixed: Path) -> None:
    found = planned(new_study, mixed, "--json").json["dataset"]
    assert (found["train"], found["validation"], found["test"], len(found["passed_over"])) == (65, 7, 24, 3)


def test_many_classes_are_counted_and_not_all_listed(new_study: Study, image_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(40):
        shutil.copytree(next((image_folder / "train").iterdir()), root / f"kind {number:02d}")
    answer = planned(new_study, root)
    assert "40 classes: kind 00, kind 01, kind 02 ... kind 39" in answer.stderr.splitlines()


def test_a_training_says_it_too(mixed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = ["--dataset", mixed, "--epochs", 1, "--device", "cpu", "-o", tmp_path / "out", "--data-dir", data]
    answer = invoke("train", "resnet8", *options)
    assert answer.code == 0, answer.stderr
    assert "3 classes: circles, crosses, stripes" in answer.stderr.splitlines()
    assert "ignored: the folder pred" in answer.stderr


WARM = """
[run]
trials = 2
[architecture]
stages = 1
blocks_per_stage = 1
base_width = 2
units = { choices = ["conv", "product"], per = "layer" }
[recipe]
warmup_epochs = WARMUP
"""


def hints(study: Study, *more: object) -> str:
    answer = study.go("--dry-run", *more)
    assert answer.code == 0, answer.message
    return answer.message


def test_baselines_that_leave_no_trial_to_search_with_are_said(new_study: Study) -> None:
    with_baselines = Study(new_study.dataset, new_study.space, new_study.out, "b", baselines=True)
    assert "every trial is a baseline. Use --trials 5 or more" in hints(with_baselines, "--trials", 1)
    assert "every trial is a baseline. Use --trials 5 or more" in hints(with_baselines, "--trials", 4)
    assert "every trial is a baseline" not in hints(with_baselines, "--trials", 5)
    assert "every trial is a baseline" not in hints(new_study, "--trials", 1)


@pytest.mark.parametrize(
    ("warmup", "epochs", "long"),
    [
        ("{ low = 0.0, high = 2.46 }", 1, True),
        ("{ low = 0.0, high = 2.46 }", 3, False),
        ("2", 2, True),
        ("0", 1, False),
    ],
)
def test_a_warm_up_that_does_not_end_is_said(
    new_study: Study, tmp_path: Path, warmup: str, epochs: int, long: bool
) -> None:
    space = tmp_path / "warm.toml"
    space.write_text(WARM.replace("WARMUP", warmup))
    shown = hints(Study(new_study.dataset, space, new_study.out, "w"), "--epochs", epochs)
    assert ("the learning rate may never reach its peak" in shown) == long


EVERY_UNIT = """
[run]
epochs = 1
[architecture]
stages = 2
blocks_per_stage = [3, 2]
base_width = 2
units = "product product-complex log-conv | conv plain-conv"
"""


def test_noise_error_is_named_for_people_and_explained(
    image_folder: Path, tiny_space_file: Path, tmp_path: Path
) -> None:
    arguments = ("--dataset", image_folder, "--space", tiny_space_file, "--out", tmp_path, "--study", "s")
    answer = invoke("search", *arguments, "--trials", 1, "--no-baselines", "--objectives", "error,noise_error")
    assert answer.code == 0, answer.message
    assert "noise error" in answer.stdout
    assert "noise_error" not in answer.stdout
    assert notes("noise_error")[0] in " ".join(answer.stdout.split())


def test_units_that_occur_are_explained(image_folder: Path, tmp_path: Path) -> None:
    space = tmp_path / "every.toml"
    space.write_text(EVERY_UNIT)
    arguments = ("--dataset", image_folder, "--space", space, "--out", tmp_path, "--study", "s", "--trials", 1)
    answer = invoke("search", *arguments, "--no-baselines")
    assert answer.code == 0, answer.message
    found = " ".join(answer.stdout.split())
    assert "×⊗ℓ +⊕" in found
    assert (
        "+ convolution, × product unit, ⊗ complex product unit, ℓ convolution of logarithms, "
        "⊕ convolution without ReLU; one group per stage." in found
    )
