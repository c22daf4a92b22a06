"""Killed again and again, a command ends with what it would have found in peace: `-m faults` for 200 kills."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from kills import kills, until_done
from studies import Study, contents, invoke, json_in

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results

FEW, MANY = 3, 40


def found_in(run: Path) -> dict[int, Any]:
    """What each trial of a search came to, with its curve; nothing that depends on time."""
    return {
        each.number: (
            each.state,
            each.objectives,
            each.candidate.digest,
            [
                (epoch["validation_error"], epoch["train_loss"])
                for epoch in RunDirectory(run).trial(each.number).curve()
            ],
        )
        for each in load_results(RunDirectory(run)).trials
    }


def no_trace(run: Path) -> None:
    """That nothing is wrong with a run, and nothing was left behind."""
    answer = invoke("doctor", run, "--json").done()
    assert answer.json["findings"] == []


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.faults)])
def test_a_search(new_study: Study, tmp_path: Path, workers: int, count: int) -> None:
    command = [*new_study.arguments, "--trials", max(6, count // 2), "--epochs", 4, "--lag", 2, "--sampler", "random"]
    peace = tmp_path / "peace"
    invoke(*command, "--out", peace, "--workers", 1).done()
    hits = until_done([*command, "--workers", workers], new_study.run, kills(workers, count, workers=workers))
    assert hits >= count // 2
    assert found_in(new_study.run) == found_in(peace / "new")
    no_trace(new_study.run)


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.faults)])
def test_a_retraining(finished: Study, tmp_path: Path, workers: int, count: int) -> None:
    study, peace = finished.copied(tmp_path / "runs"), finished.copied(tmp_path / "peace")
    command = ["--trials", "best", "--seeds", max(2, count // 8), "--epochs", 4, "--device", "cpu"]
    invoke("retrain", peace.run, *command).done()
    planned = kills(10 + workers, count, workers=workers)
    until_done(["retrain", study.run, *command, "--workers", workers], study.run / "retrain", planned)
    ours, theirs = (without_times(json_in(each.run / "retrain.json")) for each in (study, peace))
    assert (ours["rows"], ours["verdicts"]) == (theirs["rows"], theirs["verdicts"])
    no_trace(study.run)


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY // 2, marks=pytest.mark.faults)])
def test_an_experiment(write_experiment: Any, tmp_path: Path, workers: int, count: int) -> None:
    file = write_experiment(tmp_path / "which.toml", epochs=4, seeds=max(2, count // 4))
    command = ["experiment", file, "--device", "cpu", "--study", "which"]
    invoke(*command, "--out", tmp_path / "peace").done()
    planned = kills(20 + workers, count, workers=workers)
    run = tmp_path / "runs" / "which"
    until_done([*command, "--out", tmp_path / "runs", "--workers", workers], run, planned)
    ours, theirs = (json_in(each / "which" / "experiment.json") for each in (tmp_path / "runs", tmp_path / "peace"))
    assert without_times(ours) == without_times(theirs)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY // 4, marks=pytest.mark.faults)])
def test_an_export(finished: Study, tmp_path: Path, count: int) -> None:
    invoke("export", finished.run, "-o", tmp_path / "peace").done()
    for number, kill in enumerate(kills(30, count, workers=1, longest=0.2)):
        folder = tmp_path / str(number)
        until_done(["export", finished.run, "-o", folder, "--overwrite"], folder, iter([kill]))
        assert contents(folder).keys() == contents(tmp_path / "peace").keys()
        weights = "weights.safetensors"
        assert contents(folder)[weights] == contents(tmp_path / "peace")[weights]
        shutil.rmtree(folder)


def without_times(document: Any) -> Any:
    """Whatever is not a duration."""
    if isinstance(document, dict):
        return {key: without_times(value) for key, value in document.items() if "seconds" not in key}
    return [without_times(value) for value in document] if isinstance(document, list) else document
