"""What is left to do with the front of a search."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.run.retrained import Retraining, Row


@dataclass(frozen=True)
class Step:
    """A command, and what it is good for."""

    text: str
    command: str


def next_steps(run: str, front: Sequence[int], retraining: Retraining | None, knee: Row | None) -> list[Step]:
    """Take a network out, and retrain what was not retrained.

    Args:
        run: path of the run.
        front: numbers of the trials on the front.
        knee: how the knee of the front did when it was retrained; None where it was not.
    """
    folder = shlex.quote(run)
    done = retraining or Retraining()
    left = [number for number in front if number not in done.trials]
    weights = "its retrained weights" if knee and knee.test_accuracy else "weights"
    text = f"Take the knee of the front with you as source, {weights} and a definition that runs anywhere"
    found = [Step(text, f"pure-nas export {folder} --trial knee")]
    if len(left) == len(front):
        text = "Compare the front with its all-conv and all-product twins, several seeds, on the test split"
        found.append(Step(text, f"pure-nas retrain {folder} --seeds 3"))
    elif left:
        like_them = f"--trials {','.join(map(str, left))} --seeds {max(len(row.seeds) for row in done.rows)}"
        if not done.epochs_differ:
            like_them += f" --epochs {done.rows[0].epochs}"
        found.append(Step("Retrain the rest of the front", f"pure-nas retrain {folder} {like_them}"))
    return found
