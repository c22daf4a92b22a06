"""`load_dataset`: from a name or a folder to a `Dataset`, whose pixels are held in memory or streamed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pure_nas.data import decoded
from pure_nas.data.dataset import Dataset, split_dataset
from pure_nas.data.decode import in_threads, pillow_warnings_counted, scaled
from pure_nas.data.decoded import SMALLEST_IMAGE, DecodedImages, decoded_once, pixel_digest
from pure_nas.data.image_files import ImageFiles, PassedOver, count_images, list_images
from pure_nas.data.image_set import ImageSet, Normalisation, resident
from pure_nas.data.raw_images import EncodedImages, LargeImages, PixelSource, RawImages
from pure_nas.data.sources.catalogue import DatasetSpec, dataset_names, default_data_dir, get_spec
from pure_nas.data.sources.folder_layout import FolderLayout, find_layout
from pure_nas.data.split import Positions, held_out_count, split_off_test, stratified_split
from pure_nas.data.streamed import StreamedPixels, usual_workers
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import expanded, require_utf8

_FOLDER_SHARE = 0.1
"""Of a folder's images, that are set aside for validation and, where it has no part for it, to test."""
_NAMED_FAULTS = 5


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
        count = held_out_count(self.validation, len(labels), what="validation")
        return stratified_split(labels, count, self.seed)


