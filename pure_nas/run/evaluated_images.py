"""The images that trained networks are evaluated on: those of their training, or others that fit."""

from __future__ import annotations

import ast
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pure_nas.data import Dataset, ImageSet, load_dataset
from pure_nas.data.image_set import Normalisation
from pure_nas.errors import UsageError
from pure_nas.evaluation import Views
from pure_nas.run.images import RunImages
from pure_nas.run.trained import Trained

_log = logging.getLogger(__name__)

Split = Literal["test", "validation"]


@dataclass(frozen=True, kw_only=True)
class WantedImages:
    """Which images were asked for."""

    dataset: str | None  # a name or folder; None takes what the first network was trained on
    split: Split
    data_dir: Path | None
    image_size: int | None  # to which images are brought; None is that of the training
    skip_corrupt: bool  # leave out corrupt images, also where the training did not


def load_wanted(
    name: str, trained_on: RunImages | None, wanted: WantedImages, usual_size: int | None = None
) -> Dataset:
    """The dataset to evaluate networks on, split as for the training of the first as far as that is known.

    Args:
        name: of the first network, which was `trained_on` these images; None where nothing says which.
        usual_size: of other images than those, where no size was asked for, pixels; None is as they are stored.
    """
    chosen = wanted.dataset
    if trained_on and (chosen is None or trained_on.is_called(chosen)):
        load = trained_on.loader(
            wanted.data_dir, dataset=chosen, image_size=wanted.image_size, skip_corrupt=wanted.skip_corrupt
        )
        hint = "Put the old ones back, or name images: --dataset."
        return load() if chosen else trained_on.require_same(load(), hint=hint)
    if chosen is None:
        raise UsageError(
            f"Nothing next to {name} says which images to evaluate it on.",
            hint="Name them, for example --dataset cifar10, or a folder.",
        )
    return load_dataset(
        chosen,
        data_dir=wanted.data_dir,
        seed=trained_on.seed if trained_on else 0,
        image_size=wanted.image_size or usual_size,
        skip_corrupt=wanted.skip_corrupt,
    )


def images_for(networks: Sequence[Trained], dataset: Dataset, views: Views, wanted: WantedImages) -> ImageSet:
    """The images of the split; the log says where they are the test images."""
    for network in networks:
        _require_fit(network, dataset)
    views.fitting(dataset.image_size)
    if views.mirrored and not dataset.flip:
        raise UsageError(
            f"The labels of {dataset.name} do not survive a mirror image, which {views.crops} shows.",
            hint=f"Use --views {views.unmirrored().crops}.",
        )
    if wanted.split == "validation":
        for network in networks:
            _require_unseen(network, dataset, wanted.data_dir)
        return dataset.validation
    _log.info(
        f"Reading the test images of {dataset.name}: a score used for choosing is no longer an unbiased estimate."
    )
    return dataset.test()


def _require_unseen(network: Trained, dataset: Dataset, data_dir: Path | None) -> None:
    """Check that a network was not trained on the validation images; the log says where nothing tells."""
    name, trained_on = network.name, network.images
    if trained_on is None:
        _log.warning(
            f"{name}: nothing says what it was trained on. If that was {dataset.name}, it may have seen these "
            "validation images."
        )
    elif trained_on.same_dataset(dataset) and trained_on.validation_too:
        raise UsageError(
            f"{name} was trained on these validation images, or on some of them.", hint="Use --split test."
        )
    elif trained_on.same_dataset(dataset) and not trained_on.same_split(dataset, data_dir):
        raise UsageError(
            f"{name} was trained on images of {dataset.name} that were split in another way, or have changed since: "
            "these validation images may be among them.",
            hint="Use --split test.",
        )


def normalised_for(network: Trained, dataset: Dataset, images: ImageSet) -> ImageSet:
    """The images as the network was trained to see them, as far as that is known."""
    trained_on = network.images
    facts = trained_on.facts if trained_on else _exported_normalisation(network.weights)
    if "mean" in facts and "std" in facts:
        trained_with = Normalisation(tuple(facts["mean"]), tuple(facts["std"]))
        return images if trained_with == images.normalisation else images.normalised(trained_with)
    if trained_on is None or trained_on.fingerprint != dataset.fingerprint:
        file = trained_on.file if trained_on else "no file next to the weights"
        say = "does not say" if trained_on else "says"
        _log.info(f"{network.name}: normalised by the training images of {dataset.name}; {file} {say} by which.")
    return images


def _exported_normalisation(weights: Sequence[Path]) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation that the network.py next to exported weights holds; empty where there is none."""
    try:
        source = ast.parse("".join(path.with_name("network.py").read_text(encoding="utf-8") for path in weights))
    except (OSError, ValueError, SyntaxError):
        return {}
    assigned = {
        node.targets[0].id: node.value
        for node in source.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    if not {"MEAN", "STD"} <= assigned.keys():
        return {}
    return {"mean": ast.literal_eval(assigned["MEAN"]), "std": ast.literal_eval(assigned["STD"])}


def _require_fit(network: Trained, dataset: Dataset) -> None:
    """Check that a network was made for images like these; the log says where their classes have other names."""
    architecture = network.architecture
    for what, there, here in (
        ("channels", architecture.in_chans, dataset.in_chans),
        ("classes", architecture.num_classes, len(dataset.classes)),
    ):
        if there != here:
            raise UsageError(
                f"{network.name} was made for images with another number of {what} than those of {dataset.name}: "
                f"{there}, not {here}.",
                hint="Name the dataset that it was trained on, or one like it.",
            )
    names = network.images.facts.get("classes", []) if network.images else []
    odd = [f"{there} for {here}" for there, here in zip(names, dataset.classes, strict=False) if there != here]
    if odd:
        _log.warning(f"{network.name} was trained on classes with other names, such as {odd[0]}.")
