"""One network, trained in a folder of its own."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from pure_nas.data import Dataset, dataset_names, load_dataset
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError
from pure_nas.files import read_json, write_whole
from pure_nas.paths import absolute
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver, Listener
from pure_nas.plans.fixed import FixedPlan, Trained, Training
from pure_nas.plans.settings import require_room
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE
from pure_nas.run.results import find_architecture, find_trial, fitted_to
from pure_nas.run.schema import SCHEMA
from pure_nas.run.schema import Training as TrainingFile
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe
from pure_nas.space.unit import get_unit
from pure_nas.workers.count import Work, WorkerPlan, start_workers

logger = logging.getLogger(__name__)

_CHOOSE = "Choose another -o DIR."


@dataclass(frozen=True)
class TrainSettings:
    """On which images and where a network is trained.

    Attributes:
        dataset_name: a dataset's name, or the path of a folder of images.
    """

    dataset_name: str
    data_dir: Path | None = None
    image_size: int | None = None
    skip_corrupt: bool = False
    device: str = "auto"
    seed: int = 0

    @cached_property
    def dataset(self) -> Dataset:
        """The images, loaded once."""
        return load_dataset(
            self.dataset_name,
            data_dir=self.data_dir,
            seed=self.seed,
            image_size=self.image_size,
            skip_corrupt=self.skip_corrupt,
        )

    @cached_property
    def resolved_device(self) -> torch.device:
        """Where it is trained.

        Raises:
            DeviceError: the device is not there.
        """
        return resolve_device(self.device)

    @property
    def decisive(self) -> dict[str, object]:
        """What, besides the network and its recipe, decides the outcome."""
        found = self.dataset
        return {"schema": SCHEMA, "dataset": found.name, "fingerprint": found.fingerprint, "seed": self.seed}

    @property
    def facts(self) -> dict[str, object]:
        """What training.json says: what decides the outcome, and how to load the images again."""
        return {
            **self.decisive,
            "folder": None if self.dataset_name in dataset_names() else absolute(self.dataset_name),
            "data_dir": absolute(self.data_dir) if self.data_dir else None,
            "image_size": self.image_size,
            "skip_corrupt": self.skip_corrupt,
            "data": self.dataset.facts,
        }


def candidate_for(
    architecture: Architecture | Candidate | str,
    dataset: Dataset,
    *,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
) -> Candidate:
    """A network fitted to the images of a dataset, and its recipe.

    Args:
        architecture: or such as "pure20", an architecture.json or RUN:TRIAL. One that has no recipe takes the usual
            one for its units.
        epochs: instead of the recipe's; likewise `batch_size` and `learning_rate`, that of every parameter kind.

    Raises:
        UsageError: nothing is called that.
        ConfigError: it cannot be built for such images, or the recipe breaks a rule.
    """
    trial = find_trial(architecture) if isinstance(architecture, str) else architecture
    recipe = trial.recipe if isinstance(trial, Candidate) else None
    chosen = trial.architecture if isinstance(trial, Candidate) else trial or find_architecture(str(architecture))
    fitted = fitted_to(chosen, dataset)
    recipe = recipe or Recipe.shared([get_unit(name) for name in sorted(fitted.unit_set)])
    rates = None if learning_rate is None else PerKind[float].same(learning_rate)
    changes = {"epochs": epochs, "batch_size": batch_size, "learning_rate": rates}
    changed = recipe.model_copy(update={name: value for name, value in changes.items() if value is not None})
    return Candidate(fitted, Recipe.from_json(changed.to_json()))


def default_folder(text: str, dataset: str) -> Path:
    """Where a training goes that was given no folder."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{text}-{Path(dataset).name}").strip("-")
    return Path("runs") / f"train-{words}"


def train(candidate: Candidate, settings: TrainSettings, folder: Path, listener: Listener[Trained]) -> dict[str, Any]:
    """Train, or go on with what the folder holds; returns the result.

    One whose weights are missing or damaged is trained again.

    Raises:
        RunError: the folder holds something else.
    """
    run = RunDirectory(folder)
    if not (folder / TRAINING_FILE).exists():
        require_room(folder, lambda path: False, what="training", hint=_CHOOSE)
    hint = "Put a good copy back, or remove the folder and give the train command again."
    directory = TrialDirectory(folder, number=0, damaged_hint=hint)
    with run.locked():
        _require_same(directory, candidate, settings)
        if (result := directory.result()) and result["state"] == "complete" and not directory.has_its_weights:
            logger.warning("The weights are missing or damaged: the network is trained again.")
            directory.ended.unlink()
        plan = FixedPlan("training", (Training(folder.name, candidate, settings.seed, directory),))
        if plan.left:
            directory.write_candidate(candidate)
            write_whole(folder / TRAINING_FILE, json.dumps(settings.facts, indent=2) + "\n")
            work = Work.of_candidates([candidate], 1)
            load = partial(load_dataset, settings.dataset_name)
            start = partial(
                start_workers, WorkerPlan(1, "one network"), work, settings.dataset, load, settings.resolved_device
            )
            with Driver(run, lambda _: start(), Budget()) as driver:
                driver.go(plan, listener)
        if plan.failed:  # out of memory: the same command may fare better
            return {"schema": SCHEMA, "seed": settings.seed, "state": "failed", "reason": plan.failed[0][1]}
        return directory.result() or {}


def _require_same(directory: TrialDirectory, candidate: Candidate, settings: TrainSettings) -> None:
    path = directory.path / TRAINING_FILE
    if not path.exists():
        return
    stored = read_json(path, TrainingFile, hint=f"Put a good copy back, or c{_CHOOSE[1:]}")
    same_images = stored.get("fingerprint") == settings.decisive["fingerprint"]
    differing = [
        f"{key} {stored.get(key)!r} there, {value!r} now"
        for key, value in settings.decisive.items()
        # A folder of the same images may be called otherwise here.
        if stored.get(key) != value and not (key == "dataset" and same_images)
    ]
    if directory.has_candidate and directory.candidate() != candidate:
        differing.append("another network or recipe")
    if differing:
        raise RunError(f"{directory.path} holds another training: {'; '.join(differing)}.", hint=_CHOOSE)
