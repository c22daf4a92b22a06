"""What early stopping saved, and how often it was wrong, by hand."""

from __future__ import annotations

import pytest

from pure_nas.findings.early_stopping import Rung, early_stopping_of
from pure_nas.run.directory import Stopping
from pure_nas.run.search_results import Results, TrialRecord
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import get_unit

EPOCHS = 4


def trial(
    number: int, errors: list[float | None], flops: float, stops: dict[int, float] | None, *, audit: bool = False
) -> TrialRecord:
    candidate = Candidate(Architecture.named("resnet8"), Recipe.usual(get_unit("conv"), epochs=EPOCHS))
    stopped = len(errors) < EPOCHS
    last = errors[-1]
    assert last is not None
    return TrialRecord(
        number=number,
        state="stopped" if stopped else "complete",
        candidate=candidate,
        objectives=(last, flops),
        metrics={"error": last},
        cost={"flops": flops},
        curve=tuple({"epoch": epoch, "validation_error": error} for epoch, error in enumerate(errors, start=1)),
        stopping=None if stops is None else Stopping(stops, audit),
        stopped_after=len(errors) if stopped else None,
    )


def found(*trials: TrialRecord) -> Results:
    return Results(("error", "flops"), (1.0, 100.0), trials)


def test_a_search_in_which_nothing_could_stop_says_nothing() -> None:
    assert early_stopping_of(found(trial(0, [0.5] * 4, 10, None), trial(1, [0.5] * 4, 10, {}))) is None


def test_what_was_saved_and_who_stopped_where() -> None:
    results = found(
        trial(0, [0.6, 0.5, 0.4, 0.3], 10, None),
        trial(1, [0.7, 0.6, 0.5, 0.4], 10, {1: 0.9, 2: 0.7}),
        trial(2, [0.95], 30, {1: 0.9, 2: 0.7}),
        trial(3, [0.8, 0.8], 10, {1: 0.9, 2: 0.7}),
    )
    stopping = early_stopping_of(results)
    assert stopping is not None
    assert (stopping.stopped, stopping.audited, stopping.interval) == (2, 0, None)
    assert stopping.epochs_saved == pytest.approx(5 / 16)
    assert stopping.flops_saved == pytest.approx((3 * 30 + 2 * 10) / (3 * 40 + 120))
    assert stopping.rungs == (Rung(1, 3, 1, pytest.approx(1.0)), Rung(2, 2, 1, pytest.approx(1.0)))


def test_an_audited_trial_that_entered_the_front_was_a_wrong_stop() -> None:
    results = found(
        trial(0, [0.5, 0.5, 0.5, 0.5], 20, None),
        trial(1, [0.9, 0.5, 0.4, 0.3], 20, {1: 0.8}, audit=True),  # would have stopped, and is better than trial 0
        trial(2, [0.9, 0.9, 0.9, 0.9], 30, {1: 0.8}, audit=True),  # would have stopped, rightly
        trial(3, [0.7, 0.6, 0.5, 0.2], 30, {1: 0.8}, audit=True),  # would have gone on
        trial(4, [None, 0.9, 0.9, 0.9], 40, {1: 0.8}, audit=True),  # no error is the worst error
    )
    stopping = early_stopping_of(results)
    assert stopping is not None
    assert (stopping.audited, stopping.wrong, stopping.stopped) == (3, 1, 0)
    assert stopping.interval is not None
    low, high = stopping.interval
    assert 0 < low < 1 / 3 < high < 1
