"""Killed again and again, a command ends with what it would have found in peace: `-m faults` for 200 kills."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kills import kills, until_done
from studies import Study, contents, invoke, json_in

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results

FEW, MANY = 3, 40
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.faults)])
workers_of = pytest.mark.parametrize("workers", [1, 2])


def tries(count: int, seed: int, workers: int) -> Iterator[tuple[int, Callable[..., None]]]:
    """Numbers of tries, and what gives a command in each until it is done, until so many kills have hit."""
    hits, number = 0, 0

    def go(command: Sequence[object], folder: Path) -> None:
        nonlocal hits
        planned = kills(1000 * seed + number, min(count - hits, 8), workers=workers)
        hits += until_done([*command, "--workers", workers], folder, planned)

    while hits < count:
        assert number < 10 * count, "hardly a kill hits"
        yield number, go
        number += 1


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
@workers_of
@counts
def test_a_search(new_study: Study, tmp_path: Path, workers: int, count: int) -> None:
    command = [*new_study.arguments, "--trials", 6, "--epochs", 4, "--lag", 2, "--sampler", "random"]
    invoke(*command, "--out", tmp_path / "peace", "--workers", 1).done()
    expected = found_in(tmp_path / "peace" / "new")
    for number, go in tries(count, 1, workers):
        out = tmp_path / str(number)
        go([*command, "--out", out], out / "new")
        assert found_in(out / "new") == expected
        no_trace(out / "new")


@pytest.mark.faults
@pytest.mark.usefixtures("forked_workers")
@workers_of
@pytest.mark.parametrize("count", [MANY])
def test_a_retraining(finished: Study, tmp_path: Path, workers: int, count: int) -> None:
    command = ["--trials", "best", "--seeds", 2, "--epochs", 4, "--device", "cpu"]
    peace = finished.copied(tmp_path / "peace").run
    invoke("retrain", peace, *command).done()
    expected = without_times(json_in(peace / "retrain.json"))
    for number, go in tries(count, 2, workers):
        run = finished.copied(tmp_path / str(number)).run
        go(["retrain", run, *command], run / "retrain")
        found = without_times(json_in(run / "retrain.json"))
        assert (found["rows"], found["verdicts"]) == (expected["rows"], expected["verdicts"])
        no_trace(run)


@pytest.mark.faults
@pytest.mark.usefixtures("forked_workers")
@workers_of
@pytest.mark.parametrize("count", [MANY // 2])
def test_an_experiment(write_experiment: Any, tmp_path: Path, workers: int, count: int) -> None:
    file = write_experiment(tmp_path / "which.toml", epochs=4, seeds=2)
    command = ["experiment", file, "--device", "cpu", "--study", "which"]
    invoke(*command, "--out", tmp_path / "peace").done()
    expected = without_times(json_in(tmp_path / "peace" / "which" / "experiment.json"))
    for number, go in tries(count, 3, workers):
        out = tmp_path / str(number)
        go([*command, "--out", out], out / "which")
        assert without_times(json_in(out / "which" / "experiment.json")) == expected


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
