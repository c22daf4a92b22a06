"""A loaded dataset, and what loads it from a name or a folder, with pixels held in memory or streamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pure_nas.data import decoded_cache
from pure_nas.data.decode import pillow_warnings_counted
from pure_nas.data.decoded_cache import folder_images
from pure_nas.data.image_files import ImageFiles, PassedOver, list_images
from pure_nas.data.image_set import HeldPixels, ImageSet, Normalisation, StreamedPixels, usual_workers
from pure_nas.data.raw_images import LargeImages, PixelSource, RawImages
from pure_nas.data.sources.folder_layout import FolderLayout, find_layout
from pure_nas.data.sources.registry import DatasetSpec, ImageSize, MostImages, dataset_names, default_data_dir, get_spec
from pure_nas.data.split import Positions, split_off_test, stratified_split
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import expanded, require_utf8
from pure_nas.validation import checked_fields

_FOLDER_SHARE = 0.1
"""Of all of a folder's images, that are set aside for validation and, where it has no part for it, to test."""

_Images: TypeAlias = RawImages | LargeImages


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Images to search and train with."""

    name: str
    classes: tuple[str, ...]  # their names; labels are indices into them
    in_chans: int
    image_size: int  # height and width that a network sees, pixels
    flip: bool  # whether labels survive a horizontal flip
    turns: bool  # whether they also survive vertical flips and quarter turns
    skipped: int  # corrupt training and validation files that were left out
    test_size: int | None  # test images, corrupt ones included; None if not known yet
    decoded_size: int | None = None  # to which images are decoded before they are scaled, pixels; None: as stored
    passed_over: tuple[str, ...] = ()  # what else was found with the images and is not used, one phrase per kind
    mean: tuple[float, ...]  # of each channel of the training images, scaled to 0..1
    std: tuple[float, ...]
    train: ImageSet
    validation: ImageSet  # to select networks by; none of them is in `train`
    fingerprint: str  # changes with the images, the labels, the split and the size
    train_and_validation: ImageSet = field(repr=False)
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


@checked_fields
@dataclass(frozen=True)
class ImageSource:
    """A dataset, and how it is split and prepared; a call loads it without reading its test images."""

    dataset: str | Path  # a name, or the path of a folder of images (`./digits` is one although `digits` is a name)
    data_dir: Path | None = None  # of datasets and decoded images; None is `default_data_dir()`
    seed: int = 0  # decides the split, the images of `limit`, and the sample for normalisation
    image_size: ImageSize | None = None  # to which images are scaled, pixels; None: as stored, or see `decode_listing`
    # Leave out images that cannot be decoded instead of raising. If images are decoded only when they are read
    # (imagenet), all are decoded once to find out, and the result is kept.
    skip_corrupt: bool = False
    limit: MostImages | None = None  # stratified by class; a validation folder is always used whole
    # Number or share of the images to set aside; None is that of the dataset, or of a folder a tenth, and at least 2
    # of each class that has 4.
    validation: int | float | None = None

    def __call__(self) -> Dataset:
        """Load it; a `UsageError` if no dataset has that name or a value cannot be used, else a `DataError`."""
        directory = default_data_dir() if self.data_dir is None else expanded(self.data_dir)
        dataset, path = self.dataset, expanded(self.dataset)
        # A word that is no folder was meant as a name, for which `get_spec` raises.
        if isinstance(dataset, str) and (
            dataset in dataset_names() or (os.path.basename(dataset) == dataset and not os.path.exists(path))
        ):
            return self._load_named(get_spec(dataset), directory)
        return self._load_folder(path, directory / "decoded")

    def _load_named(self, spec: DatasetSpec, data_dir: Path) -> Dataset:
        def usual(count: int) -> int:
            share = spec.validation
            return round(share * count) if isinstance(share, float) else min(share, count // 10)

        known = {"name": spec.name, "flip": spec.flip, "turns": spec.turns, "test_size": spec.test_size}
        return self._load(known, spec.read(data_dir, "train"), usual, partial(_named_test, spec, data_dir))

    def _load_folder(self, root: Path, cache: Path) -> Dataset:
        """A folder of images, whose labels are assumed to survive flips and turns, which the recipe decides on."""
        layout = find_layout(root)
        classes, passed_over = layout.classes, layout.passed_over
        for name in classes:
            require_utf8(name, "The name of the class")
        files, test_size = list_images(layout.train, classes, passed_over), 0
        total = len(files)
        if layout.whole:
            outside, test = split_off_test(files.labels, _FOLDER_SHARE, at_least=1)
            files, test_size = files.take(outside), len(test)
        elif layout.test:
            test_size = sum(1 for name in classes for _ in passed_over.images_below(layout.test / name))
        n_train = len(files)
        n_used = min(n_train, self.limit or n_train)
        if held_out := layout.validation:
            if self.validation is not None:
                raise UsageError(
                    f"validation = {self.validation!r} cannot be used: {held_out} holds the validation images.",
                    hint="Leave it out, or move the images of that folder into train.",
                )
            more = list_images(held_out, classes, passed_over)
            names, labels = np.concatenate([files.names, more.names]), np.concatenate([files.labels, more.labels])
            files = ImageFiles(root, names, labels)
        known = {"name": root.resolve().name, "flip": True, "turns": True, "test_size": test_size}
        return self._load(
            {**known, "passed_over": passed_over.in_words()},
            folder_images(files, classes, cache),
            lambda _: round(_FOLDER_SHARE * total / n_train * n_used),
            partial(_folder_test, layout, cache) if test_size else None,
            n_train,
        )

    def _load(
        self,
        known: Mapping[str, Any],
        part: _Images,
        usual: Callable[[int], int],
        read_test: Callable[[int], _Images] | None,
        n_train: int | None = None,
    ) -> Dataset:
        """Load all images but those of the test part: the first `n_train` to train on, or all, of which `usual` says
        how many of so many sound ones are set aside; `known` are fields that do not follow from `part`."""
        n_train = n_train or len(part.labels)
        chosen = np.concatenate([self._limited(part.labels[:n_train]), np.arange(n_train, len(part.labels))])
        images, kept, digest = _read(part, chosen, self.image_size, self.skip_corrupt)
        labels = part.labels[kept]
        if n_train == len(part.labels):
            train, validation = self._split(labels, usual(len(labels)))
        else:
            train, validation = np.flatnonzero(kept < n_train), np.flatnonzero(kept >= n_train)
        training = images.subset(torch.from_numpy(train))
        normalisation = Normalisation.from_histogram(training.histogram(self.seed))
        whole = images.normalised(normalisation)
        in_chans, size = whole.pixels.in_chans, whole.image_size
        fingerprint = hashlib.sha256(json.dumps([part.classes, in_chans, size, digest, len(train)]).encode())
        for numbers in (labels, train, validation):
            fingerprint.update(np.ascontiguousarray(numbers).data)
        return Dataset(
            classes=part.classes,
            in_chans=in_chans,
            image_size=size,
            skipped=len(chosen) - len(kept),
            # Encoded images are stored at another size, or have none of their own; other sources scale theirs.
            decoded_size=part.image_size if 0 < part.image_size != size == whole.stored_size else None,
            mean=normalisation.mean,
            std=normalisation.std,
            train=training.normalised(normalisation),
            validation=whole.subset(torch.from_numpy(validation)),
            fingerprint=fingerprint.hexdigest()[:16],
            train_and_validation=whole,
            _load_test=partial(_load_test, read_test, self.skip_corrupt) if read_test else None,
            **known,
        )

    def _limited(self, labels: Positions) -> Positions:
        if self.limit is None or self.limit >= len(labels):
            return np.arange(len(labels))
        classes = len(np.unique(labels))
        if self.limit < 2 * classes:
            raise UsageError(
                f"limit = {self.limit} is too few for {classes} classes.", hint=f"Use {2 * classes} or more."
            )
        return stratified_split(labels, len(labels) - self.limit, self.seed)[0]

    def _split(self, labels: Positions, usual: int) -> tuple[Positions, Positions]:
        """Positions of training and validation images: by default `usual`, and 2 of every class of 4 or more."""
        room, total = len(labels) - len(np.unique(labels)), len(labels)
        if not room:
            raise DataError(
                "Every class has one image only, so none can be set aside for validation.",
                hint="Add images to the classes.",
            )
        share = self.validation
        if share is None:
            return stratified_split(labels, min(max(1, usual), room), self.seed, at_least=2)
        if isinstance(share, float) and 0 < share < 1:
            share = max(1, round(share * total))
        if isinstance(share, float) or not 1 <= share < total:
            raise UsageError(
                f"validation = {share!r} cannot be used with {total} images.",
                hint=f"Give a number of images from 1 to {max(1, total - 1)}, or a share such as 0.1.",
            )
        return stratified_split(labels, share, self.seed)


def _named_test(spec: DatasetSpec, data_dir: Path, _: int) -> _Images:
    return spec.read(data_dir, "test")


def _folder_test(layout: FolderLayout, cache: Path, in_chans: int) -> _Images:
    files = list_images(layout.test or layout.train, layout.classes, PassedOver(layout.passed_over.root))
    if layout.whole:
        files = files.take(split_off_test(files.labels, _FOLDER_SHARE, at_least=1)[1])
    return folder_images(files, layout.classes, cache, in_chans)


def _load_test(read_test: Callable[[int], _Images], skip_corrupt: bool, dataset: Dataset) -> ImageSet:
    part, classes, in_chans = read_test(dataset.in_chans), dataset.classes, dataset.in_chans
    if part.classes != classes or part.in_chans != in_chans:
        raise DataError(
            f"The test part of {dataset.name} does not match its train part: {len(part.classes)} classes and "
            f"{part.in_chans} channels, not {len(classes)} and {in_chans}.",
            hint="Fix the loader of this dataset.",
        )
    images, *_ = _read(part, np.arange(len(part.labels)), dataset.image_size, skip_corrupt)
    return images.normalised(Normalisation(dataset.mean, dataset.std))


def _read(
    part: _Images, chosen: Positions, image_size: int | None, skip_corrupt: bool
) -> tuple[ImageSet, Positions, str]:
    """The images at the positions `chosen` without corrupt ones, in memory if they fit; their positions; a digest."""
    size = image_size or part.image_size
    opened = part.open(size, chosen, skip_corrupt)
    source, kept = opened.source, chosen[~np.isin(chosen, list(opened.corrupt))]
    lost = sorted(set(part.labels[chosen].tolist()) - set(part.labels[kept].tolist()))
    if lost:
        raise DataError(
            f"Every image of these classes is corrupt: {', '.join(part.classes[label] for label in lost)}.",
            hint="Replace the images; the classes of a folder of your own can be removed as well.",
        )
    pixels: HeldPixels | StreamedPixels
    if not isinstance(source, PixelSource):
        pixels = HeldPixels(torch.from_numpy(source))
    elif opened.stream or len(kept) * source.in_chans * source.size**2 > decoded_cache.RESIDENT_BYTES:
        pixels = StreamedPixels(source)
    else:
        pixels = HeldPixels(_held(source, kept))
    labels, places = torch.from_numpy(part.labels[kept]), torch.from_numpy(kept)
    positions = places if isinstance(pixels, StreamedPixels) else None
    images = ImageSet(pixels, labels, Normalisation.none(pixels.in_chans), positions=positions, image_size=size)
    return images, kept, opened.digest


def _held(source: PixelSource, positions: Positions) -> Tensor:
    """(N, C, S, S), uint8: the images at `positions`, read in threads."""
    pixels = np.empty((len(positions), source.in_chans, source.size, source.size), dtype=np.uint8)

    def read(row: int) -> None:
        pixels[row] = source.pixels(int(positions[row]))

    with pillow_warnings_counted(), ThreadPoolExecutor(max(1, usual_workers())) as pool:
        list(pool.map(read, range(len(positions))))
    return torch.from_numpy(pixels)
