"""Retraining networks of a run next to their twins."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from studies import Study, contents, copied_images, invoke, json_in


def test_network_is_compared_with_its_twins(study: Study) -> None:
    command = ("retrain", study.run, "--trials", "best", "--seeds", 2, "--device", "cpu")
    answer = invoke(*command).done()
    assert answer.stdout.startswith("Test accuracy, mean ± standard deviation of 2 seeds, 1 epoch")
    assert "conv twin, usual recipe" in answer.stdout
    assert re.search(r"estimated time on cpu: .* for \d+ trainings \(", answer.stderr)
    assert "[1/" in answer.stderr
    assert f"report: {study.run / 'report.html'}" in answer.stderr
    again = invoke(*command, "--json")
    assert again.json == json_in(study.run / "retrain.json")
    assert "estimated time" not in again.stderr  # nothing is left to train


def test_the_front_shows_what_retraining_found_and_proposes_it_no_more(study: Study) -> None:
    assert f"pure-nas retrain {study.run} --seeds 3" in study.go().stderr
    retrained = invoke("retrain", study.run, "--seeds", 2, "--device", "cpu")
    assert f"next: pure-nas export {study.run} --trial knee" in retrained.stderr
    after = study.go()
    assert "pure-nas retrain" not in after.stderr + after.stdout
    rows = json_in(study.run / "retrain.json")["rows"]
    for row in (row for row in rows if row["variant"] == "trial"):
        assert re.search(rf"^{row['trial']} .* {100 * row['mean']:.2f} %", after.stdout, re.MULTILINE)


def test_images_may_be_elsewhere_but_must_be_those_of_the_search(new_study: Study, tmp_path: Path) -> None:
    images, elsewhere = copied_images(new_study.dataset, tmp_path), tmp_path / "another machine"
    study = replace(new_study, dataset=images)
    study.go("--trials", 1).done()
    images.rename(elsewhere)
    for command in (["retrain", study.run, "--seeds", 1], ["evaluate", f"{study.run}:best", "--noise", "none"]):
        refused = invoke(*command, "--device", "cpu").refusal(1)
        assert f"The images of {study.run} are no longer in {images}." in refused
        assert "--dataset DIR" in refused
        invoke(*command, "--device", "cpu", "--dataset", elsewhere).done()
    (elsewhere / "train" / "crosses" / "001.png").unlink()
    assert "have changed since" in invoke("retrain", study.run, "--dataset", elsewhere).refusal(1)
    elsewhere.rename(images)
    before = contents(study.run)
    for answer in (invoke("retrain", study.run), study.go("--trials", 2)):
        assert f'The images of "{images}" have changed since' in answer.refusal(1)
        assert contents(study.run) == before
