"""Retraining networks of a run next to their twins."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from studies import Study, contents, invoke, json_in


def test_network_is_compared_with_its_twins(study: Study) -> None:
    answer = invoke("retrain", study.run, "--trials", "best", "--seeds", 2, "--device", "cpu")
    assert answer.code == 0
    assert answer.stdout.startswith("Test accuracy, mean ± standard deviation of 2 seeds, 1 epoch")
    assert "conv twin, usual recipe" in answer.stdout
    assert re.search(r"estimated time on cpu: .* for \d+ trainings \(", answer.stderr)
    assert "[1/" in answer.stderr
    assert f"report: {study.run / 'report.html'}" in answer.stderr
    again = invoke("retrain", study.run, "--trials", "best", "--seeds", 2, "--device", "cpu", "--json")
    assert again.json == json_in(study.run / "retrain.json")
    assert "estimated time" not in again.stderr  # nothing is left to train


def test_trials_that_were_retrained_before_stay_in_file_table_and_page(study: Study) -> None:
    for trial in (1, 2):
        answer = invoke("retrain", study.run, "--trials", trial, "--seeds", 1, "--device", "cpu")
        assert answer.code == 0
    found = json_in(study.run / "retrain.json")
    assert {row["trial"] for row in found["rows"]} == {1, 2}
    page = (study.run / "report.html").read_text("utf-8")
    for trial in (1, 2):
        assert re.search(rf"^ +{trial}  trial ", answer.stdout, re.MULTILINE)
        assert f'<th scope="row" class="figure">{trial}</th><td><i class="cell' in page


def test_the_front_shows_what_retraining_found_and_proposes_it_no_more(study: Study) -> None:
    command = f"pure-nas retrain {study.run} --seeds 3"
    before = study.go()
    assert command in before.stderr
    assert "test accuracy" not in before.stdout
    retrained = invoke("retrain", study.run, "--seeds", 2, "--device", "cpu")
    assert f"next: pure-nas export {study.run} --trial knee" in retrained.stderr
    rows = json_in(study.run / "retrain.json")["rows"]
    means = {row["trial"]: row["mean"] for row in rows if row["variant"] == "trial"}
    after = study.go()
    assert "pure-nas retrain" not in after.stderr + after.stdout
    for answer in (after, invoke("report", study.run)):
        for trial, mean in means.items():
            assert re.search(rf"^{trial} .* {100 * mean:.2f} %", answer.stdout, re.MULTILINE)
        assert "Test accuracy: mean over the seeds of retraining, and its 95 % interval." in " ".join(
            answer.stdout.split()
        )
    document = invoke("report", study.run, "--json").json
    assert {each["trial"]: each["test"]["accuracy"] for each in document["front"]} == means


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--trials", "99"], 2, "There is no trial 99"),
        (["--trials", "1,x"], 2, 'There is no trial "x"'),
        (["--trials", ""], 2, "No trial is named. Name front, or trials such as best,3"),
        (["--seeds", "0"], 2, "--seeds"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--device", "cuda:99"], 2, 'The device "cuda:99" is not available'),
    ],
)
def test_bad_input_is_refused(study: Study, arguments: list[str], code: int, message: str) -> None:
    before = contents(study.run)
    answer = invoke("retrain", study.run, *arguments)
    assert answer.code == code
    assert message in answer.message
    assert contents(study.run) == before


def test_images_that_changed_since_the_search_are_refused(new_study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "changing"
    shutil.copytree(new_study.dataset, folder)
    study = Study(folder, new_study.space, new_study.out, "changing")
    assert study.go("--trials", 1).code == 0
    shutil.copy(folder / "train" / "crosses" / "001.png", folder / "train" / "circles" / "000.png")
    before = contents(study.run)
    for answer in (invoke("retrain", study.run), study.go("--trials", 2)):
        assert answer.code == 1
        assert f'The images of "{folder}" have changed since' in answer.message
        assert contents(study.run) == before


def test_run_whose_images_are_elsewhere_is_retrained_and_evaluated_with_them(new_study: Study, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "images", tmp_path / "another machine"
    shutil.copytree(new_study.dataset, folder)
    study = Study(folder, new_study.space, new_study.out, "copied")
    assert study.go("--trials", 1).code == 0
    folder.rename(elsewhere)
    for command in (["retrain", study.run, "--seeds", 1], ["evaluate", f"{study.run}:best", "--noise", "none"]):
        answer = invoke(*command, "--device", "cpu")
        assert answer.code == 1
        assert f"The images of {study.run} are no longer in {folder}." in answer.message
        assert "--dataset DIR" in answer.message
        assert invoke(*command, "--device", "cpu", "--dataset", elsewhere).code == 0
    (elsewhere / "train" / "crosses" / "001.png").unlink()
    answer = invoke("retrain", study.run, "--dataset", elsewhere)
    assert answer.code == 1
    assert "have changed since" in answer.message
