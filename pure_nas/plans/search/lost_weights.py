"""Weights of complete trials that were lost: where they are trained again, and how they are put where they were."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from pure_nas.errors import RunError, reason
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.search_results import Results, TrialRecord

_FOLDER = "restored"


@dataclass(frozen=True)
class Restored:
    """A trial that was trained again; `after` is None where that failed."""

    before: TrialRecord
    after: TrialRecord | None
    reason: str = ""


def have_lost_weights(
    run: RunDirectory, results: Results, *, everything: bool
) -> tuple[tuple[TrialRecord, ...], tuple[TrialRecord, ...]]:
    """Complete trials, of the front or all, whose weights are missing or damaged; and others that have no weights."""
    trained = {trial.number: trial for trial in results.complete if trial.replay_of is None}
    front = {trial.trained for group in results.groups for trial in group}
    again = [trial for number, trial in trained.items() if everything or number in front]
    lost = tuple(trial for trial in again if not run.trial(trial.number).has_its_weights)
    others = (trial for trial in trained.values() if trial not in again)
    return lost, tuple(trial for trial in others if not run.trial(trial.number).weights.exists())


def restored_folder(run: RunDirectory, number: int) -> TrialDirectory:
    """Where trial `number` is trained again: until it has ended, its own folder stays as it is."""
    return TrialDirectory(run.path / _FOLDER / f"{number:04d}", number)


def finish_moves(run: RunDirectory) -> None:
    """Finish what a kill has cut short."""
    for ended in sorted((run.path / _FOLDER).glob("*/result.json")):
        take_place(run, restored_folder(run, int(ended.parent.name)), everything=True)


def take_place(run: RunDirectory, new: TrialDirectory, *, everything: bool = False) -> None:
    """Move what was trained again into the trial's folder; the same weights leave the rest of it as it is."""
    old = run.trial(new.number)
    everything = everything or new.weights_digest != old.weights_digest
    try:
        # The result goes last: as long as it is there, the move is not done.
        for path in (new.weights, new.metrics, new.hits, new.ended) if everything else (new.weights,):
            if path.exists():
                os.replace(path, old.path / path.name)
        shutil.rmtree(new.path)
        if not any(new.path.parent.iterdir()):
            new.path.parent.rmdir()
    except OSError as error:
        raise RunError(
            f"{new.path}, where a trial was trained again, cannot be moved into {old.path}: {reason(error)}.",
            hint="Remove what is in the way, then run the same command again.",
        ) from error
