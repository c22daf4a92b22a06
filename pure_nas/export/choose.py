"""Which weights the folder of a run or of a training hands over."""

from __future__ import annotations

from pathlib import Path

from pure_nas.errors import RunError, UsageError
from pure_nas.export.chosen_weights import ChosenWeights
from pure_nas.export.training import weights_of_training
from pure_nas.export.trial import Origin, weights_of_trial
from pure_nas.run.directory import EXPERIMENT, WEIGHTS_FILE, RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE


def choose_weights(
    path: Path, which: str | None = None, *, origin: Origin = "auto", seed: int | None = None
) -> ChosenWeights:
    """The weights of a trial, or those in the folder of one training.

    Args:
        path: the folder of a search, or of one training.
        which: of a search: "best", "knee", "smallest" or a trial's number; "best" where it is left out.
        origin: of a search: see `weights_of_trial`, also for `seed`.

    Raises:
        RunError: there is no such run or training, or it is damaged or not complete.
        UsageError: there is no such trial, it was not retrained as asked for, or the folder has no trials.
    """
    if _is_training(path):
        if which is not None or seed is not None or origin != "auto":
            raise UsageError(
                f"{path} holds one trained network, so there is nothing to choose.",
                hint="Leave --trial, --seed and --from out.",
            )
        return weights_of_training(path)
    head, colon, tail = str(path).rpartition(":")
    if colon and not path.exists() and RunDirectory(Path(head)).exists:
        raise UsageError(f"{path} is no folder.", hint=f"Name the trial with an option: {head} --trial {tail}.")
    run = RunDirectory.open(path)
    if run.settings().get("kind") == EXPERIMENT:
        raise RunError(
            f"{path} holds an experiment, not a search.",
            hint=f"Name one of its trainings, such as {_a_training_of(run)}.",
        )
    return weights_of_trial(run, "best" if which is None else which, origin, seed)


def _is_training(path: Path) -> bool:
    training = (path / TRAINING_FILE).is_file() or TrialDirectory(path, 0).has_candidate
    return training and not RunDirectory(path).exists


def _a_training_of(run: RunDirectory) -> Path:
    names = sorted(weights.parent.name for weights in (run.path / "trials").glob(f"*/{WEIGHTS_FILE}"))
    return run.path / "trials" / (names[0] if names else "NETWORK-seed1")
