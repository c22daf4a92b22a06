"""What a search shows while it runs, on terminals of several widths."""

from __future__ import annotations

import io
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pure_nas_cli.interrupts import interruptible
from pure_nas_cli.progress import ListProgress, Progress, TrialTable
from rich.console import Console
from studies import Study

from pure_nas.plans.plan import Trained, Training
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.search_results import TrialRecord, load_results
from pure_nas.space.candidate import Candidate
from pure_nas.training.training import EpochMetrics
from pure_nas.workers.messages import Job, Outcome
from pure_nas.workers.resources import WorkerPlan


class Screen(Console):
    """A terminal, or a file, that keeps what is printed."""

    def __init__(self, width: int = 40, *, terminal: bool = False) -> None:
        self._kept = io.StringIO()
        super().__init__(file=self._kept, width=width, color_system=None, force_terminal=terminal)

    @property
    def lines(self) -> list[str]:
        return self._kept.getvalue().splitlines()


@pytest.fixture(scope="module")
def records(finished: Study) -> list[TrialRecord]:
    """Six finished trials, of which one diverged and one repeats another."""
    found = list(load_results(RunDirectory(finished.run)).trials)
    found[2] = replace(found[2], state="diverged", objectives=(), metrics={}, reason="train loss is nan")
    found[3] = replace(found[3], replay_of=1, seconds=4000.0)
    return found


def job(number: int, candidate: Candidate, label: str = "") -> Job:
    return Job(number=number, candidate=candidate, directory=Path(f"{number:04d}"), seed=0, label=label)


def drawn(progress: TrialTable | ListProgress, width: int) -> list[str]:
    """What changes on a terminal, as it is now."""
    screen = Screen(width)
    screen.print(progress._draw())
    return screen.lines


def table_of(records: list[TrialRecord], width: int) -> list[str]:
    """The table of a search in which one trial has ended and one trains."""
    progress = TrialTable(Screen(width, terminal=True), "tiny: shapes on cpu", 8, records[:5], ("error", "flops"))
    running = job(6, records[0].candidate, "conv small, usual recipe")
    progress.started(running, 0)
    progress.ended(records[5])
    last = EpochMetrics(**records[0].curve[-1])
    progress.epoch_done(running, replace(last, epoch=7, validation_error=0.25))
    lines = drawn(progress, width)
    assert max(map(len, lines)) <= width
    return lines


def printed(records: Sequence[TrialRecord], width: int = 40) -> list[str]:
    """Lines of trials that end."""
    screen = Screen(width)
    with Progress(screen, 6) as progress:
        for record in records:
            progress.ended(record)
    return screen.lines


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_that_python_dropped_is_raised_after_the_epoch(records: list[TrialRecord]) -> None:
    class Destroyed:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    progress = Progress(Screen(), 1)
    epoch = job(0, records[0].candidate), EpochMetrics(**records[0].curve[-1])
    with interruptible():
        progress.epoch_done(*epoch)
        Destroyed()
        with pytest.raises(KeyboardInterrupt):
            progress.epoch_done(*epoch)


@pytest.mark.parametrize("width", [80, 120])
def test_live_table_fits_the_terminal(records: list[TrialRecord], width: int) -> None:
    lines = table_of(records, width)
    assert lines[0].startswith("tiny: shapes on cpu")
    assert "6 of 8 trials" in lines[1]
    assert sum("★" in line for line in lines) >= 1
    (running,) = [line for line in lines if "epoch 7/1" in line]
    assert "25.00 %" in running
    assert " 0.0 s " in running
    assert any("diverged" in line for line in lines)
    assert any("repeats 1" in line and "1 h 7 min" in line for line in lines)


def test_every_running_trial_has_its_row_and_a_lost_worker_takes_none_away(records: list[TrialRecord]) -> None:
    screen = Screen(100)
    progress = TrialTable(screen, "tiny", 8, [], ("error", "flops"))
    for number in (3, 4):
        progress.started(job(number, records[0].candidate), number)
    progress.started(job(3, records[0].candidate), 1)
    progress.workers_started(WorkerPlan(2, "for a test", {1: 1000.0, 2: 1900.0}))
    shown = "\n".join([*screen.lines, *drawn(progress, 100)])
    assert "workers 2 (images/s: 1,000 with 1, 1,900 with 2)" in shown
    assert "epoch 1/1" in shown
    assert "epoch 4/1" in shown
    assert "epoch 3/30" not in shown


