"""The images that a run, or a single training, was made on, and those that its networks are evaluated on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pure_nas.data.dataset import Dataset, ImageSource
from pure_nas.data.sources.registry import dataset_names
from pure_nas.errors import DataError, RunError, UsageError
from pure_nas.files import read_json
from pure_nas.paths import expanded
from pure_nas.run.directory import SETTINGS_HINT, RunDirectory
from pure_nas.run.schema import Training

Split = Literal["test", "validation"]

TRAINING_FILE = "training.json"
"""In the folder of a single training of `pure-nas train`: on which images, and how to load them again."""
_OF_SOURCE = ("limit", "validation", "image_size", "skip_corrupt")
"""Settings of a run, where it has them, that are fields of `ImageSource`."""
_ABOVE = 4  # the most folders between weights and the run they belong to: RUN/retrain/DIGEST-seed1/weights.safetensors


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """How a run or a training came by its images."""

    file: Path  # what says so, in the folder of the run or training
    source: ImageSource  # its dataset is empty where no more than the name of a folder was kept
    fingerprint: str  # of the dataset that this gave
    facts: Mapping[str, Any]  # of it, as `Dataset.facts` has them; older files of trainings say less
    validation_too: bool = False  # whether the network in question was trained on the validation images too

    @classmethod
    def of_run(cls, run: RunDirectory, weights: Path | None = None) -> Self:
        """Those of a search or an experiment, as the network with these weights, or else any trial, was shown them."""
        settings = run.settings()
        try:
            return cls(
                file=run.settings_path,
                source=ImageSource(
                    settings["dataset"],
                    data_dir=Path(settings["data_dir"]) if "data_dir" in settings else None,
                    seed=0 if run.is_experiment else settings["seed"],
                    **{key: settings[key] for key in _OF_SOURCE if key in settings},
                ),
                fingerprint=settings["data"]["fingerprint"],
                facts=settings["data"],
                validation_too=weights is not None and _saw_validation(run, settings, weights),
            )
        except KeyError as error:
            raise RunError(f"{run.settings_path} is damaged: it has no valid {error}.", hint=SETTINGS_HINT) from error

    @classmethod
    def of_training(cls, file: Path, image_size: int | None = None) -> Self:
        """Those of a single training, from its training.json; older ones do not say the size of the images, pixels."""
        found = read_json(file, Training, hint="Restore a good copy, or train the network again in another folder.")
        name = found["dataset"]
        return cls(
            file=file,
            source=ImageSource(
                found.get("folder") or (name if name in dataset_names() else ""),
                data_dir=Path(found["data_dir"]) if found.get("data_dir") else None,
                seed=found["seed"],
                image_size=found.get("image_size", image_size),
                skip_corrupt=bool(found.get("skip_corrupt")),
            ),
            fingerprint=found["fingerprint"],
            facts=found.get("data") or {"name": name, "image_size": image_size},
        )

    @classmethod
    def of_weights(cls, weights: Path, image_size: int | None = None) -> Self | None:
        """Those that a network with these weights was trained on; None where nothing says which."""
        if (training := weights.parent / TRAINING_FILE).is_file():
            return cls.of_training(training, image_size)
        run = run_of(weights)
        return cls.of_run(run, weights) if run else None

    @property
    def name(self) -> str:
        return str(self.facts.get("name") or self.source.dataset)

    def loader(self, dataset: str | None = None, **given: Any) -> ImageSource:
        """Loads the images, split as they were; what else is `given` takes the place of what the file says."""
        name = str(dataset or self.source.dataset)
        if not name:
            raise UsageError(
                f'{self.file} says that the images are called "{self.facts.get("name")}", but not where they are.',
                hint="Give their folder: --dataset DIR.",
            )
        if dataset is None and name not in dataset_names() and not Path(name).expanduser().is_dir():
            if os.path.basename(name) == name:
                raise DataError(
                    f'The images of {self.file.parent} are the dataset "{name}", which is not installed.',
                    hint="Install its package, or register your own images again: pure_nas.register_dataset(...).",
                )
            raise DataError(
                f"The images of {self.file.parent} are no longer in {name}.",
                hint="Give their folder: --dataset DIR.",
            )
        return replace(self.source, dataset=name, **{field: value for field, value in given.items() if value})

    def require_same(self, dataset: Dataset, *, hint: str) -> Dataset:
        """The dataset, unless its images have changed since (a `RunError`); of another size nothing can be known."""
        same_size = self.facts.get("image_size", dataset.image_size) == dataset.image_size
        if same_size and self.fingerprint != dataset.fingerprint:
            raise RunError(
                f'The images of "{self.source.dataset}" have changed since {self.file} was written.', hint=hint
            )
        return dataset

    def is_called(self, name_or_folder: str) -> bool:
        """Whether this is how the dataset is called, also where its folder is elsewhere now."""
        if name_or_folder in dataset_names():
            return name_or_folder == self.source.dataset
        same_name = expanded(name_or_folder).resolve().name == self.facts.get("name")
        return same_name and self.source.dataset not in dataset_names()

    def same_dataset(self, dataset: Dataset) -> bool:
        """Whether these were images of that dataset, however it is split, as far as the file tells."""
        classes = self.facts.get("classes", list(dataset.classes))
        called = self.facts.get("name") == dataset.name and classes == list(dataset.classes)
        return called or self.fingerprint == dataset.fingerprint

    def same_split(self, dataset: Dataset, data_dir: Path | None = None) -> bool:
        """Whether that dataset is known to be these images, split in the same way, at whatever size."""
        if self.fingerprint == dataset.fingerprint:
            return True
        if not self.source.dataset or self.facts.get("image_size") == dataset.image_size:
            return False
        # Every size has its own fingerprint: load the images as they were, to know them again, and at that size.
        try:
            sizes = (None, dataset.image_size)
            then, now = (self.loader(data_dir=data_dir, image_size=size)() for size in sizes)
        except DataError:
            return False
        return then.fingerprint == self.fingerprint and now.fingerprint == dataset.fingerprint


def run_of(weights: Path) -> RunDirectory | None:
    """The run to which weights belong; None for those of a single training, or of none that can be found."""
    if (weights.parent / TRAINING_FILE).is_file():
        return None
    folders = weights.resolve().parents[:_ABOVE]
    return next((RunDirectory(folder) for folder in folders if (folder / "run.toml").is_file()), None)


def _saw_validation(run: RunDirectory, settings: Mapping[str, Any], weights: Path) -> bool:
    if run.is_experiment:
        return settings.get("split") == "test" and not settings.get("validation_curve")
    folder, *inner = weights.resolve().relative_to(run.path.resolve()).parts
    # Exports are named by their trial's number, and by their seed as well where it was retrained.
    return folder == "retrain" or (folder == "export" and not inner[0].isdecimal())


@dataclass(frozen=True, kw_only=True)
class WantedImages:
    """Which images networks are to be evaluated on."""

    dataset: str | None  # a name or folder; None takes what the first network was trained on
    split: Split
    data_dir: Path | None
    image_size: int | None  # to which images are brought; None is that of the training
    skip_corrupt: bool  # leave out corrupt images, also where the training did not

    def load(self, name: str, trained_on: RunImages | None, usual_size: int | None = None) -> Dataset:
        """The dataset, split as for the training of the network `name` as far as that is known; `usual_size` is that
        of other images than it was trained on, where no size was asked for, pixels (None: as they are stored)."""
        chosen = self.dataset
        if trained_on and (chosen is None or trained_on.is_called(chosen)):
            given = {"data_dir": self.data_dir, "image_size": self.image_size, "skip_corrupt": self.skip_corrupt}
            load = trained_on.loader(chosen, **given)
            hint = "Restore the old ones, or choose images with --dataset."
            return load() if chosen else trained_on.require_same(load(), hint=hint)
        if chosen is None:
            raise UsageError(
                f"No file next to {name} says which images to evaluate it on.",
                hint="Choose them, for example --dataset cifar10, or a folder.",
            )
        seed = trained_on.source.seed if trained_on else 0
        return ImageSource(chosen, self.data_dir, seed, self.image_size or usual_size, self.skip_corrupt)()
