"""A search that is stopped and taken up again finds what one that was not would have found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from forked import Forked, exit_code_of
from interleaved import train_interleaved
from searches import Settings, outcomes, run_search, stored_in

from pure_nas.files import append_line
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import Job
from pure_nas.workers import work as work_module

TOTALS = {"tpe": 16, "nsga2": 24, "gp": 14, "random": 12}
"""Beyond what each sampler begins with: ten at random, or a population of 20."""
FIRST = 9


def search(settings: SearchSettings, out: Path) -> list[tuple[Any, ...]]:
    """Search and return what was found, trial by trial."""
    run_search(settings, out)
    return outcomes(out)


@pytest.fixture(scope="module")
def uninterrupted(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of a search by a sampler that nobody stopped."""

    @cache
    def searched(sampler: str) -> Path:
        out = tmp_path_factory.mktemp(sampler)
        run_search(tiny(sampler=sampler, trials=TOTALS[sampler]), out)
        return out

    return searched


@pytest.mark.parametrize("sampler", TOTALS)
def test_a_resumed_search_equals_an_uninterrupted_one(
    sampler: str, tiny: Settings, uninterrupted: Callable[[str], Path], tmp_path: Path
) -> None:
    search(tiny(sampler=sampler, trials=FIRST), tmp_path)
    parts = search(tiny(sampler=sampler, trials=TOTALS[sampler]), tmp_path)
    assert len(parts) == TOTALS[sampler]
    assert parts == outcomes(uninterrupted(sampler))
    assert [trial.state for trial in stored_in(tmp_path)] == [
        trial.state for trial in stored_in(uninterrupted(sampler))
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked here, to be killed")
@pytest.mark.parametrize("sampler", ["tpe", *(pytest.param(each, marks=pytest.mark.slow) for each in ("nsga2", "gp"))])
def test_a_killed_search_equals_an_uninterrupted_one(
    tiny: Settings, sampler: str, uninterrupted: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = tiny(sampler=sampler, trials=TOTALS[sampler])
    trials = tmp_path / "killed" / "study" / "trials"
    deadline = time.monotonic() + 120
    with Forked(lambda: search(settings, tmp_path / "killed")):  # which is killed here if it has not ended
        while not (trials / f"{FIRST:04d}" / "architecture.json").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
    finished_before = {trial.name for trial in trials.iterdir() if (trial / "result.json").exists()}
    assert FIRST <= len(finished_before) < TOTALS[sampler]
    written = {name: (trials / name / "result.json").read_bytes() for name in finished_before}

    assert search(settings, tmp_path / "killed") == outcomes(uninterrupted(sampler))
    assert {name: (trials / name / "result.json").read_bytes() for name in finished_before} == written
    assert all(trial.state.is_finished() for trial in stored_in(tmp_path / "killed"))


def test_a_trial_that_ended_and_was_stopped_before_it_was_recorded_trains_only_its_last_epoch_again(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pure_nas.workers.work._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    settings = tiny(trials=2, objectives=("error", "noise_error"))
    settings = replace(settings, space=settings.space.with_run(epochs=3))
    whole = search(settings, tmp_path / "whole")
    parts = tmp_path / "parts"
    train_interleaved(monkeypatch, 1, stop_after=4)  # it has started, and done its three epochs
    with pytest.raises(KeyboardInterrupt):
        search(settings, parts)
    train_interleaved(monkeypatch, 1)
    assert search(settings, parts) == whole
    events = [json.loads(line) for line in (parts / "study" / "log.jsonl").read_text().splitlines()]
    epochs_done = [event["epochs_done"] for event in events if event["event"] == "trial started"]
    assert epochs_done == [0, 2, 0]


@pytest.mark.parametrize("state", ["complete", "rejected"])
@pytest.mark.parametrize("left", ["everything", "nothing", "a checkpoint that was cut short"])
def test_a_trial_of_which_a_kill_left_only_some_files_ends_as_it_would_have(
    state: str, left: str, tiny: Settings, tmp_path: Path, trained: list[str]
) -> None:
    settings, run = tiny(trials=4, limits=Limits(params=900)), RunDirectory(tmp_path / "study")
    before = search(settings, tmp_path)
    trial = run.trial(next(number for number, ended, *_ in before if ended == state))
    set_running(run.study_path, trial.number)
    match left:
        case "nothing":
            shutil.rmtree(trial.path)
        case "a checkpoint that was cut short":
            (trial.path / "result.json").unlink()
            (trial.path / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut")
            append_line(trial.metrics, {"epoch": 1})
            trial.metrics.write_bytes(trial.metrics.read_bytes()[:-3])
    assert search(settings, tmp_path) == before
    assert all(each.state.is_finished() for each in stored_in(tmp_path))
    assert len(trained) == 4 + (state == "complete" and left != "everything")
    assert [record["epoch"] for record in trial.curve()] == ([1] if state == "complete" else [])


def test_a_lost_study_is_rebuilt_from_the_folders(tiny: Settings, tmp_path: Path) -> None:
    search(tiny(trials=8), tmp_path)
    (tmp_path / "study" / "study.db").unlink()
    assert search(tiny(trials=12), tmp_path) == search(tiny(trials=12), tmp_path / "whole")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here, to be killed")
def test_a_trial_that_kills_the_search_twice_has_failed_and_the_search_goes_on(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(trials=3, sampler="random")
    whole = search(settings, tmp_path / "whole")
    original = work_module._train

    def deadly(job: Job, *arguments: Any) -> object:
        if job.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(job, *arguments)

    monkeypatch.setattr(work_module, "_train", deadly)
    ends = [exit_code_of(lambda: search(settings, tmp_path / "parts")) for _ in range(3)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]
    after = outcomes(tmp_path / "parts")
    assert [state for _, state, *_ in after] == ["complete", "failed", "complete"]
    assert (after[0], after[2]) == (whole[0], whole[2])
    assert not list(tmp_path.rglob("attempt.json"))


def set_running(database: Path, number: int) -> None:
    """Put a trial back to the state in which a kill leaves it."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = ?", (number,))
        connection.execute(
            "DELETE FROM trial_values WHERE trial_id = (SELECT trial_id FROM trials WHERE number = ?)", (number,)
        )
    connection.close()
