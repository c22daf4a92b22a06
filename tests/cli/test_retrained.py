"""What a retraining shows while it trains."""

from __future__ import annotations

import io

import pytest
from pure_nas_cli.retrained import RetrainProgress
from rich.console import Console

from pure_nas.run.retrained import Variant
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV
from pure_nas.workers import Outcome

CANDIDATE = Candidate(Architecture(units=(("conv",),)), Recipe.usual(CONV))
TRIAL, TWIN = (Variant(7, name, CANDIDATE) for name in ("trial", "conv twin, usual recipe"))
FOUND = Outcome(state="complete", metrics={"accuracy": 0.6625}, seconds=75.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, to be set."""
    now = [1000.0]
    monkeypatch.setattr("pure_nas_cli.retrained.time.monotonic", lambda: now[0])
    return now


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_training_has_a_line_with_what_it_found() -> None:
    console = Console(file=io.StringIO(), width=200)
    with RetrainProgress(console) as progress:
        progress.begin(30, 33)
        for variant, seed in ((TRIAL, 1), (TRIAL, 2)):
            progress.training_started(variant, seed)
        progress.training_ended(TRIAL, 2, FOUND)
        progress.training_started(TWIN, 1)
        progress.training_ended(TRIAL, 1, Outcome(state="diverged", reason="train loss is nan", seconds=3.0))
        progress.training_ended(TWIN, 1, FOUND)
    assert text_of(console).splitlines() == [
        "30 of 33 trainings were done before",
        "[31/33] trial 7, trial, seed 2  accuracy 66.25 %  1 min 15 s",
        "[32/33] trial 7, trial, seed 1  diverged  3.0 s",
        "[33/33] trial 7, conv twin, usual recipe, seed 1  accuracy 66.25 %  1 min 15 s",
    ]


def test_time_left_counts_from_what_was_trained_here(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    with RetrainProgress(console) as progress:
        clock[0] += 50  # loading
        progress.begin(30, 33)
        progress.training_started(TRIAL, 1)
        assert progress._status is not None
        assert str(progress._status.status) == "trial 7, trial, seed 1"
        clock[0] += 100
        progress.training_ended(TRIAL, 1, FOUND)
        progress.training_started(TRIAL, 2)
        assert str(progress._status.status) == "trial 7, trial, seed 2, about 3 min 20 s left"
