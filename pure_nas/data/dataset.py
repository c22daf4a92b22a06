"""A loaded dataset: training, validation and, on request, test images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pure_nas.data.image_set import ImageSet
from pure_nas.errors import DataError


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Images to search and train with.

    Attributes:
        classes: names of the classes; labels are indices into them.
        image_size: height and width that a network sees, pixels.
        flip: whether labels survive a horizontal flip; `turns`: also vertical flips and quarter turns.
        skipped: number of corrupt training and validation files that were left out.
        decoded_size: height and width that images are decoded to before they are scaled to the stored size, pixels;
            None if they are stored as decoded.
        test_size: number of test images, corrupt ones included; None if not known yet.
        passed_over: what else was found with the images and is not used, one phrase per kind.
        mean: of each channel of the training images, scaled to 0..1, as is `std`.
        validation: images to select networks by; none of them is in `train`.
        fingerprint: changes with the images, the labels, the split and the size.
    """

    name: str
    classes: tuple[str, ...]
    in_chans: int
    image_size: int
    flip: bool
    turns: bool
    skipped: int
    test_size: int | None
    decoded_size: int | None = None
    passed_over: tuple[str, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: ImageSet
    validation: ImageSet
    fingerprint: str
    _train_and_validation: ImageSet = field(repr=False)
    _load_test: Callable[[Dataset], ImageSet] | None = field(repr=False)

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

    @property
    def shape(self) -> dict[str, int]:
        """What an architecture is fitted to, as its fields."""
        return {"in_chans": self.in_chans, "num_classes": len(self.classes), "image_size": self.image_size}

    def train_and_validation(self) -> ImageSet:
        """All images but the test images, for the final training of a chosen network."""
        return self._train_and_validation

    def test(self) -> ImageSet:
        """The test images, which are read at the first call, or a `DataError`."""
        return self._test

    @cached_property
    def _test(self) -> ImageSet:
        if self._load_test is None:
            raise DataError(
                f"{self.name} has no test images.", hint="Put them into a folder test next to train, by class."
            )
        return self._load_test(self)
