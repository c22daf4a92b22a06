"""`load_dataset`: from a name or a folder to a `Dataset`, whose pixels are held in memory or streamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pure_nas.data import decoded
from pure_nas.data.dataset import Dataset
from pure_nas.data.decode import in_threads, pillow_warnings_counted
from pure_nas.data.decoded import SMALLEST_IMAGE, folder_images
from pure_nas.data.image_files import ImageFiles, PassedOver, list_images
from pure_nas.data.image_set import HeldPixels, ImageSet, Normalisation
from pure_nas.data.raw_images import EncodedImages, LargeImages, PixelSource, RawImages
from pure_nas.data.sources.catalogue import DatasetSpec, dataset_names, default_data_dir, get_spec
from pure_nas.data.sources.folder_layout import FolderLayout, find_layout
from pure_nas.data.split import Positions, split_off_test, stratified_split
from pure_nas.data.streamed import StreamedPixels, usual_workers
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import expanded, require_utf8

_FOLDER_SHARE = 0.1
"""Of a folder's images, that are set aside for validation and, where it has no part for it, to test."""


def load_dataset(
    name_or_path: str | Path,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    validation: int | float | None = None,
    image_size: int | None = None,
    skip_corrupt: bool = False,
    limit: int | None = None,
) -> Dataset:
    """Load a dataset without reading its test images.

    Args:
        name_or_path: one of `dataset_names()`, or the path of a folder of images (`./digits` is a folder although
            `digits` is a name).
        data_dir: directory of datasets and decoded images (default: `default_data_dir()`).
        seed: decides which images are set aside for validation, stratified by class.
        validation: number or share of the images to set aside (default: that of the dataset; for a folder a tenth, at
            least 2 of each class that has 4).
        image_size: height and width to scale images to, pixels (default: as stored; for a folder see
            `decode_listing`).
        skip_corrupt: leave out images that cannot be decoded instead of raising. If images are decoded only when they
            are read (imagenet), all are decoded once to find out, and the result is kept.
        limit: maximum number of images outside test, stratified by class; a validation folder is always used whole.

    Raises:
        UsageError: no dataset has that name, or an argument cannot be used.
        DataError: images are missing, damaged, or cannot be downloaded.
    """
    for name, value, least in (("image_size", image_size, SMALLEST_IMAGE), ("limit", limit, 4)):
        if value is not None and value < least:
            raise UsageError(f"{name} must be {least} or more, but is {value}.")
    choice = _Choice(seed, validation, limit, image_size, skip_corrupt)
    directory = default_data_dir() if data_dir is None else expanded(data_dir)
    if isinstance(name_or_path, str) and name_or_path in dataset_names():
        return _load_named(get_spec(name_or_path), directory, choice)
    path = expanded(name_or_path)
    if isinstance(name_or_path, str) and os.path.basename(name_or_path) == name_or_path and not os.path.exists(path):
        get_spec(name_or_path)  # raises: a word that is no folder was meant as a name
    return _load_folder(path, directory, choice)


@dataclass(frozen=True)
class _Choice:
    """Arguments of `load_dataset` that mean the same for every source."""

    seed: int
    validation: int | float | None
    limit: int | None
    image_size: int | None
    skip_corrupt: bool

    def limited(self, labels: Positions) -> Positions:
        """Positions of the images to use: all, or `limit` of them, stratified by class."""
        if self.limit is None or self.limit >= len(labels):
            return np.arange(len(labels))
        classes = len(np.unique(labels))
        if self.limit < 2 * classes:
            raise UsageError(
                f"limit = {self.limit} is too few for {classes} classes.", hint=f"Use {2 * classes} or more."
            )
        return stratified_split(labels, len(labels) - self.limit, self.seed)[0]

    def split(self, labels: Positions, usual: int) -> tuple[Positions, Positions]:
        """Positions of training and validation images: by default `usual`, and 2 of every class of 4 or more."""
        room = len(labels) - len(np.unique(labels))
        if not room:
            raise DataError(
                "Every class has one image only, so none can be set aside for validation.",
                hint="Add images to the classes.",
            )
        if self.validation is None:
            return stratified_split(labels, min(max(1, usual), room), self.seed, at_least=2)
        share, total = self.validation, len(labels)
        if isinstance(share, float) and 0 < share < 1:
            share = max(1, round(share * total))
        if not isinstance(share, int) or isinstance(share, bool) or not 1 <= share < total:
            raise UsageError(
                f"validation = {share!r} cannot be used with {total} images.",
                hint=f"Give a number of images from 1 to {max(1, total - 1)}, or a share such as 0.1.",
            )
        return stratified_split(labels, share, self.seed)


