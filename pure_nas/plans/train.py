"""One network, trained in a folder of its own."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pure_nas.data.dataset import Dataset
from pure_nas.data.sources.registry import dataset_names
from pure_nas.devices import resolve_device
from pure_nas.files import read_json, write_whole
from pure_nas.paths import absolute
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver
from pure_nas.plans.plan import FixedPlan, Listener, Trained, Training
from pure_nas.plans.settings import ImageSettings, require_equal, require_room
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE
from pure_nas.run.schema import SCHEMA
from pure_nas.run.schema import Training as TrainingFile
from pure_nas.run.search_results import find_architecture, find_trial
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS, get_unit
from pure_nas.validation import faults_explained
from pure_nas.workers.resources import Resources, Work

logger = logging.getLogger(__name__)

_CHOOSE = "Choose another --output."


@dataclass(frozen=True, kw_only=True)
class TrainSettings(ImageSettings):
    """Which network is trained, how, and on which images."""

    architecture: Architecture | Candidate | str  # or "pure20", architecture.json, RUN:TRIAL
    epochs: int | None = None  # instead of the recipe's, else the usual one's, as what follows
    batch_size: int | None = None
    learning_rate: float | None = None  # of every parameter kind


@dataclass(frozen=True, kw_only=True)
class Prepared(Resources):
    """A training that is ready to go; its candidate is fitted to the images."""

    settings: TrainSettings
    candidate: Candidate

    @property
    def default_folder(self) -> Path:
        given = self.settings.architecture
        text = given if isinstance(given, str) else self.candidate.architecture.digest
        words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{text}-{Path(self.settings.dataset).name}").strip("-")
        return Path("runs") / f"train-{words}"

    @property
    def facts(self) -> dict[str, Any]:
        """What training.json says: what decides the outcome, and how to load the images again."""
        settings = self.settings
        return {
            "schema": SCHEMA,
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "seed": settings.seed,
            "folder": None if settings.dataset in dataset_names() else absolute(settings.dataset),
            "data_dir": absolute(settings.data_dir) if settings.data_dir else None,
            "image_size": settings.image_size,
            "skip_corrupt": settings.skip_corrupt,
            "data": self.dataset.facts,
        }


def prepare(settings: TrainSettings) -> Prepared:
    """Load the images and fit the network to them; nothing is written."""
    device, load = resolve_device(settings.device), settings.load
    dataset = load()
    candidate = _candidate(settings, dataset)
    return Prepared(
        settings=settings,
        candidate=candidate,
        dataset=dataset,
        load=load,
        device=device,
        train_images=len(dataset.train),
        workers=1,
        work=partial(Work.of_candidates, [candidate]),
    )


def _candidate(settings: TrainSettings, dataset: Dataset) -> Candidate:
    asked = settings.architecture
    found = (find_trial(asked) or find_architecture(asked)) if isinstance(asked, str) else asked
    architecture, recipe = (found.architecture, found.recipe) if isinstance(found, Candidate) else (found, None)
    fitted = architecture.model_copy(update=dataset.shape)
    recipe = recipe or Recipe.shared([get_unit(name) for name in sorted(fitted.unit_set)])
    rates = None if settings.learning_rate is None else dict.fromkeys(PARAMETER_KINDS, settings.learning_rate)
    changes = {"epochs": settings.epochs, "batch_size": settings.batch_size, "learning_rate": rates}
    given = {name: value for name, value in changes.items() if value is not None}
    with faults_explained(Recipe, "The training"):
        return Candidate(fitted, Recipe.model_validate({**recipe.model_dump(), **given}))


def train(prepared: Prepared, folder: Path, listener: Listener[Trained]) -> dict[str, Any]:
    """Train, or resume what the folder holds; returns the result."""
    run, seed = RunDirectory(folder), prepared.settings.seed
    if not (folder / TRAINING_FILE).exists():
        require_room(folder, lambda path: False, what="training", hint=_CHOOSE)
    hint = "Restore a good copy, or remove the folder and run the train command again."
    directory = TrialDirectory(folder, number=0, damaged_hint=hint)
    with run.locked(instead="another --output"):
        _check(directory, prepared)
        if (result := directory.result()) and result["state"] == "complete" and not directory.has_its_weights:
            logger.warning("The weights are missing or damaged: the network is trained again.")
            directory.ended.unlink()
        plan = FixedPlan("training", (Training(folder.name, prepared.candidate, seed, directory),))
        if plan.left:
            directory.write_candidate(prepared.candidate)
            write_whole(folder / TRAINING_FILE, json.dumps(prepared.facts, indent=2) + "\n")
            Driver(run, prepared, Budget()).go(plan, listener)
        if plan.failed:  # out of memory: the same command may fare better
            return {"schema": SCHEMA, "seed": seed, "state": "failed", "reason": plan.failed[0][1]}
        return directory.result() or {}


def _check(directory: TrialDirectory, prepared: Prepared) -> None:
    path = directory.path / TRAINING_FILE
    if path.exists():
        stored = read_json(path, TrainingFile, hint=f"Restore a good copy, or c{_CHOOSE[1:]}")
        candidate = directory.candidate() if directory.has_candidate else prepared.candidate
        old, new = (_decisive(*each) for each in ((stored, candidate), (prepared.facts, prepared.candidate)))
        require_equal(directory.path, old, new, "another --output")


def _decisive(facts: Mapping[str, Any], candidate: Candidate) -> dict[str, Any]:
    network, recipe = (each.model_dump(mode="json") for each in (candidate.architecture, candidate.recipe))
    images = {"name": facts["dataset"], "fingerprint": facts["fingerprint"]}
    return {"dataset": facts["dataset"], "data": images, "seed": facts["seed"], "network": network, "recipe": recipe}
