"""What a search prints, where, and how it resumes."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from studies import Study, contents, invoke

from pure_nas.report.notes import notes
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Executor, InlineExecutor
from pure_nas.workers.resources import Resources, WorkerPlan


def test_a_finished_search_trains_nothing_and_prints_its_front_and_next_steps(study: Study) -> None:
    before = contents(study.run / "trials")
    answer = study.go("--trials", 3).done()
    assert answer.stdout.startswith("Front: ")
    assert "hypervolume" in answer.stdout
    assert "\x1b" not in answer.stdout + answer.stderr
    assert "estimated time" not in answer.stderr
    assert "Stopped: all 3 trials are done." in answer.stderr
    assert f"next: pure-nas export {study.run} --trial knee" in answer.stderr
    assert contents(study.run / "trials") == before


def test_plan_comes_before_the_trials_and_their_speed_after_them(new_study: Study) -> None:
    answer = new_study.go("--trials", 1).done()
    lines = answer.stderr.splitlines()
    plan = next(index for index, line in enumerate(lines) if line.startswith("estimated time on cpu: "))
    trial = next(index for index, line in enumerate(lines) if line.startswith("[1/1] trial 0  complete  error "))
    assert plan < trial
    assert "1 trial of 1 epoch" in lines
    assert "workers 1: one CPU thread, or one network left" in answer.stderr
    assert any(re.fullmatch(r"[\d,]+ training images/s", line) for line in lines[trial:])


def test_json_is_all_there_is_on_stdout(study: Study) -> None:
    found = study.go("--json").json
    assert found["trials"] == 6
    assert [set(member["objectives"]) for member in found["front"]] == [{"error", "flops"}] * len(found["front"])


def test_trials_and_time_are_totals_of_the_study(study: Study) -> None:
    answer = study.go("--trials", 8, "--time", "1ms").done()
    assert "estimated time" not in answer.stderr
    assert "Stopped: the time is used up." in answer.stderr
    answer = study.go("--trials", 8).done()
    for said in ("8 trials of 1 epoch; 6 trials done", "[7/8] trial 6", "[8/8] trial 7", "8 trials, "):
        assert said in answer.stderr


def test_time_in_which_no_trial_can_begin_is_refused_and_more_of_it_helps(new_study: Study) -> None:
    answer = new_study.go("--trials", 2, "--time", "1ms")
    assert answer.code == 2
    assert "Nothing fits into --time 0.0 s" in answer.message
    assert "Use a longer --time" in answer.message
    assert "Stopped" not in answer.stderr
    answer = new_study.go("--trials", 2, "--time", "10m").done()
    assert "Stopped: all 2 trials are done." in answer.stderr


def test_other_names_of_the_same_dataset_and_space_go_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.dataset.parent)
    space = study.run / "copy.toml"
    space.write_bytes(study.space.read_bytes())
    replace(study, space=space).go("--dataset", f"./{study.dataset.name}").done()
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
    said = new_study.go("--dry-run", "--workers", "2").stderr
    assert "Starting 2 workers ..." in said
    assert "workers 2: as requested" in said


def test_long_search_suggests_a_bound(new_study: Study) -> None:
    long = ("--dry-run", "--epochs", 100_000, "--trials", 1000)
    assert "That is long: limit it with --time 1h" in new_study.go(*long).message
    bounded = new_study.go(*long, "--time", "2h").stderr
    assert "That is long" not in bounded
    assert "--time leaves 2 h, enough for about " in bounded


def test_study_is_named_after_the_folder(new_study: Study) -> None:
    arguments = [each for each in new_study.arguments if each not in ("--study", "new")]
    invoke(*arguments, "--trials", 1).done()
    assert (new_study.out / new_study.dataset.name / "run.toml").is_file()


def test_an_odd_study_name_is_shown_as_it_is(study: Study) -> None:
    renamed = replace(study, name="<script> [bold]words :smile: é ☃")
    answer = renamed.go("--trials", 1).done()
    assert f"report: {renamed.run / 'report.html'}" in answer.stderr
    assert f"next: pure-nas export {shlex.quote(str(renamed.run))} --trial knee" in answer.stderr
    assert (renamed.run / "report.html").is_file()


def test_a_search_says_which_images_it_will_use(new_study: Study, tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    shutil.copytree(new_study.dataset / "train", root / "Training")
    shutil.copytree(new_study.dataset / "test", root / "test_set")
    next(root.glob("Training/*/000.png")).with_suffix(".gif").write_bytes(b"")
    (root / "__MACOSX").mkdir()
    (root / "pred").mkdir()
    Image.new("L", (8, 8)).save(root / "pred" / "1.png")
    command = ("--dataset", root, "--dry-run", "--data-dir", tmp_path / "data")
    lines = new_study.go(*command).stderr.splitlines()
    start = lines.index("mixed: 65 training, 7 validation and 24 test images of 1 x 8 x 8")
    assert lines[start + 1 : start + 3] == [
        "3 classes: circles, crosses, stripes",
        "ignored: the folder pred (neither training, validation nor test); files that end in .gif (1); hidden and "
        "system files and folders: __MACOSX (1)",
    ]
    found = new_study.go(*command, "--json").json["dataset"]
    assert (found["train"], found["validation"], found["test"], len(found["passed_over"])) == (65, 7, 24, 3)


def test_many_classes_are_counted_and_not_all_listed(new_study: Study, tmp_path: Path) -> None:
    for number in range(40):
        shutil.copytree(new_study.dataset / "train" / "circles", tmp_path / "many" / f"kind {number:02d}")
    answer = new_study.go("--dataset", tmp_path / "many", "--dry-run")
    assert "40 classes: kind 00, kind 01, kind 02 ... kind 39" in answer.stderr.splitlines()


def hints(study: Study, *more: object) -> str:
    answer = study.go("--dry-run", *more).done()
    return answer.message


def test_baselines_that_leave_no_trial_to_search_with_are_said(new_study: Study) -> None:
    with_baselines = replace(new_study, baselines=True)
    assert "every trial is a baseline. Use --trials 3 or more" in hints(with_baselines, "--trials", 2)
    assert "every trial is a baseline" not in hints(with_baselines, "--trials", 3)
    assert "every trial is a baseline" not in hints(new_study, "--trials", 1)


@pytest.mark.parametrize(
    ("warmup", "epochs", "long"),
    [("{ low = 0.0, high = 2.46 }", 2, True), ("{ low = 0.0, high = 2.46 }", 3, False), ("2", 2, True)],
)
def test_a_warm_up_that_does_not_end_is_said(
    new_study: Study, tmp_path: Path, warmup: str, epochs: int, long: bool
) -> None:
    space = tmp_path / "warm.toml"
    space.write_text(new_study.space.read_text().replace("[recipe]", f"[recipe]\nwarmup_epochs = {warmup}"))
    shown = hints(replace(new_study, space=space), "--epochs", epochs)
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


def test_objectives_and_units_that_occur_are_named_and_explained(new_study: Study, tmp_path: Path) -> None:
    space = tmp_path / "every.toml"
    space.write_text(EVERY_UNIT)
    answer = replace(new_study, space=space).go("--trials", 1, "--objectives", "error,noise_error").done()
    found = " ".join(answer.stdout.split())
    assert "noise error" in found
    assert "noise_error" not in found
    assert notes("noise_error")[0] in found
    assert "×⊗ℓ +⊕" in found
    assert (
        "+ convolution, × product unit, ⊗ complex product unit, ℓ convolution of logarithms, "
        "⊕ convolution without ReLU; one group per stage." in found
    )