def _load_named(spec: DatasetSpec, data_dir: Path, choice: _Choice) -> Dataset:
    def usual(count: int) -> int:
        share = spec.validation
        return round(share * count) if isinstance(share, float) else min(share, count // 10)

    known = partial(Dataset, name=spec.name, flip=spec.flip, turns=spec.turns, test_size=spec.test_size)
    return _dataset(known, spec.read(data_dir, "train"), choice, usual, partial(_named_test, spec, data_dir))


def _named_test(spec: DatasetSpec, data_dir: Path, in_chans: int) -> RawImages | LargeImages:
    del in_chans
    return spec.read(data_dir, "test")


def _load_folder(root: Path, data_dir: Path, choice: _Choice) -> Dataset:
    """A folder of images, whose labels are assumed to survive flips and turns, which the recipe decides on."""
    layout, cache = find_layout(root), data_dir / "decoded"
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
    n_used = min(n_train, choice.limit or n_train)
    if layout.validation is not None:
        if choice.validation is not None:
            raise UsageError(
                f"validation = {choice.validation!r} cannot be used: {layout.validation} holds the validation images.",
                hint="Leave it out, or move the images of that folder into train.",
            )
        more = list_images(layout.validation, classes, passed_over)
        names, labels = np.concatenate([files.names, more.names]), np.concatenate([files.labels, more.labels])
        files = ImageFiles(root, names, labels)
    known = partial(
        Dataset,
        name=root.resolve().name,
        flip=True,
        turns=True,
        test_size=test_size,
        passed_over=passed_over.in_words(),
    )
    return _dataset(
        known,
        folder_images(files, classes, cache),
        choice,
        # A tenth of the folder, test images included.
        lambda _: round(_FOLDER_SHARE * total / n_train * n_used),
        partial(_folder_test, layout, cache) if test_size else None,
        n_train=n_train,
    )


def _folder_test(layout: FolderLayout, cache: Path, in_chans: int) -> LargeImages:
    files = list_images(layout.test or layout.train, layout.classes, PassedOver(layout.passed_over.root))
    if layout.whole:
        files = files.take(split_off_test(files.labels, _FOLDER_SHARE, at_least=1)[1])
    return folder_images(files, layout.classes, cache, in_chans)


class _Read(NamedTuple):
    """The images of a part that are used, and their positions in it, (K,), int64."""

    images: ImageSet
    kept: Positions
    digest: str
    skipped: int
    decoded_size: int | None


def _read(part: RawImages | LargeImages, chosen: Positions, image_size: int | None, skip_corrupt: bool) -> _Read:
    """The images at the positions `chosen`, without corrupt ones: in memory if they fit."""
    size = image_size or part.image_size
    opened = part.open(size, chosen, skip_corrupt)
    source, kept = opened.source, chosen[~np.isin(chosen, list(opened.corrupt))]
    lost = sorted(set(part.labels[chosen].tolist()) - set(part.labels[kept].tolist()))
    if lost:
        raise DataError(
            f"Every image of these classes is corrupt: {', '.join(part.classes[label] for label in lost)}.",
            hint="Replace the images; the classes of a folder of your own can be removed as well.",
        )
    if isinstance(source, PixelSource):
        fits = len(kept) * source.in_chans * source.size**2 <= decoded.RESIDENT_BYTES
        pixels = HeldPixels(_held(source, kept)) if fits and not opened.stream else StreamedPixels(source)
    else:
        pixels = HeldPixels(torch.from_numpy(source))
    images = ImageSet(
        pixels,
        torch.from_numpy(part.labels[kept]),
        Normalisation.none(pixels.in_chans),
        positions=torch.from_numpy(kept) if isinstance(pixels, StreamedPixels) else None,
        image_size=size,
    )
    # Encoded images are decoded at the stored size. Other sources have images of one size, which they scale.
    scales = not isinstance(source, EncodedImages) and 0 < part.image_size != size == images.stored_size
    return _Read(images, kept, opened.digest, len(chosen) - len(kept), part.image_size if scales else None)


def _held(source: PixelSource, positions: Positions) -> Tensor:
    """(N, C, S, S), uint8: the images at `positions`, read in threads."""
    pixels = np.empty((len(positions), source.in_chans, source.size, source.size), dtype=np.uint8)

    def read(row: int) -> None:
        pixels[row] = source.pixels(int(positions[row]))

    with pillow_warnings_counted():
        in_threads(read, range(len(positions)), usual_workers())
    return torch.from_numpy(pixels)


def _dataset(
    known: partial[Dataset],
    part: RawImages | LargeImages,
    choice: _Choice,
    usual: Callable[[int], int],
    read_test: Callable[[int], RawImages | LargeImages] | None,
    *,
    n_train: int | None = None,
) -> Dataset:
    """The dataset of all images but those of the test part.

    Args:
        known: makes it from what the images say.
        usual: how many of a number of sound images are set aside for validation.
        read_test: reads the test part, for networks of so many channels.
        n_train: how many of the images, the first, are to train on (default: all, of which some are set aside).
    """
    limited = choice.limited(part.labels[:n_train])
    chosen = limited if n_train is None else np.concatenate([limited, np.arange(n_train, len(part.labels))])
    read = _read(part, chosen, choice.image_size, choice.skip_corrupt)
    labels = part.labels[read.kept]
    if n_train is None or n_train == len(part.labels):
        train, validation = choice.split(labels, usual(len(labels)))
    else:
        train, validation = np.flatnonzero(read.kept < n_train), np.flatnonzero(read.kept >= n_train)
    training = read.images.subset(torch.from_numpy(train))
    normalisation = Normalisation.from_histogram(training.histogram(choice.seed))
    whole = read.images.normalised(normalisation)
    in_chans, size = whole.pixels.in_chans, whole.image_size
    facts = json.dumps([part.classes, in_chans, size, read.digest, len(train)])
    fingerprint = hashlib.sha256(facts.encode())
    for numbers in (labels, train, validation):
        fingerprint.update(np.ascontiguousarray(numbers).data)
    test_facts = known.keywords["name"], part.classes, in_chans, size, choice.skip_corrupt, normalisation
    return known(
        classes=part.classes,
        in_chans=in_chans,
        image_size=size,
        skipped=read.skipped,
        decoded_size=read.decoded_size,
        mean=normalisation.mean,
        std=normalisation.std,
        train=training.normalised(normalisation),
        validation=whole.subset(torch.from_numpy(validation)),
        fingerprint=fingerprint.hexdigest()[:16],
        _train_and_validation=whole,
        _load_test=partial(_load_test, read_test, *test_facts) if read_test else None,
    )


def _load_test(
    read_test: Callable[[int], RawImages | LargeImages],
    name: str,
    classes: tuple[str, ...],
    in_chans: int,
    image_size: int,
    skip_corrupt: bool,
    normalisation: Normalisation,
) -> ImageSet:
    part = read_test(in_chans)
    if part.classes != classes or part.in_chans != in_chans:
        raise DataError(
            f"The test part of {name} does not match its train part: {len(part.classes)} classes and {part.in_chans} "
            f"channels, not {len(classes)} and {in_chans}.",
            hint="The loader of this dataset has to change.",
        )
    return _read(part, np.arange(len(part.labels)), image_size, skip_corrupt).images.normalised(normalisation)
