"""A loaded dataset: training, validation and, on request, test images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.split import Positions, held_out_count, stratified_split
from pure_nas.errors import DataError, UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class _Known:
    """What is known before the images are split; see `Dataset`."""

    name: str
    classes: tuple[str, ...]
    in_chans: int
    image_size: int
    flip: bool
    turns: bool = False
    skipped: int = 0
    decoded_size: int | None = None
    test_size: int | None = None
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(_Known):
    """Images to search and train with.

    Attributes:
        name: name of the dataset or of its folder.
        classes: names of the classes; labels are indices into them.
        in_chans: channels of an image.
        image_size: height and width that a network sees, pixels.
        flip: whether labels survive a horizontal flip.
        turns: whether labels also survive vertical flips and quarter turns.
        skipped: number of corrupt training and validation files that were left out.
        decoded_size: height and width that images are decoded to before they are scaled to the stored size, pixels;
            None if they are stored as decoded.
        test_size: number of test images, corrupt ones included; None if not known yet.
        passed_over: what else was found with the images and is not used, one phrase per kind.
        mean: mean of each channel of the training images, scaled to 0..1.
        std: standard deviation of each channel of the training images.
        train: training images.
        validation: images to select networks by; none of them is in `train`.
        fingerprint: changes with the images, the labels, the split and the size.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: ImageSet
    validation: ImageSet
    fingerprint: str
    _train_and_validation: ImageSet = field(repr=False)
    _load_test: Callable[[], ImageSet] | None = field(repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What files store, to recognise the dataset and to prepare other images in the same way."""
        stored, decoded = self.train.stored_size, self.decoded_size
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "classes": list(self.classes),
            "in_chans": self.in_chans,
            "image_size": self.image_size,
            "mean": list(self.mean),
            "std": list(self.std),
            **({"stored_size": stored} if stored != self.image_size else {}),
            **({"decoded_size": decoded} if decoded is not None else {}),
        }

    def train_and_validation(self) -> ImageSet:
        """All images but the test images, for the final training of a chosen network."""
        return self._train_and_validation

    def test(self) -> ImageSet:
        """The test images, which are read at the first call.

        Raises:
            DataError: there are none, or they cannot be read.
        """
        return self._test

    @cached_property
    def _test(self) -> ImageSet:
        if self._load_test is None:
            raise DataError(
                f"{self.name} has no test images.", hint="Put them into a folder test beside train, by class."
            )
        return self._load_test()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Arguments of `load_dataset` that mean the same for every source."""

    seed: int
    validation: int | float | None
    limit: int | None
    image_size: int | None

    def limited(self, labels: Positions) -> Positions:
        """Positions of the images to use: all, or `limit` of them, stratified by class.

        Raises:
            UsageError: the limit is too small for every class to be in training and validation.
        """
        if self.limit is None or self.limit >= len(labels):
            return np.arange(len(labels))
        classes = len(np.unique(labels))
        if self.limit < 2 * classes:
            raise UsageError(
                f"limit = {self.limit} is too few for {classes} classes.", hint=f"Use {2 * classes} or more."
            )
        return stratified_split(labels, len(labels) - self.limit, self.seed)[0]

    def split(self, labels: Positions, usual: int) -> tuple[Positions, Positions]:
        """Positions of the training and of the validation images.

        Args:
            labels: (N,), int64.
            usual: default number of validation images; then every class with 4 images or more has at least 2 of them.

        Raises:
            UsageError: that many images cannot be set aside.
            DataError: no class has two images.
        """
        room = len(labels) - len(np.unique(labels))
        if not room:
            raise DataError(
                "Every class has one image only, so none can be set aside for validation.",
                hint="Add images to the classes.",
            )
        if self.validation is None:
            return stratified_split(labels, min(max(1, usual), room), self.seed, at_least=2)
        count = held_out_count(self.validation, len(labels), what="validation")
        return stratified_split(labels, count, self.seed)


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(_Known):
    """Images of a source, neither split nor normalised.

    Attributes:
        whole: all but the test images.
        digest: changes with the images.
        load_test: reads the test images; None if there are none.
    """

    whole: ImageSet
    digest: str
    load_test: Callable[[Normalisation], ImageSet] | None

    def split(self, train: Positions, validation: Positions, seed: int) -> Dataset:
        """The dataset whose training and validation images are at these positions."""
        training = self.whole.subset(torch.from_numpy(train))
        normalisation = Normalisation.from_histogram(training.histogram(seed))
        whole = self.whole.normalised(normalisation)
        return Dataset(
            **{each.name: getattr(self, each.name) for each in fields(_Known)},
            mean=normalisation.mean,
            std=normalisation.std,
            train=training.normalised(normalisation),
            validation=whole.subset(torch.from_numpy(validation)),
            fingerprint=self._fingerprint(train, validation),
            _train_and_validation=whole,
            _load_test=partial(self.load_test, normalisation) if self.load_test else None,
        )

    def _fingerprint(self, train: Positions, validation: Positions) -> str:
        facts = json.dumps([self.classes, self.in_chans, self.image_size, self.digest, len(train)])
        digest = hashlib.sha256(facts.encode())
        for numbers in (self.whole.labels.numpy(), train, validation):
            digest.update(np.ascontiguousarray(numbers).data)
        return digest.hexdigest()[:16]


def require_every_class(
    classes: tuple[str, ...], before: Positions, sound: Positions, *, where: str = "", hint: str
) -> None:
    """Raise `DataError` if a class has no images left once corrupt ones are skipped.

    Args:
        before: labels of all images.
        sound: labels of the remaining ones.
        where: place of the images, for the message.
    """
    lost = sorted(set(before.tolist()) - set(sound.tolist()))
    if lost:
        names = ", ".join(classes[label] for label in lost)
        raise DataError(f"Every image of these classes{where} is corrupt: {names}.", hint=hint)
