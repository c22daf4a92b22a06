"""Weights of complete trials that were lost: which they are, and how those that were trained again get into place."""

from __future__ import annotations

import os
import shutil

from pure_nas.errors import RunError, reason
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.results import Results, TrialRecord

_FOLDER = "restored"


def have_lost_weights(
    run: RunDirectory, results: Results, *, everything: bool
) -> tuple[tuple[TrialRecord, ...], tuple[TrialRecord, ...]]:
    """The trials to train again because their weights are missing or damaged, and the others that have no weights.

    Args:
        everything: take every complete trial, not only those of the front.
    """
    trained = {trial.number: trial for trial in results.complete if trial.replay_of is None}
    front = {trial.trained for group in results.groups for trial in group}
    again = [trial for number, trial in trained.items() if everything or number in front]
    lost = tuple(trial for trial in again if not run.trial(trial.number).has_its_weights)
    others = (trial for trial in trained.values() if trial not in again)
    return lost, tuple(trial for trial in others if not run.trial(trial.number).weights.exists())


def restored_folder(run: RunDirectory, number: int) -> TrialDirectory:
    """Where trial `number` is trained again: until it has ended, its own folder stays as it is."""
    return TrialDirectory(run.path / _FOLDER / f"{number:04d}", number)


def move_into_place(run: RunDirectory, number: int) -> None:
    """Put what was trained again in the place of what was lost.

    The same weights, as on the same CPU, leave the rest of the trial as it is; with others, its result is replaced too.

    Raises:
        RunError: a file cannot be moved.
    """
    new, old = restored_folder(run, number), run.trial(number)
    _move(new, old, everything=new.weights_digest != old.weights_digest)


def finish_moves(run: RunDirectory) -> None:
    """Finish what a kill has cut short.

    Raises:
        RunError: a file cannot be moved.
    """
    for ended in sorted((run.path / _FOLDER).glob("*/result.json")):
        number = int(ended.parent.name)
        _move(restored_folder(run, number), run.trial(number), everything=True)


def _move(new: TrialDirectory, old: TrialDirectory, *, everything: bool) -> None:
    try:
        # The result goes last: as long as it is there, the move is not done.
        for path in (new.weights, new.metrics, new.ended) if everything else (new.weights,):
            if path.exists():
                os.replace(path, old.path / path.name)
        shutil.rmtree(new.path)
        if not any(new.path.parent.iterdir()):
            new.path.parent.rmdir()
    except OSError as error:
        raise RunError(
            f"{new.path}, where a trial was trained again, cannot be moved into {old.path}: {reason(error)}.",
            hint="Remove what is in the way, then give the same command again.",
        ) from error
