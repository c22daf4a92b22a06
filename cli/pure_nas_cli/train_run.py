"""What pure-nas train does once its options are read."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from pure_nas.data import Dataset, dataset_names, load_dataset
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError
from pure_nas.files import read_json, write_whole
from pure_nas.paths import expanded
from pure_nas.run.architectures import find_architecture, find_trial, fitted_to
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE
from pure_nas.run.schema import Training as TrainingFile
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe
from pure_nas.space.unit import get_unit
from pure_nas.workers import Ended, EpochDone, InlineExecutor, Job
from pure_nas_cli.console import stderr
from pure_nas_cli.images_used import show_images
from pure_nas_cli.quantities import show_count, show_percent, show_seconds, show_size

_DAMAGED_HINT = "Put a good copy back, or remove the folder and give the train command again."


@dataclass(frozen=True)
class Training:
    """On which images and where a network is trained."""

    name: str
    data_dir: Path | None
    image_size: int | None
    skip_corrupt: bool
    device: str
    seed: int

    @cached_property
    def dataset(self) -> Dataset:
        """The images, loaded once."""
        return load_dataset(
            self.name,
            data_dir=self.data_dir,
            seed=self.seed,
            image_size=self.image_size,
            skip_corrupt=self.skip_corrupt,
        )

    @property
    def decisive(self) -> dict[str, object]:
        """What, besides the network and its recipe, decides the outcome."""
        found = self.dataset
        return {"schema": 1, "dataset": found.name, "fingerprint": found.fingerprint, "seed": self.seed}

    @property
    def facts(self) -> dict[str, object]:
        """What training.json says: what decides the outcome, and how to load the images again."""
        return {
            **self.decisive,
            "folder": None if self.name in dataset_names() else str(expanded(self.name).resolve()),
            "data_dir": str(expanded(self.data_dir).resolve()) if self.data_dir else None,
            "image_size": self.image_size,
            "skip_corrupt": self.skip_corrupt,
            "data": self.dataset.facts,
        }


def candidate_for(
    text: str, training: Training, *, epochs: int | None, batch_size: int | None, learning_rate: float | None
) -> Candidate:
    """The network that ARCH names, fitted to the dataset's images, and its recipe."""
    resolve_device(training.device)
    trial = find_trial(text)
    architecture = trial.architecture if trial else find_architecture(text)
    fitted = fitted_to(architecture, training.dataset)
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


def run_training(candidate: Candidate, training: Training, folder: Path) -> dict[str, Any]:
    """Train, or go on with what the folder holds; returns the result.

    Raises:
        RunError: the folder holds something else.
    """
    _require_usable(folder)
    directory = TrialDirectory(folder, number=0, damaged_hint=_DAMAGED_HINT)
    with RunDirectory(folder).locked():
        _require_same(directory, candidate, training)
        result = directory.result()
        if result is not None and result["state"] == "complete" and not directory.has_its_weights:
            stderr.print("The weights are missing or damaged: the network is trained again.")
            directory.ended.unlink()
            result = None
        if result is None:
            directory.write_candidate(candidate)
            write_whole(folder / TRAINING_FILE, json.dumps(training.facts, indent=2) + "\n")
            result = _train(candidate, training, folder)
            if result["state"] != "failed":  # out of memory: the same command may fare better
                directory.finish(result)
    return directory.result() or result


def _require_usable(folder: Path) -> None:
    """Keep out of folders that hold anything but a training."""
    try:
        found = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise RunError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    harmless = {"run.lock", "owner.json"}
    if TRAINING_FILE not in found and any(name not in harmless and not name.startswith(".") for name in found):
        raise RunError(f"{folder} holds files, but no training.", hint="Choose another -o DIR.")


def _require_same(directory: TrialDirectory, candidate: Candidate, training: Training) -> None:
    path = directory.path / TRAINING_FILE
    if not path.exists():
        return
    stored = read_json(path, TrainingFile, hint="Put a good copy back, or choose another -o DIR.")
    same_images = stored.get("fingerprint") == training.decisive["fingerprint"]
    differing = [
        f"{key} {stored.get(key)!r} there, {value!r} now"
        for key, value in training.decisive.items()
        # A folder of the same images may be called otherwise here.
        if stored.get(key) != value and not (key == "dataset" and same_images)
    ]
    if directory.has_candidate and directory.candidate() != candidate:
        differing.append("another network or recipe")
    if differing:
        raise RunError(
            f"{directory.path} holds another training: {'; '.join(differing)}.", hint="Choose another -o DIR."
        )


def _train(candidate: Candidate, training: Training, folder: Path) -> dict[str, Any]:
    dataset, device = training.dataset, resolve_device(training.device)
    show_images(dataset)
    stderr.print(f"{show_count(candidate.recipe.epochs, 'epoch')} on {device}; the test images are not read")
    executor = InlineExecutor(dataset, device)
    executor.submit(Job(number=0, candidate=candidate, directory=folder, seed=training.seed))
    while True:
        event = executor.next_event()
        match event:
            case EpochDone(metrics=metrics):
                error = metrics.validation_error
                stderr.print(
                    f"epoch {metrics.epoch}/{candidate.recipe.epochs}  loss {metrics.train_loss:.4f}  "
                    f"validation error {show_percent(error) if error is not None else '-'}  "
                    f"{show_seconds(metrics.seconds)}",
                    soft_wrap=True,
                )
            case Ended(outcome=outcome):
                return {"schema": 1, "seed": training.seed, **asdict(outcome)}


def show_outcome(result: dict[str, Any], folder: Path, *, as_json: bool, stdout: Console) -> None:
    """Print how a training ended."""
    if as_json:
        print(json.dumps(result, indent=2))
    elif result["state"] == "complete":
        stdout.print(
            f"validation error {show_percent(result['metrics']['error'])}, "
            f"{show_size(result['cost']['params'])} parameters, {show_size(result['cost']['flops'])} flops, "
            f"{show_seconds(result['seconds'])}"
        )
        stdout.print(f"weights: {folder / 'weights.safetensors'}", soft_wrap=True)
    else:
        stderr.print(f"{result['state']}: {result['reason']}")
