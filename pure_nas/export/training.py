"""The weights in the folder of one training: of `pure-nas train`, of an experiment, of retraining or of a search."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pure_nas.errors import RunError
from pure_nas.export.chosen_weights import ChosenWeights, accuracy_of, accuracy_text, epochs_text
from pure_nas.export.trial import weights_of_trial
from pure_nas.run.directory import EXPERIMENT, RunDirectory, TrialDirectory
from pure_nas.run.images import RunImages, run_of, trained_on


def weights_of_training(folder: Path) -> ChosenWeights:
    """The weights in the folder of one training.

    Raises:
        RunError: the training is not complete or damaged, or nothing says on which images it was.
    """
    training = TrialDirectory(folder.resolve(), 0)
    run = run_of(training.weights)
    images, _ = trained_on(training.weights)
    place = training.path.parent.name
    if images is None or (run is not None and place not in ("trials", "retrain")):
        raise RunError(
            f"{folder} does not say which images its network was trained on.",
            hint="Name a run, or a folder that pure-nas train, retrain or experiment has written.",
        )
    _require_complete(training, folder)
    if run is None:
        return _of_train(TrialDirectory(folder, 0), images)
    experiment = run.settings().get("kind") == EXPERIMENT
    if not experiment and place == "trials":
        return weights_of_trial(run, training.path.name.lstrip("0") or "0", "search")
    return _of_seed(training, run, images, experiment=experiment)


def _require_complete(training: TrialDirectory, folder: Path) -> None:
    result = training.result()
    if result is None:
        raise RunError(
            f"The training in {folder} has not ended.", hint="Give the command that began it again: it goes on."
        )
    if result["state"] != "complete":
        raise RunError(f"The training in {folder} is {result['state']}: {result.get('reason', '')}.")


def _of_train(training: TrialDirectory, images: RunImages) -> ChosenWeights:
    candidate = training.candidate()
    return ChosenWeights(
        architecture=candidate.architecture,
        path=training.weights,
        images=_with_normalisation(images),
        title=f"A network that pure-nas has trained on {images.name}",
        notes=(
            f"Trained with seed {images.seed} for {epochs_text(candidate.recipe.epochs)} on the training images.",
            f"Validation error {100 * (1 - accuracy_of(training)):.2f} % on {images.name}, a single run.",
        ),
        directory=training.path / "export",
        way_out="Give the pure-nas train command again: it trains them again.",
    )


def _with_normalisation(images: RunImages) -> Mapping[str, Any]:
    """The facts of the images, read from them where an older training.json leaves the normalisation out."""
    if "mean" in images.facts:
        return images.facts
    return images.require_same(images.loader()(), hint="Put the old ones back.").facts


def _of_seed(training: TrialDirectory, run: RunDirectory, images: RunImages, *, experiment: bool) -> ChosenWeights:
    """One of the seeds of a network that was retrained, or is part of an experiment."""
    settings, candidate = run.settings(), training.candidate()
    name, _, seed = training.path.name.rpartition("-seed")
    folders = sorted(training.path.parent.glob(f"{glob.escape(name)}-seed*"))
    seeds = [each for each in (TrialDirectory(path, 0) for path in folders) if _is_complete(each)]
    split = "validation" if experiment and settings.get("split") != "test" else "test"
    what = f'experiment "{settings.get("experiment")}"' if experiment else f'study "{settings.get("study")}"'
    title = f"{name} of the pure-nas {what}" if experiment else f"A network retrained in the pure-nas {what}"
    return ChosenWeights(
        architecture=candidate.architecture,
        path=training.weights,
        images=images.facts,
        title=title,
        notes=(
            f"Trained with seed {seed} for {epochs_text(candidate.recipe.epochs)}.",
            accuracy_text(split, accuracy_of(training), [accuracy_of(each) for each in seeds], images.name),
        ),
        directory=run.path / "export" / training.path.name,
        way_out=f"Remove {training.path} and give the command that trained it again.",
    )


def _is_complete(training: TrialDirectory) -> bool:
    result = training.result()
    return result is not None and result["state"] == "complete"
