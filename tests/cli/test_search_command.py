"""What a search prints, where, and how it goes on."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from studies import Study, contents, invoke

from pure_nas.run.directory import RunDirectory
from pure_nas.workers.count import WorkerPlan


def test_front_goes_to_stdout_and_the_rest_to_stderr(study: Study) -> None:
    answer = study.go()
    assert answer.code == 0
    assert answer.stdout.startswith("Front: ")
    assert "hypervolume" in answer.stdout
    assert "Stopped: all 6 trials are done." in answer.stderr
    assert f"next: pure-nas export {study.run} --trial knee" in answer.stderr


def test_plan_comes_before_the_trials(new_study: Study) -> None:
    answer = new_study.go("--trials", 1)
    assert answer.code == 0
    lines = answer.stderr.splitlines()
    plan = next(index for index, line in enumerate(lines) if line.startswith("estimated time on cpu: "))
    trial = next(index for index, line in enumerate(lines) if line.startswith("[1/1] trial 0  complete  error "))
    assert plan < trial
    assert "1 trial of 1 epoch" in lines


def test_json_is_all_there_is_on_stdout(study: Study) -> None:
    found = json.loads(study.go("--json").stdout)
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
        assert "more --time" in answer.message
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


def test_baselines_are_marked_in_the_front(finished_with_baselines: Study, tmp_path: Path) -> None:
    answer = finished_with_baselines.copied(tmp_path).go("--trials", 9)
    assert "9 trials, " in answer.stderr
    assert "vs. conv" in answer.stdout or "vs. product" in answer.stdout  # the rest may be on a line of its own


def test_dry_run_writes_nothing(new_study: Study) -> None:
    answer = new_study.go("--dry-run", "--json")
    plan = json.loads(answer.stdout)
    assert answer.code == 0
    assert plan["trials"] == 6
    assert plan["seconds"] == pytest.approx(6 * plan["seconds_per_trial"])
    assert not new_study.out.exists()


def test_plan_says_how_many_networks_are_trained_at_once(new_study: Study) -> None:
    answer = new_study.go("--dry-run", "--workers", "2")
    assert "workers 2: as asked for" in answer.stderr
    assert json.loads(new_study.go("--dry-run", "--workers", "2", "--json").stdout)["workers"]["count"] == 2
    assert (
        "workers 1: a training step feeds 1 of 1 CPU threads" in new_study.go("--dry-run", "--workers", "auto").stderr
    )
    assert "--workers" not in new_study.go("--dry-run").stderr


def test_plan_says_when_more_workers_would_help(new_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.plans.resources.plan_workers", lambda *_: WorkerPlan(3, "for a test"))
    assert "--workers auto would train 3 networks at once" in new_study.go("--dry-run").stderr


def test_images_a_second_are_told_at_the_end(new_study: Study) -> None:
    assert re.search(r"^[\d,]+ training images/s$", new_study.go("--trials", 1).stderr, re.MULTILINE)


def test_long_search_suggests_a_bound(new_study: Study) -> None:
    long = ("--dry-run", "--epochs", 100_000, "--trials", 1000)
    assert "That is long: bound it with --time 1h" in new_study.go(*long).message
    bounded = new_study.go(*long, "--time", "2h").stderr
    assert "That is long" not in bounded
    assert "--time leaves 2 h, enough for about " in bounded


def test_study_is_named_after_the_folder(new_study: Study) -> None:
    arguments = [each for each in new_study.arguments if each not in ("--study", "new")]
    assert invoke(*arguments, "--trials", 1).code == 0
    assert (new_study.out / new_study.dataset.name / "run.toml").is_file()


@pytest.mark.parametrize("name", ["<script>", "two [bold]words", ":smile: é ☃"])
def test_odd_study_names_are_shown_as_they_are(study: Study, name: str) -> None:
    renamed = Study(study.dataset, study.space, study.out, name)
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
    assert "1 corrupt image left out" in study.go("--dry-run", "--skip-corrupt").stderr
