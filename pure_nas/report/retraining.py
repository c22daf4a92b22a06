"""Test accuracies of retrained front networks and their twins, where `pure-nas retrain` has left any."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from pure_nas.convergence import Convergence
from pure_nas.errors import RunError
from pure_nas.report import wording
from pure_nas.run_directory import RunDirectory, read_json
from pure_nas.run_files import Amount, Count, Positive, Share
from pure_nas.units import HYBRID

FILE_NAME = "retrain.json"
_HINT = "Give the retrain command again: what it has trained is taken from its folders."


@dataclass(frozen=True, kw_only=True)
class RetrainRow:
    """One network trained again with several seeds and read on the test split.

    Attributes:
        trial: number of the front trial that it is, or whose twin it is.
        variant: "trial", or which twin under which recipe.
        test_accuracy: one value for each seed that did not diverge.
        mean: None where every seed diverged.
        diverged: number of seeds that did.
        convergence: when the training accuracy first reached usual values; empty in files of older versions.
    """

    trial: int
    variant: str
    params: Amount
    flops: Amount
    test_accuracy: tuple[Share, ...]
    mean: Share | None
    std: Amount
    diverged: Count = 0
    convergence: tuple[Convergence, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the seeds say about one trial against its twins."""

    trial: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """The content of retrain.json."""

    schema: Literal[1]
    seeds: Positive
    rows: tuple[RetrainRow, ...]
    epochs: Positive | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def trials(self) -> tuple[int, ...]:
        """Numbers of the retrained trials, in order."""
        return tuple(dict.fromkeys(row.trial for row in self.rows))


def load_retraining(run: RunDirectory) -> Retraining | None:
    """Read retrain.json; None where nothing has been retrained.

    Raises:
        RunError: the file cannot be read or is damaged.
    """
    path = run.path / FILE_NAME
    if not path.exists():
        return None
    content = read_json(path, Retraining, hint=_HINT)
    found = TypeAdapter(Retraining).validate_python(content)
    for row in found.rows:
        mean = statistics.fmean(row.test_accuracy) if row.test_accuracy else None
        if mean != row.mean and (mean is None or row.mean is None or abs(mean - row.mean) > 1e-9):
            raise RunError(
                f"{path} is damaged: the mean of {row.variant} of trial {row.trial} is {row.mean}, but its seeds say "
                f"{mean}.",
                hint=_HINT,
            )
    return found


def variant_kind(row: RetrainRow, kinds: dict[int, str]) -> str:
    """What a retrained network is drawn as: its unit's name, or "hybrid"."""
    return kinds.get(row.trial, HYBRID) if row.variant == "trial" else row.variant.split()[0]


def seeds_text(row: RetrainRow) -> str:
    """Mean, standard deviation and number of seeds, and how many seeds diverged."""
    diverged = f"; {wording.counted(row.diverged, 'seed')} diverged" if row.diverged else ""
    if row.mean is None:
        return f"no seed came through{diverged}"
    spread = f" ± {100 * row.std:.2f}" if len(row.test_accuracy) > 1 else ""
    return f"{100 * row.mean:.2f}{spread} % over {wording.counted(len(row.test_accuracy), 'seed')}{diverged}"