def _load_named(spec: DatasetSpec, data_dir: Path, choice: _Choice) -> Dataset:
    raw = spec.read(data_dir, "train")
    images, digest, skipped, decoded_size = _read(raw, choice.limited(raw.labels), choice)
    count, usual = len(images), spec.validation
    usual_count = round(usual * count) if isinstance(usual, float) else min(usual, count // 10)
    again = replace(choice, image_size=images.image_size)
    known = partial(
        Dataset,
        name=spec.name,
        classes=raw.classes,
        flip=spec.flip,
        turns=spec.turns,
        skipped=skipped,
        test_size=spec.test_size,
        decoded_size=decoded_size,
    )
    train, validation = choice.split(images.labels.numpy(), usual_count)
    load_test = partial(_load_named_test, spec, data_dir, raw.classes, raw.in_chans, again)
    return split_dataset(known, images, train, validation, seed=choice.seed, digest=digest, load_test=load_test)


def _load_named_test(
    spec: DatasetSpec,
    data_dir: Path,
    classes: tuple[str, ...],
    in_chans: int,
    choice: _Choice,
    normalisation: Normalisation,
) -> ImageSet:
    raw = spec.read(data_dir, "test")
    if raw.classes != classes or raw.in_chans != in_chans:
        raise DataError(
            f"The test part of {spec.name} does not match its train part: {len(raw.classes)} classes and "
            f"{raw.in_chans} channels, not {len(classes)} and {in_chans}.",
            hint="The loader of this dataset has to change.",
        )
    return _read(raw, np.arange(len(raw.labels)), choice)[0].normalised(normalisation)


def _read(raw: RawImages | LargeImages, chosen: Positions, choice: _Choice) -> tuple[ImageSet, str, int, int | None]:
    """Images in memory if they fit, their digest, how many corrupt ones are left out, and `Dataset.decoded_size`."""
    plain = Normalisation.none(raw.in_chans)
    if isinstance(raw, RawImages):
        pixels, native = scaled(raw.images[chosen], choice.image_size), int(raw.images.shape[-1])
        images = resident(pixels, torch.from_numpy(raw.labels[chosen]), plain)
        return images, pixel_digest(pixels.numpy()), 0, native if native != images.image_size else None
    size = choice.image_size or raw.image_size
    opened = raw.open(size, chosen, choice.skip_corrupt)
    source = opened.source
    kept = chosen[~np.isin(chosen, list(opened.corrupt))]
    _require_every_class(raw.classes, raw.labels[chosen], raw.labels[kept], hint="Replace the images.")
    labels = torch.from_numpy(raw.labels[kept])
    if len(kept) * source.in_chans * source.size**2 <= decoded.RESIDENT_BYTES:
        images = resident(_held(source, kept), labels, plain, image_size=size)
    else:
        streamed = StreamedPixels(source)
        images = ImageSet(streamed, labels, plain, positions=torch.from_numpy(kept), image_size=size)
    # Encoded images are decoded at the stored size. Other sources have images of one size, which they scale.
    scales = not isinstance(source, EncodedImages) and size == source.size != raw.image_size
    return images, opened.digest, len(chosen) - len(kept), raw.image_size if scales else None


def _held(source: PixelSource, positions: Positions) -> Tensor:
    """(N, C, S, S), uint8: the images at `positions`, read in threads."""
    pixels = np.empty((len(positions), source.in_chans, source.size, source.size), dtype=np.uint8)

    def read(row: int) -> None:
        pixels[row] = source.pixels(int(positions[row]))

    with pillow_warnings_counted():
        in_threads(read, range(len(positions)), usual_workers())
    return torch.from_numpy(pixels)


def _load_folder(root: Path, data_dir: Path, choice: _Choice) -> Dataset:
    """A folder of images, whose labels are assumed to survive flips and turns, which the recipe decides on."""
    layout, cache = find_layout(root), data_dir / "decoded"
    classes, passed_over = layout.classes, layout.passed_over
    for name in classes:
        require_utf8(name, "The name of the class")
    listing = list_images(layout.train, classes, passed_over)
    count = len(listing)
    if layout.whole:
        kept, test = split_off_test(listing.labels, _FOLDER_SHARE, at_least=1)
        listing, test_size = listing.take(kept), len(test)
    else:
        test_size = count_images(layout.test, classes, passed_over) if layout.test else 0
    # A tenth of the folder, test images included.
    share = _FOLDER_SHARE * count / len(listing)
    listing = listing.take(choice.limited(listing.labels))
    n_train = len(listing)
    if layout.validation is not None:
        if choice.validation is not None:
            raise UsageError(
                f"validation = {choice.validation!r} cannot be used: {layout.validation} holds the validation images.",
                hint="Leave it out, or move the images of that folder into train.",
            )
        more = list_images(layout.validation, classes, passed_over)
        names = np.concatenate([listing.names, more.names])
        listing = ImageFiles(root, names, np.concatenate([listing.labels, more.labels]))
    images, read = _read_listing(listing, classes, choice, None, cache)
    if layout.validation is None:
        train, validation = choice.split(images.labels.numpy(), round(share * n_train))
    else:
        n_train -= sum(position < n_train for position in read.corrupt)
        train, validation = np.arange(n_train), np.arange(n_train, len(images))
    again = replace(choice, image_size=read.image_size)
    known = partial(
        Dataset,
        name=root.resolve().name,
        classes=classes,
        flip=True,
        turns=True,
        skipped=len(read.corrupt),
        test_size=test_size,
        passed_over=passed_over.in_words(),
    )
    load_test = partial(_load_folder_test, root, layout, again, read.in_chans, cache) if test_size else None
    return split_dataset(known, images, train, validation, seed=choice.seed, digest=read.digest, load_test=load_test)


def _load_folder_test(
    root: Path, layout: FolderLayout, choice: _Choice, in_chans: int, cache: Path, normalisation: Normalisation
) -> ImageSet:
    listing = list_images(layout.test or layout.train, layout.classes, PassedOver(root))
    if layout.whole:
        listing = listing.take(split_off_test(listing.labels, _FOLDER_SHARE, at_least=1)[1])
    return _read_listing(listing, layout.classes, choice, in_chans, cache)[0].normalised(normalisation)


def _read_listing(
    listing: ImageFiles, classes: tuple[str, ...], choice: _Choice, in_chans: int | None, cache: Path
) -> tuple[ImageSet, DecodedImages]:
    """The files that are not corrupt; corrupt ones are an error unless they are to be skipped."""
    read = decoded_once(listing, choice.image_size, in_chans, cache)
    if read.corrupt and not choice.skip_corrupt:
        some = list(read.corrupt.items())[:_NAMED_FAULTS]
        named = ", ".join(f"{listing.relative(position)} ({reason})" for position, reason in some)
        more = len(read.corrupt) - _NAMED_FAULTS
        raise DataError(
            f"{len(read.corrupt)} of {len(listing)} images in {listing.root} are corrupt: {named}"
            + (f" and {more} more." if more > 0 else "."),
            hint="Replace or delete them, or leave them out with --skip-corrupt (skip_corrupt=True).",
        )
    sound = listing.take(np.array([i for i in range(len(listing)) if i not in read.corrupt]))
    hint = "Replace the images, or remove the classes."
    _require_every_class(classes, listing.labels, sound.labels, where=f" in {listing.root}", hint=hint)
    plain, labels = Normalisation.none(read.in_chans), torch.from_numpy(sound.labels)
    if read.pixels is not None:
        return resident(torch.from_numpy(read.pixels), labels, plain), read
    source = EncodedImages(sound, read.image_size, read.in_chans)
    return ImageSet(StreamedPixels(source), labels, plain), read


def _require_every_class(
    classes: tuple[str, ...], before: Positions, sound: Positions, *, where: str = "", hint: str
) -> None:
    """Raise `DataError` if a class has no images left once corrupt ones are skipped."""
    lost = sorted(set(before.tolist()) - set(sound.tolist()))
    if lost:
        names = ", ".join(classes[label] for label in lost)
        raise DataError(f"Every image of these classes{where} is corrupt: {names}.", hint=hint)
