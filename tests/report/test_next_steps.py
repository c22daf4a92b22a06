"""What is proposed once a search has ended."""

from __future__ import annotations

from pure_nas.report.next_steps import next_steps
from pure_nas.run.retrained import Retraining, Row

EXPORT = "pure-nas export runs/a --trial knee"


def commands(front: list[int], *rows: Row) -> list[str]:
    retraining = Retraining(rows=rows) if rows else None
    return [step.command for step in next_steps("runs/a", front, retraining, rows[0] if rows else None)]


def row(trial: int, *, epochs: int = 10, seeds: int = 2) -> Row:
    return Row(
        trial=trial,
        variant="trial",
        params=1,
        flops=1,
        test_accuracy=(0.5,) * seeds,
        epochs=epochs,
        seeds=tuple(range(1, seeds + 1)),
    )


def test_a_front_that_was_not_retrained_is_to_be() -> None:
    assert commands([3, 7]) == [EXPORT, "pure-nas retrain runs/a --seeds 3"]
    # What was retrained is not on the front any more.
    assert commands([3, 7], row(1)) == [EXPORT, "pure-nas retrain runs/a --seeds 3"]


def test_the_rest_of_a_front_is_retrained_like_the_others() -> None:
    assert commands([3, 5, 7], row(3), row(1)) == [
        EXPORT,
        "pure-nas retrain runs/a --trials 5,7 --seeds 2 --epochs 10",
    ]
    assert commands([3, 5], row(3), row(1, epochs=40, seeds=5)) == [
        EXPORT,
        "pure-nas retrain runs/a --trials 5 --seeds 5",
    ]


def test_of_a_front_that_was_retrained_the_weights_are_taken() -> None:
    assert commands([3, 7], row(3), row(7)) == [EXPORT]
    (step,) = next_steps("my runs/a", [3], Retraining(rows=(row(3),)), row(3))
    assert step.command == "pure-nas export 'my runs/a' --trial knee"
    assert "retrained weights" in step.text
