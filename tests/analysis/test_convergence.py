"""When a curve first reaches an accuracy."""

from __future__ import annotations

from typing import Any

import pytest

from pure_nas.analysis.convergence import CurveKind, convergence_of, reached, speed_of


def record(epoch: int, train: float, error: float | None = None, seconds: float = 2.0) -> dict[str, Any]:
    return {"epoch": epoch, "train_accuracy": train, "validation_error": error, "seconds": seconds}


SCORED = [record(1, 0.3, 0.6), record(2, 0.5, None), record(3, 0.7, 0.2, 3.0), record(4, 0.9, 0.4)]


@pytest.mark.parametrize(
    ("target", "kind", "found"),
    [
        (0.8, "validation", (3, 7.0)),
        (0.4, "validation", (1, 2.0)),
        (0.81, "validation", None),
        (0.9, "training", (4, 9.0)),
    ],
)
def test_an_accuracy_is_reached_at_the_first_epoch_that_has_it(
    target: float, kind: CurveKind, found: tuple[int, float] | None
) -> None:
    assert reached(SCORED, target, kind) == found
    assert reached([], target, kind) is None


def test_seeds_that_never_reach_it_are_counted_and_left_out_of_the_mean() -> None:
    found = convergence_of([SCORED, SCORED[:2], SCORED], 0.8, "validation")
    assert (found.epochs, found.missed, found.mean_epochs, found.mean_seconds) == ((3, 3), 1, 3.0, 7.0)
    never = convergence_of([SCORED], 0.99, "validation")
    assert (never.mean_epochs, never.mean_seconds, never.missed) == (None, None, 1)


def curve(epochs: int, seconds: float) -> list[dict[str, Any]]:
    """A training that reaches 0.8 in its last epoch."""
    return [record(epoch, 0.8 if epoch == epochs else 0.1, seconds=seconds) for epoch in range(1, epochs + 1)]


def test_how_many_times_fewer_epochs_and_seconds_has_the_spread_of_any_two_seeds() -> None:
    own = convergence_of([curve(2, 3.0), curve(4, 3.0)], 0.8, "training")
    other = convergence_of([curve(6, 1.0), curve(3, 1.0)], 0.8, "training")
    found = speed_of(own, other)
    assert found is not None
    assert found.seconds is not None
    assert (found.epochs.mean, found.epochs.low, found.epochs.high) == (1.5, 3 / 4, 6 / 2)
    assert (found.seconds.mean, found.seconds.low, found.seconds.high) == (0.5, 3 / 12, 6 / 6)
    assert found.against == "2 to 4 against 3 to 6"
    same = speed_of(other, other)
    assert same is not None
    assert same.epochs.mean == 1.0


def test_speeds_are_of_accuracies_that_every_seed_of_both_reached() -> None:
    every = convergence_of([curve(2, 0.0)], 0.8, "training")
    some = convergence_of([curve(2, 1.0), curve(2, 1.0)[:1]], 0.8, "training")
    nobody = convergence_of([], 0.8, "training")
    assert [speed_of(every, some), speed_of(some, every), speed_of(every, nobody)] == [None] * 3
    unknown = speed_of(every, every)
    assert unknown is not None
    assert unknown.seconds is None
