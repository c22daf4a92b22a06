"""What a search shows while it runs, on terminals of several widths."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from pure_nas_cli.progress import LiveProgress, PlainProgress
from rich.console import Console
from studies import Study

from pure_nas.plans.search.study import Asked
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import TrialRecord, load_results
from pure_nas.training import EpochMetrics
from pure_nas.workers.count import WorkerPlan


@pytest.fixture(scope="module")
def records(finished: Study) -> list[TrialRecord]:
    """Six finished trials, of which one diverged and one repeats another."""
    found = list(load_results(RunDirectory(finished.run)).trials)
    found[2] = replace(found[2], state="diverged", objectives=(), metrics={}, reason="train loss is nan")
    found[3] = replace(found[3], replay_of=1, seconds=4000.0)
    return found


def drawn(records: list[TrialRecord], width: int) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    progress = LiveProgress(console, "tiny: shapes on cpu", 8, 30, records[:5], ("error", "flops"))
    asked = Asked(6, records[0].candidate, "conv small, usual recipe")
    progress.trial_started(asked, 0)
    progress.trial_ended(records[5])
    last = EpochMetrics(**records[0].curve[-1])
    metrics = replace(last, epoch=7, validation_error=0.25)
    progress.epoch_done(asked, metrics)
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    screen.print(progress._draw())
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_live_table_fits_the_terminal(records: list[TrialRecord], width: int) -> None:
    lines = drawn(records, width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("tiny: shapes on cpu")
    assert "6 of 8 trials" in lines[1]
    assert sum("★" in line for line in lines) >= 1
    (running,) = [line for line in lines if "7/30" in line]
    assert "25.00 %" in running
    assert " 0 s " in running
    assert any("diverged" in line for line in lines)
    assert any("repeats 1" in line and "1:06:40" in line for line in lines)


def test_every_running_trial_has_its_row_and_a_lost_worker_takes_none_away(records: list[TrialRecord]) -> None:
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    progress = LiveProgress(screen, "tiny", 8, 30, [], ("error", "flops"))
    for number in (3, 4):
        progress.trial_started(Asked(number, records[0].candidate), number)
    progress.trial_started(Asked(3, records[0].candidate), 1)
    progress.workers_started(WorkerPlan(2, "for a test", {1: 1000.0, 2: 1900.0}))
    screen.print(progress._draw())
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "workers 2: images/s are 1,000 with 1, 1,900 with 2" in shown
    assert "epoch 1/30" in shown
    assert "epoch 4/30" in shown
    assert "epoch 3/30" not in shown


def test_plain_progress_is_a_line_a_trial(records: list[TrialRecord]) -> None:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    with PlainProgress(console, 6, []) as progress:
        for record in records:
            progress.trial_ended(record)
        progress.trial_started(Asked(6, records[0].candidate), 3)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("[1/6] trial 0  complete  error ")
    assert lines[2].startswith("[3/6] trial 2  diverged")
    assert lines[6] == "trial 6 goes on after epoch 3"


def test_noise_error_is_shown_where_it_is_an_objective(records: list[TrialRecord]) -> None:
    noisy = [
        replace(record, metrics={**record.metrics, "noise_error": 0.375} if record.state == "complete" else {})
        for record in records
    ]
    console = Console(file=io.StringIO(), width=40, color_system=None)
    with PlainProgress(console, 6, []) as progress:
        for record in (*noisy[:3], records[0]):
            progress.trial_ended(record)
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
    screen.print(LiveProgress(screen, "tiny", 8, 30, both, ("error", "noise_error"))._draw())
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().count("★") == 1


def test_piped_search_has_no_escape_codes(finished: Study, tmp_path: Path) -> None:
    answer = finished.copied(tmp_path).go()
    assert "\x1b" not in answer.stdout + answer.stderr
