"""A loaded dataset: images to train on, to choose by, and, on request, to test on."""

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
    """What is known of images before they are split; `Dataset` says what each is."""

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
        name: the dataset's name, or that of the folder.
        classes: names of the classes; labels are indices into them.
        in_chans: channels of an image.
        image_size: height and width of what a network is shown of an image, pixels.
        flip: whether a horizontal flip keeps the label.
        turns: whether images have no upright, so that vertical flips and quarter turns keep it too.
        skipped: corrupt files among the training and validation images that were left out.
        decoded_size: height and width of the squares that images are decoded to before they are scaled to those that
            are held, pixels; None where they are held as decoded.
        test_size: how many test images there are, corrupt ones included; None where that is not known yet.
        passed_over: what else was found where the images are and is not used, a phrase for each kind.
        mean: of each channel of the training images scaled to 0..1.
        std: likewise their standard deviation.
        train: images to train on.
        validation: images to choose by, none of which is in `train`.
        fingerprint: changes when the images, the labels, the split or the size change.
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
        """What files say of it, so that it is known again, and so that other images can be shown as its own are."""
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
        """Everything but the test images, for the last training of a chosen network."""
        return self._train_and_validation

    def test(self) -> ImageSet:
        """The test images, which nothing has opened before the first call; they are kept.

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
    """What of a dataset is wanted: the arguments of `load_dataset` that mean the same for every source."""

    seed: int
    validation: int | float | None
    limit: int | None
    image_size: int | None

    def limited(self, labels: Positions) -> Positions:
        """Positions of the images to use: all, or `limit` of them in the same proportion for every class.

        Raises:
            UsageError: the limit leaves too few for every class to be trained and chosen by.
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
            usual: how many validation images there are where none are asked for; every class then has at least
                2 of them where it has 4.

        Raises:
            UsageError: what was asked for cannot be set aside.
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
    """What a source gives: images that are neither split nor normalised.

    Attributes:
        whole: the images outside test.
        digest: changes when the images change.
        load_test: reads the test images; None where there are none.
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
    """Check that every class still has images where the corrupt ones are left out.

    Args:
        before: the labels of all images.
        sound: the labels of those that are left.
        where: the images are, for the message.

    Raises:
        DataError: one has none.
    """
    lost = sorted(set(before.tolist()) - set(sound.tolist()))
    if lost:
        names = ", ".join(classes[label] for label in lost)
        raise DataError(f"Every image of these classes{where} is corrupt: {names}.", hint=hint)
