"""What pure-nas train does once its options are read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pure_nas.plans.single import TrainSettings, train
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe
from pure_nas.space.unit import get_unit
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.architectures import find_architecture, find_trial, fitted_to
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.images_used import show_images
from pure_nas_cli.progress import EpochLines


def candidate_for(
    text: str, settings: TrainSettings, *, epochs: int | None, batch_size: int | None, learning_rate: float | None
) -> Candidate:
    """The network that ARCH names, fitted to the dataset's images, and its recipe."""
    trial = find_trial(text)
    architecture = trial.architecture if trial else find_architecture(text)
    fitted = fitted_to(architecture, settings.dataset)
    recipe = trial.recipe if trial else Recipe.shared([get_unit(name) for name in sorted(fitted.unit_set)])
    changes: dict[str, Any] = {}
    if epochs is not None:
        changes["epochs"] = epochs
    if batch_size is not None:
        changes["batch_size"] = batch_size
    if learning_rate is not None:
        changes["learning_rate"] = PerKind[float].same(learning_rate)
    return Candidate(fitted, Recipe.from_json(recipe.model_copy(update=changes).to_json()))


def default_folder(text: str, dataset: str) -> Path:
    """Where a training goes that was given no folder."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{text}-{Path(dataset).name}").strip("-")
    return Path("runs") / f"train-{words}"


class _TrainProgress(EpochLines):
    """Says what is trained on before the first epoch."""

    def __init__(self, settings: TrainSettings, candidate: Candidate) -> None:
        super().__init__(stderr, 1)
        self._settings = settings
        self._epochs = candidate.recipe.epochs

    def workers_started(self, workers: WorkerPlan) -> None:
        """Show the images, and for how long."""
        show_images(self._settings.dataset)
        self._say(f"{counted(self._epochs, 'epoch')} on {self._settings.resolved_device}; the test images are not read")


def run_training(candidate: Candidate, settings: TrainSettings, folder: Path, *, as_json: bool) -> int:
    """Train, or go on with what the folder holds, and show how it ended; returns the exit code."""
    with _TrainProgress(settings, candidate) as progress:
        result = train(candidate, settings, folder, progress)
    if as_json:
        print(json.dumps(result, indent=2))
    elif result["state"] == "complete":
        stdout.print(
            f"validation error {show_percent(result['metrics']['error'])}, "
            f"{show_number(result['cost']['params'])} parameters, {show_number(result['cost']['flops'])} flops, "
            f"{show_seconds(result['seconds'])}"
        )
        stdout.print(f"weights: {folder / 'weights.safetensors'}", soft_wrap=True)
    else:
        stderr.print(f"{result['state']}: {result['reason']}")
    return 0 if result["state"] == "complete" else 1
