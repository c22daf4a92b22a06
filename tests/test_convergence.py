"""When a curve first reaches an accuracy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.convergence import accuracies, convergence_of, curve_kind, reached


def record(epoch: int, train: float, error: float | None = None, seconds: float = 2.0) -> dict[str, Any]:
    return {"epoch": epoch, "train_accuracy": train, "validation_error": error, "seconds": seconds}


SCORED = [record(1, 0.3, 0.6), record(2, 0.5, None), record(3, 0.7, 0.2, 3.0), record(4, 0.9, 0.4)]


def test_an_accuracy_is_reached_at_the_first_epoch_that_has_it() -> None:
    found = reached(SCORED, 0.8, "validation")
    assert found is not None
    assert (found.epoch, found.seconds) == (3, 7.0)
    first = reached(SCORED, 0.4, "validation")
    assert first is not None
    assert first.epoch == 1
    assert reached(SCORED, 0.81, "validation") is None
    trained = reached(SCORED, 0.9, "training")
    assert trained is not None
    assert (trained.epoch, trained.seconds) == (4, 9.0)
    assert reached([], 0.1, "training") is None


def test_what_was_scored_decides_which_images_a_curve_is_of() -> None:
    assert curve_kind(SCORED) == "validation"
    assert curve_kind([record(1, 0.3)]) == "training"
    assert curve_kind([]) == "training"
    assert accuracies(SCORED, "validation") == pytest.approx([0.4, None, 0.8, 0.6])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_no_earlier_epoch_has_the_accuracy(values: list[float], target: float) -> None:
    curve = [record(index + 1, value) for index, value in enumerate(values)]
    found = reached(curve, target, "training")
    if found is None:
        assert max(values) < target
    else:
        assert max(values[: found.epoch - 1], default=-1.0) < target <= values[found.epoch - 1] + 1e-9
        assert found.seconds == 2.0 * found.epoch


def test_seeds_that_never_reach_it_are_counted_and_left_out_of_the_mean() -> None:
    found = convergence_of([SCORED, SCORED[:2], SCORED], 0.8, "validation")
    assert (found.epochs, found.missed, found.mean_epochs, found.mean_seconds) == ((3, 3), 1, 3.0, 7.0)
    never = convergence_of([SCORED], 0.99, "validation")
    assert (never.mean_epochs, never.mean_seconds, never.missed) == (None, None, 1)
