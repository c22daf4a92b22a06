"""What a search shows while it runs, on terminals of several widths."""

from __future__ import annotations

import io
import signal
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


@pytest.fixture(scope="module")
def records(finished: Study) -> list[TrialRecord]:
    """Six finished trials, of which one diverged and one repeats another."""
    found = list(load_results(RunDirectory(finished.run)).trials)
    found[2] = replace(found[2], state="diverged", objectives=(), metrics={}, reason="train loss is nan")
    found[3] = replace(found[3], replay_of=1, seconds=4000.0)
    return found


def job(number: int, candidate: Candidate, label: str = "") -> Job:
    return Job(number=number, candidate=candidate, directory=Path(f"{number:04d}"), seed=0, label=label)


def drawn(records: list[TrialRecord], width: int) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    progress = TrialTable(console, "tiny: shapes on cpu", 8, records[:5], ("error", "flops"))
    running = job(6, records[0].candidate, "conv small, usual recipe")
    progress.started(running, 0)
    progress.ended(records[5])
    last = EpochMetrics(**records[0].curve[-1])
    metrics = replace(last, epoch=7, validation_error=0.25)
    progress.epoch_done(running, metrics)
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    screen.print(progress._draw())
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_that_python_dropped_is_raised_after_the_epoch(records: list[TrialRecord]) -> None:
    class Destroyed:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    progress = Progress(Console(file=io.StringIO()), 1)
    epoch = job(0, records[0].candidate), EpochMetrics(**records[0].curve[-1])
    with interruptible():
        progress.epoch_done(*epoch)
        Destroyed()
        with pytest.raises(KeyboardInterrupt):
            progress.epoch_done(*epoch)


@pytest.mark.parametrize("width", [80, 120])
def test_live_table_fits_the_terminal(records: list[TrialRecord], width: int) -> None:
    lines = drawn(records, width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("tiny: shapes on cpu")
    assert "6 of 8 trials" in lines[1]
    assert sum("★" in line for line in lines) >= 1
    (running,) = [line for line in lines if "epoch 7/1" in line]
    assert "25.00 %" in running
    assert " 0.0 s " in running
    assert any("diverged" in line for line in lines)
    assert any("repeats 1" in line and "1 h 7 min" in line for line in lines)


def test_every_running_trial_has_its_row_and_a_lost_worker_takes_none_away(records: list[TrialRecord]) -> None:
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    progress = TrialTable(screen, "tiny", 8, [], ("error", "flops"))
    for number in (3, 4):
        progress.started(job(number, records[0].candidate), number)
    progress.started(job(3, records[0].candidate), 1)
    progress.workers_started(WorkerPlan(2, "for a test", {1: 1000.0, 2: 1900.0}))
    screen.print(progress._draw())
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "workers 2 (images/s: 1,000 with 1, 1,900 with 2)" in shown
    assert "epoch 1/1" in shown
    assert "epoch 4/1" in shown
    assert "epoch 3/30" not in shown


def test_plain_progress_is_a_line_a_trial(records: list[TrialRecord]) -> None:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    with Progress(console, 6) as progress:
        for record in records:
            progress.ended(record)
        progress.started(job(6, records[0].candidate), 3)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("[1/6] trial 0  complete  error ")
    assert lines[2].startswith("[3/6] trial 2  diverged")
    assert lines[6] == "trial 6 resumes after epoch 3"


def test_noise_error_is_shown_where_it_is_an_objective(records: list[TrialRecord]) -> None:
    noisy = [
        replace(record, metrics={**record.metrics, "noise_error": 0.375} if record.state == "complete" else {})
        for record in records
    ]
    console = Console(file=io.StringIO(), width=40, color_system=None)
    with Progress(console, 6) as progress:
        for record in (*noisy[:3], records[0]):
            progress.ended(record)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert ["noise error 37.50 %" in line for line in lines] == [True, True, False, False]
    for width in (80, 120):
        shown = drawn(noisy, width)
        assert max(map(len, shown)) <= width
        assert any("noise error" in line for line in shown)
        assert sum("37.50 %" in line for line in shown) == sum(record.state == "complete" for record in noisy)
        assert not any("noise error" in line for line in drawn(records, width))


def test_stars_group_noise_errors_as_the_front_does(records: list[TrialRecord]) -> None:
    """0.25 points of it are one entry, as of the error; 1 % of a cost would set these two apart."""
    both = [
        replace(records[number], number=number, metrics={"error": error}, objectives=(error, noise_error))
        for number, error, noise_error in ((0, 0.1, 0.102), (1, 0.101, 0.1))
    ]
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    screen.print(TrialTable(screen, "tiny", 8, both, ("error", "noise_error"))._draw())
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().count("★") == 1


def test_piped_search_has_no_escape_codes(finished: Study, tmp_path: Path) -> None:
    answer = finished.copied(tmp_path).go()
    assert "\x1b" not in answer.stdout + answer.stderr


def listed(candidate: Candidate, name: str) -> tuple[Job, Training]:
    """A training of a list, and its job."""
    directory = TrialDirectory(Path(name), 0)
    return (
        Job(number=0, candidate=candidate, directory=directory.path, seed=1, label=name),
        Training("trial 7, conv twin", candidate, 1, directory),
    )


def test_every_training_of_a_list_has_a_line_with_what_it_found(records: list[TrialRecord]) -> None:
    console = Console(file=io.StringIO(), width=40)
    running, training = listed(records[0].candidate, "7-seed1")
    found = Outcome(state="complete", metrics={"accuracy": 0.6625}, seconds=75.0)
    with ListProgress(console, 33, 30) as progress:
        progress.started(running, 2)
        progress.ended(Trained(training, found))
        progress.ended(Trained(training, Outcome(state="diverged", reason="train loss is nan", seconds=3.0)))
        progress.ended(Trained(training, Outcome(state="failed", reason="out of memory", seconds=3.0)))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
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
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    candidate = records[0].candidate
    last = replace(EpochMetrics(**records[0].curve[-1]), epoch=candidate.recipe.epochs)
    progress = ListProgress(console, 33, 30)
    now[0] += 50  # loading
    with progress:
        running, training = listed(candidate, "7-seed1")
        progress.started(running, 0)
        now[0] += 100
        for _ in range(candidate.recipe.epochs):
            progress.epoch_done(running, last)
        progress.ended(Trained(training, Outcome(state="complete", metrics={"accuracy": 0.5}, seconds=100.0)))
        progress.started(running, 0)
        screen = Console(file=io.StringIO(), width=200, color_system=None)
        screen.print(progress._draw())
    assert isinstance(screen.file, io.StringIO)
    left = f"31/33 7-seed1 0/{candidate.recipe.epochs}, about 3 min 20 s left"
    assert " ".join(screen.file.getvalue().split()[1:]) == left


def test_a_trial_that_stopped_is_told_with_its_epoch_and_its_error(records: list[TrialRecord]) -> None:
    console = Console(file=io.StringIO(), width=200)
    reason = "stopped after epoch 2 of 9: it would hardly reach the front"
    stopped = replace(records[0], state="stopped", stopped_after=2, metrics={"error": 0.5}, reason=reason)
    Progress(console, 3).ended(stopped)
    assert isinstance(console.file, io.StringIO)
    assert "trial 0  stopped after epoch 2  error 50.00 %" in console.file.getvalue()
    assert "hardly" not in console.file.getvalue()
