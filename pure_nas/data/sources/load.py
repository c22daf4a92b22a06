"""`load_dataset`: from a name or a folder to a `Dataset`; the pixels of a named one are held in memory or streamed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pure_nas.data import decoded
from pure_nas.data.dataset import Choice, Dataset, Images, require_every_class
from pure_nas.data.decode import in_threads, pillow_warnings_counted, scaled
from pure_nas.data.decoded import SMALLEST_IMAGE, pixel_digest
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.raw_images import EncodedImages, LargeImages, PixelSource, RawImages
from pure_nas.data.resident import resident
from pure_nas.data.sources.catalogue import dataset_names, default_data_dir, get_spec
from pure_nas.data.sources.folder import load_folder
from pure_nas.data.sources.spec import DatasetSpec
from pure_nas.data.split import Positions
from pure_nas.data.streamed import StreamedImages, usual_workers
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import expanded


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
    choice = Choice(seed=seed, validation=validation, limit=limit, image_size=image_size)
    directory = default_data_dir() if data_dir is None else expanded(data_dir)
    if isinstance(name_or_path, str) and name_or_path in dataset_names():
        return _load_named(get_spec(name_or_path), directory, choice, skip_corrupt=skip_corrupt)
    path = expanded(name_or_path)
    if isinstance(name_or_path, str) and os.path.basename(name_or_path) == name_or_path and not os.path.exists(path):
        get_spec(name_or_path)  # raises: a word that is no folder was meant as a name
    return load_folder(path, directory, choice, skip_corrupt=skip_corrupt)


def _load_named(spec: DatasetSpec, data_dir: Path, choice: Choice, *, skip_corrupt: bool) -> Dataset:
    raw = spec.read(data_dir, "train")
    read = _read(raw, choice.limited(raw.labels), choice.image_size, skip_corrupt=skip_corrupt)
    count, usual = len(read.labels), spec.validation
    train, validation = choice.split(
        read.labels, round(usual * count) if isinstance(usual, float) else min(usual, count // 10)
    )
    size = read.images.image_size
    return Images(
        name=spec.name,
        classes=raw.classes,
        in_chans=raw.in_chans,
        image_size=size,
        flip=spec.flip,
        turns=spec.turns,
        whole=read.images,
        digest=read.digest,
        skipped=read.skipped,
        decoded_size=read.decoded_size,
        test_size=spec.test_size,
        load_test=partial(_load_test, spec, data_dir, raw.classes, raw.in_chans, size, skip_corrupt),
    ).split(train, validation, choice.seed)


def _load_test(
    spec: DatasetSpec,
    data_dir: Path,
    classes: tuple[str, ...],
    in_chans: int,
    size: int,
    skip_corrupt: bool,
    normalisation: Normalisation,
) -> ImageSet:
    raw = spec.read(data_dir, "test")
    if raw.classes != classes or raw.in_chans != in_chans:
        raise DataError(
            f"The test part of {spec.name} does not match its train part: {len(raw.classes)} classes and "
            f"{raw.in_chans} channels, not {len(classes)} and {in_chans}.",
            hint="The loader of this dataset has to change.",
        )
    every = np.arange(len(raw.labels))
    return _read(raw, every, size, skip_corrupt=skip_corrupt).images.normalised(normalisation)


@dataclass(frozen=True, eq=False)
class _Read:
    """Images of one part, in memory if they fit, without `skipped` corrupt ones; `decoded_size` is as in `Dataset`."""

    labels: Positions
    images: ImageSet
    digest: str
    skipped: int = 0
    decoded_size: int | None = None


def _read(raw: RawImages | LargeImages, chosen: Positions, size: int | None, *, skip_corrupt: bool) -> _Read:
    if isinstance(raw, LargeImages):
        return _opened(raw, chosen, size or raw.image_size, skip_corrupt=skip_corrupt)
    pixels, labels = scaled(raw.images[chosen], size), raw.labels[chosen]
    images = resident(pixels, torch.from_numpy(labels), Normalisation.none(raw.in_chans))
    native = int(raw.images.shape[-1])
    decoded_size = native if native != pixels.shape[-1] else None
    return _Read(labels, images, pixel_digest(pixels.numpy()), decoded_size=decoded_size)


def _opened(raw: LargeImages, chosen: Positions, size: int, *, skip_corrupt: bool) -> _Read:
    opened = raw.open(size, chosen, skip_corrupt)
    source = opened.source
    kept = chosen[~np.isin(chosen, list(opened.corrupt))]
    labels = raw.labels[kept]
    require_every_class(raw.classes, raw.labels[chosen], labels, hint="Replace the images.")
    plain, of_kept = Normalisation.none(source.in_chans), torch.from_numpy(labels)
    images: ImageSet
    if len(kept) * source.in_chans * source.size**2 <= decoded.RESIDENT_BYTES:
        images = resident(_held(source, kept), of_kept, plain, image_size=size)
    else:
        images = StreamedImages(source, of_kept, plain, positions=torch.from_numpy(kept), image_size=size)
    # Encoded images are decoded at the stored size. Other sources have images of one size, which they scale.
    scales = not isinstance(source, EncodedImages) and size == source.size != raw.image_size
    return _Read(labels, images, opened.digest, len(chosen) - len(kept), raw.image_size if scales else None)


def _held(source: PixelSource, positions: Positions) -> Tensor:
    """(N, C, S, S), uint8: the images at `positions`, read in threads."""
    pixels = np.empty((len(positions), source.in_chans, source.size, source.size), dtype=np.uint8)

    def read(row: int) -> None:
        pixels[row] = source.pixels(int(positions[row]))

    with pillow_warnings_counted():
        in_threads(read, range(len(positions)), usual_workers())
    return torch.from_numpy(pixels)