def test_plain_progress_is_a_line_a_trial(records: list[TrialRecord]) -> None:
    lines = printed(records)
    assert len(lines) == 6
    assert lines[0].startswith("[1/6] trial 0  complete  error ")
    assert lines[2].startswith("[3/6] trial 2  diverged")
    screen = Screen()
    Progress(screen, 6).started(job(6, records[0].candidate), 3)
    assert screen.lines == ["trial 6 resumes after epoch 3"]


def test_noise_error_is_shown_where_it_is_an_objective(records: list[TrialRecord]) -> None:
    noisy = [
        replace(record, metrics={**record.metrics, "noise_error": 0.375} if record.state == "complete" else {})
        for record in records
    ]
    lines = printed((*noisy[:3], records[0]))
    assert ["noise error 37.50 %" in line for line in lines] == [True, True, False, False]
    for width in (80, 120):
        shown = table_of(noisy, width)
        assert any("noise error" in line for line in shown)
        assert sum("37.50 %" in line for line in shown) == sum(record.state == "complete" for record in noisy)
        assert not any("noise error" in line for line in table_of(records, width))


def test_stars_group_noise_errors_as_the_front_does(records: list[TrialRecord]) -> None:
    """0.25 points of it are one entry, as of the error; 1 % of a cost would set these two apart."""
    both = [
        replace(records[number], number=number, metrics={"error": error}, objectives=(error, noise_error))
        for number, error, noise_error in ((0, 0.1, 0.102), (1, 0.101, 0.1))
    ]
    shown = drawn(TrialTable(Screen(100), "tiny", 8, both, ("error", "noise_error")), 100)
    assert "".join(shown).count("★") == 1


def listed(candidate: Candidate, name: str) -> tuple[Job, Training]:
    """A training of a list, and its job."""
    directory = TrialDirectory(Path(name), 0)
    return (
        Job(number=0, candidate=candidate, directory=directory.path, seed=1, label=name),
        Training("trial 7, conv twin", candidate, 1, directory),
    )


def test_every_training_of_a_list_has_a_line_with_what_it_found(records: list[TrialRecord]) -> None:
    screen = Screen()
    running, training = listed(records[0].candidate, "7-seed1")
    found = Outcome(state="complete", metrics={"accuracy": 0.6625}, seconds=75.0)
    with ListProgress(screen, 33, 30) as progress:
        progress.started(running, 2)
        progress.ended(Trained(training, found))
        progress.ended(Trained(training, Outcome(state="diverged", reason="train loss is nan", seconds=3.0)))
        progress.ended(Trained(training, Outcome(state="failed", reason="out of memory", seconds=3.0)))
    assert screen.lines == [
        "30 of 33 trainings already done",
        "7-seed1 resumes after epoch 2",
        "[31/33] trial 7, conv twin, seed 1  accuracy 66.25 %  1 min 15 s",
        "[32/33] trial 7, conv twin, seed 1  diverged  train loss is nan  3.0 s",
        "[32/33] trial 7, conv twin, seed 1  failed  out of memory  3.0 s",
    ]


def test_time_left_counts_from_what_was_trained_here(
    records: list[TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("pure_nas_cli.progress.time.monotonic", lambda: now[0])
    candidate = records[0].candidate
    last = replace(EpochMetrics(**records[0].curve[-1]), epoch=candidate.recipe.epochs)
    progress = ListProgress(Screen(200, terminal=True), 33, 30)
    now[0] += 50  # loading
    with progress:
        running, training = listed(candidate, "7-seed1")
        progress.started(running, 0)
        now[0] += 100
        for _ in range(candidate.recipe.epochs):
            progress.epoch_done(running, last)
        progress.ended(Trained(training, Outcome(state="complete", metrics={"accuracy": 0.5}, seconds=100.0)))
        progress.started(running, 0)
        (line,) = drawn(progress, 200)
    left = f"31/33 7-seed1 0/{candidate.recipe.epochs}, about 3 min 20 s left"
    assert " ".join(line.split()[1:]) == left


def test_a_trial_that_stopped_is_told_with_its_epoch_and_its_error(records: list[TrialRecord]) -> None:
    reason = "stopped after epoch 2 of 9: it would hardly reach the front"
    stopped = replace(records[0], state="stopped", stopped_after=2, metrics={"error": 0.5}, reason=reason)
    (line,) = printed([stopped], 200)
    assert "trial 0  stopped after epoch 2  error 50.00 %" in line
    assert "hardly" not in line
