"""Folders of images as datasets: decoded once into memory, or streamed where they are too large for that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pure_nas.data.dataset import Choice, Dataset, Images, unnormalised
from pure_nas.data.decoded import DecodedImages
from pure_nas.data.decoded_cache import DecodedCache
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.listing import Listing, PassedOver, count_images, list_images
from pure_nas.data.pixel_source import ImageFiles
from pure_nas.data.resident import resident
from pure_nas.data.sources.folder import FolderLayout, find_layout
from pure_nas.data.split import TEST_SPLIT_SEED, Positions, stratified_split
from pure_nas.data.streamed import StreamedImages
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import require_utf8

_SHARE = 0.1
_NAMED_FAULTS = 5


def load_folder(root: Path, data_dir: Path, choice: Choice, *, skip_corrupt: bool) -> Dataset:
    """Load a folder of images, of either layout that `pure_nas.data.sources.folder` knows.

    Flips and turns are taken to keep the label: only the recipe decides on them.

    Raises:
        UsageError: the choice cannot be met.
        DataError: the folder cannot be used, or files are corrupt and `skip_corrupt` is off.
    """
    layout = find_layout(root)
    for name in layout.classes:
        require_utf8(name, "The name of the class")
    reader = _Reader(layout.classes, DecodedCache(data_dir / "decoded"), skip_corrupt)
    files = _list_files(layout, root)
    listing = files.outside_test.take(choice.limited(files.outside_test.labels))
    n_train = len(listing.files)
    if layout.validation is not None:
        if choice.validation is not None:
            raise UsageError(
                f"validation = {choice.validation!r} cannot be used: {layout.validation} holds the validation images.",
                hint="Leave it out, or move the images of that folder into train.",
            )
        validation_files = list_images(root, layout.validation, layout.classes, layout.passed_over)
        listing = listing.followed_by(validation_files)
    read = reader.read(listing, choice.image_size, None)
    if layout.validation is None:
        share = _SHARE * files.count / len(files.outside_test.files)
        train, validation = choice.split(read.labels, round(share * n_train))
    else:
        kept = n_train - sum(position < n_train for position in read.decoded.corrupt)
        train, validation = np.arange(kept), np.arange(kept, len(read.labels))
    in_chans, size = read.decoded.in_chans, read.decoded.image_size
    return Images(
        name=root.resolve().name,
        classes=layout.classes,
        in_chans=in_chans,
        image_size=size,
        flip=True,
        turns=True,
        whole=read.image_set(unnormalised(in_chans)),
        digest=read.decoded.digest,
        skipped=len(read.decoded.corrupt),
        test_size=files.test_size,
        passed_over=layout.passed_over.in_words(),
        load_test=partial(_load_test, reader, layout, root, size, in_chans) if files.test_size else None,
    ).split(train, validation, choice.seed)


@dataclass(frozen=True, eq=False)
class _Files:
    """The files outside test, and how many files the training folder and the test part have."""

    outside_test: Listing
    count: int
    test_size: int


def _list_files(layout: FolderLayout, root: Path) -> _Files:
    listing = list_images(root, layout.train, layout.classes, layout.passed_over)
    count = len(listing.files)
    if not layout.whole:
        test_size = count_images(layout.test, layout.classes, layout.passed_over) if layout.test else 0
        return _Files(listing, count, test_size)
    kept, test = _split_test(listing.labels)
    return _Files(listing.take(kept), count, len(test))


def _split_test(labels: Positions) -> tuple[Positions, Positions]:
    """Everything else and the test images of a folder without parts: a tenth of each class, always the same."""
    room = len(labels) - len(np.unique(labels))
    return stratified_split(labels, min(round(_SHARE * len(labels)), room), TEST_SPLIT_SEED, at_least=1)


def _load_test(
    reader: _Reader, layout: FolderLayout, root: Path, size: int, in_chans: int, normalisation: Normalisation
) -> ImageSet:
    listing = list_images(root, layout.test or layout.train, layout.classes, PassedOver())
    if layout.whole:
        listing = listing.take(_split_test(listing.labels)[1])
    return reader.read(listing, size, in_chans).image_set(normalisation)


@dataclass(frozen=True, eq=False)
class _Read:
    """Decoded files with their labels and paths, the corrupt ones left out."""

    decoded: DecodedImages
    labels: Positions
    paths: list[Path]

    def image_set(self, normalisation: Normalisation) -> ImageSet:
        labels = torch.from_numpy(self.labels)
        if self.decoded.pixels is not None:
            return resident(torch.from_numpy(self.decoded.pixels), labels, normalisation)
        size, in_chans = self.decoded.image_size, self.decoded.in_chans
        return StreamedImages(ImageFiles(self.paths, size, in_chans), labels, normalisation)


@dataclass(frozen=True)
class _Reader:
    """Reads listings; corrupt files are an error, or are left out."""

    classes: tuple[str, ...]
    cache: DecodedCache
    skip_corrupt: bool

    def read(self, listing: Listing, image_size: int | None, in_chans: int | None) -> _Read:
        decoded = self.cache.decode(listing, image_size, in_chans)
        if decoded.corrupt and not self.skip_corrupt:
            raise _corrupt(listing, decoded.corrupt)
        kept = np.array([i for i in range(len(listing.files)) if i not in decoded.corrupt])
        sound = listing.take(kept)
        lost = sorted(set(listing.labels.tolist()) - set(sound.labels.tolist()))
        if lost:
            names = ", ".join(self.classes[label] for label in lost)
            raise DataError(
                f"Every image of these classes in {listing.root} is corrupt: {names}.",
                hint="Replace the images, or remove the classes.",
            )
        return _Read(decoded, sound.labels, [each.path for each in sound.files])


def _corrupt(listing: Listing, corrupt: dict[int, str]) -> DataError:
    names = listing.names()
    named = [f"{names[i]} ({reason})" for i, reason in list(corrupt.items())[:_NAMED_FAULTS]]
    more = len(corrupt) - len(named)
    return DataError(
        f"{len(corrupt)} of {len(names)} images in {listing.root} are corrupt: {', '.join(named)}"
        + (f" and {more} more." if more else "."),
        hint="Replace or delete them, or leave them out with --skip-corrupt (skip_corrupt=True).",
    )
