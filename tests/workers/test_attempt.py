"""A training that takes its process with it is tried once more, then failed; one that somebody kills is not."""

from __future__ import annotations

import os
import signal
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from forked import Forked
from jobs import CPU, events_of, job, outcome_in, outcome_of

from pure_nas.data.dataset import Dataset
from pure_nas.errors import RunError
from pure_nas.files import held
from pure_nas.run.directory import TrialDirectory
from pure_nas.training.training import Training
from pure_nas.workers import Ended, InlineExecutor, Job, Started

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here, to be killed")


def die_in(work: Job, dataset: Dataset, epoch: int) -> list[str]:
    """What a job tells until the process that does it is killed in its `epoch`th epoch (0: when all is done)."""

    def killed() -> None:
        original = Training.run_epoch

        def run_epoch(self: Training) -> object:
            if self.epoch == epoch - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self)

        Training.run_epoch = run_epoch  # type: ignore[assignment, method-assign]
        executor = InlineExecutor(dataset, CPU)
        executor.submit(work)
        while True:
            event = executor.next_event()
            print(event.epoch if isinstance(event, Started) else type(event).__name__)
            if isinstance(event, Ended):
                os.kill(os.getpid(), signal.SIGKILL)

    with Forked(killed) as process:
        told, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    return told.split()


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_that_kills_two_processes_has_failed(epoch: int, untested: Dataset, tmp_path: Path) -> None:
    work = job(untested, tmp_path)
    for _ in range(2):
        assert "Ended" not in die_in(work, untested, epoch)
    events = events_of(work, untested)
    assert len(events) == 1
    outcome = outcome_in(events)
    assert (outcome.state, outcome.reason) == (
        "failed",
        "its process died twice as it trained (usually memory ran out)",
    )
    assert outcome.cost["params"] > 0
    # A failure that nobody keeps, as in an experiment, is tried again by the same command.
    assert outcome_of(work, untested).state == "complete"


def test_one_that_is_killed_again_and_again_but_gets_further_is_finished(untested: Dataset, tmp_path: Path) -> None:
    expected = outcome_of(job(untested, tmp_path / "whole"), untested)
    work = job(untested, tmp_path / "parts")
    # Without a checkpoint, then two in which the first epochs are kept.
    assert [die_in(work, untested, epoch)[0] for epoch in (3, 2, 3)] == ["0", "0", "1"]
    assert events_of(work, untested, stop_after=1) == [Started(7, 2)]
    found = outcome_of(work, untested)
    assert replace(found, seconds=0) == replace(expected, seconds=0), found.reason


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupts_and_errors_are_not_held_against_a_training(
    error: type[BaseException], untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(untested, tmp_path)

    def broken(_: Training) -> None:
        assert TrialDirectory(tmp_path, 7).attempt.exists()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", broken)
        for _ in range(3):
            with pytest.raises(error):
                events_of(work, untested)
    assert outcome_of(work, untested).state == "complete"


def test_moving_a_run_is_not_held_against_the_training_that_it_stops(untested: Dataset, tmp_path: Path) -> None:
    for place in range(3):
        folder = tmp_path / str(place)
        folder.mkdir(exist_ok=True)
        executor = InlineExecutor(untested, CPU)
        with held(folder):
            executor.submit(job(untested, folder))
            executor.next_event()
            folder.rename(tmp_path / str(place + 1))
            with pytest.raises(RunError, match="was moved or removed"):
                deque(iter(executor.next_event, None), maxlen=0)
    assert outcome_of(job(untested, tmp_path / "3"), untested).state == "complete"


def test_an_executor_that_is_closed_leaves_no_mark(untested: Dataset, tmp_path: Path) -> None:
    executor = InlineExecutor(untested, CPU)
    executor.submit(job(untested, tmp_path))
    executor.next_event()
    mark = TrialDirectory(tmp_path, 7).attempt
    assert mark.exists()
    executor.close()
    assert not mark.exists()


def test_a_damaged_mark_counts_as_one_death(untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TrialDirectory(tmp_path, 7).attempt.write_text('{"deaths": ')
    events_of(job(untested, tmp_path), untested, stop_after=2)
    assert TrialDirectory(tmp_path, 7).checkpoint.exists()
