"""Runs are listed with their states and sizes; what nothing needs goes, and a run that moved is resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from studies import Study, invoke, json_in, trained

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results


def test_runs_are_listed_with_their_state_and_size(study: Study) -> None:
    (listed,) = invoke("runs", "list", study.out, "--json").done().json
    size = sum(path.stat().st_size for path in study.run.rglob("*") if path.is_file())
    assert (listed["run"], listed["kind"], listed["bytes"]) == (study.name, "search", size)
    assert listed["state"] == "all 6 trials are done"
    assert listed["ended"] == 6
    assert study.name in invoke("runs", "list", study.out).done().stdout
    shutil.copytree(study.run, study.out / "race" / "tpe-0")
    (study.run / "run.toml").write_text("x")
    with RunDirectory(study.out / "race" / "tpe-0").locked():
        found = invoke("runs", "list", study.out, "--json").done().json
    assert [(each["run"], each["state"]) for each in found] == [("race/tpe-0", "in use"), (study.name, "damaged")]


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    assert "There are no runs in" in invoke("runs", "list", tmp_path).done().stdout
    assert "There is no folder" in invoke("runs", "list", tmp_path / "no").refusal(1)


def test_what_nothing_needs_goes_and_the_run_is_as_good(study: Study) -> None:
    run = RunDirectory(study.run)
    results = load_results(run)
    front = {trial.trained for group in results.groups for trial in group}
    off = [each for each in results.complete if each.number not in front]
    leftover = run.trial(0).checkpoint
    leftover.write_bytes(b"x" * 1000)
    (listed,) = invoke("runs", "list", study.out, "--json").done().json
    assert listed["spare_bytes"] == 1000 + sum(each.weights_bytes for each in off)
    invoke("runs", "tidy", study.run).done()
    assert not leftover.exists()
    assert all(run.trial(number).has_its_weights for number in front)
    assert invoke("runs", "list", study.out, "--json").done().json[0]["spare_bytes"] == 0
    invoke("doctor", study.run).done()
    study.go("--restore-weights", "--time", "1h").done()
    assert all(run.trial(each.number).has_its_weights for each in results.complete if each.replay_of is None)


@pytest.mark.parametrize("into_a_folder", [True, False])
def test_a_run_that_was_moved_is_resumed(study: Study, tmp_path: Path, into_a_folder: bool) -> None:
    place = tmp_path / "elsewhere"
    if into_a_folder:
        place.mkdir()
    answer = invoke("runs", "move", study.run, place).done()
    moved = place / study.name if into_a_folder else place
    assert str(moved) in answer.stdout
    assert not study.run.exists()
    resumed = Study(study.dataset, study.space, moved.parent, moved.name)
    resumed.go("--trials", 7).done()
    assert len(load_results(RunDirectory(moved)).trials) == 7


def test_a_run_is_not_moved_onto_another_or_into_itself(study: Study, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    assert "exists" in invoke("runs", "move", study.run, tmp_path / "there").refusal()
    assert "into itself" in invoke("runs", "move", study.run, study.run / "a" / "b").refusal()


def test_removing_asks_first_and_leaves_what_is_in_use(study: Study) -> None:
    assert invoke("runs", "rm", study.run).code == 1  # nobody answers
    assert study.run.exists()
    with RunDirectory(study.run).locked():
        assert "is in use" in invoke("runs", "rm", study.run, "--yes").refusal(1)
    invoke("runs", "rm", study.run, "--yes").done()
    assert not study.run.exists()


def test_only_runs_are_removed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.txt").write_text("mine")
    assert "is not a run" in invoke("runs", "rm", tmp_path / "photos", "--yes").refusal(1)
    folder = trained("digits", tmp_path / "network")
    assert json_in(folder / "training.json")
    assert "holds one network" in invoke("runs", "rm", folder, "--yes").refusal(1)
    assert (tmp_path / "photos" / "a.txt").exists()


def test_no_run_goes_into_another_and_none_that_holds_another_is_removed(study: Study, tmp_path: Path) -> None:
    other = study.copied(tmp_path / "others")
    for target in (other.run, other.run / "deeper" / "name"):
        assert "would be inside of the run" in invoke("runs", "move", study.run, target).refusal()
    assert study.run.exists()
    shutil.copytree(study.run, other.run / "nested")
    assert "holds another run" in invoke("runs", "rm", other.run, "--yes").refusal(1)
    assert (other.run / "nested" / "run.toml").exists()
