"""Datasets that have a name: their loader gives pixels, which are held in memory or streamed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pure_nas.data import decoded
from pure_nas.data.dataset import Choice, Dataset, Images, unnormalised
from pure_nas.data.decoded import pixel_digest
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.large import LargeImages
from pure_nas.data.pillow_warnings import counted
from pure_nas.data.pixel_source import EncodedImages, PixelSource
from pure_nas.data.resident import resident
from pure_nas.data.scaling import scaled
from pure_nas.data.sources.raw import RawImages
from pure_nas.data.sources.spec import DatasetSpec
from pure_nas.data.split import Positions
from pure_nas.data.streamed import StreamedImages, usual_workers
from pure_nas.errors import DataError


def load_named(spec: DatasetSpec, data_dir: Path, choice: Choice, *, skip_corrupt: bool) -> Dataset:
    """Load the train part of a named dataset and split validation images off it.

    Raises:
        UsageError: the choice cannot be met.
        DataError: the images are absent or damaged.
    """
    raw = spec.read(data_dir, "train")
    read = _read(raw, choice.limited(raw.labels), choice.image_size, skip_corrupt=skip_corrupt)
    train, validation = choice.split(read.labels, _usual_validation(spec, len(read.labels)))
    in_chans, size = _channels(raw), read.images.image_size
    return Images(
        name=spec.name,
        classes=raw.classes,
        in_chans=in_chans,
        image_size=size,
        flip=spec.flip,
        turns=spec.turns,
        whole=read.images,
        digest=read.digest,
        skipped=read.skipped,
        decoded_size=read.decoded_size,
        test_size=spec.test_size,
        load_test=partial(_load_test, spec, data_dir, raw.classes, in_chans, size, skip_corrupt),
    ).split(train, validation, choice.seed)


@dataclass(frozen=True, eq=False)
class _Read:
    """Images of one part with their labels; `skipped` damaged ones are left out. What fits is held in memory.

    `decoded_size` is as in `Dataset`.
    """

    labels: Positions
    images: ImageSet
    digest: str
    skipped: int = 0
    decoded_size: int | None = None


def _read(raw: RawImages | LargeImages, chosen: Positions, size: int | None, *, skip_corrupt: bool) -> _Read:
    if isinstance(raw, LargeImages):
        return _opened(raw, chosen, size or raw.image_size, skip_corrupt=skip_corrupt)
    pixels, labels = scaled(raw.images[chosen], size), raw.labels[chosen]
    images = resident(pixels, torch.from_numpy(labels), unnormalised(_channels(raw)))
    native = int(raw.images.shape[-1])
    decoded_size = native if native != pixels.shape[-1] else None
    return _Read(labels, images, pixel_digest(pixels.numpy()), decoded_size=decoded_size)


def _opened(raw: LargeImages, chosen: Positions, size: int, *, skip_corrupt: bool) -> _Read:
    opened = raw.open(size, chosen, skip_corrupt)
    kept = chosen[~np.isin(chosen, list(opened.corrupt))]
    labels = raw.labels[kept]
    lost = sorted(set(raw.labels[chosen].tolist()) - set(labels.tolist()))
    if lost:
        names = ", ".join(raw.classes[label] for label in lost)
        raise DataError(f"Every image of these classes is corrupt: {names}.", hint="Replace the images.")
    # Files are decoded to the size that is held. Other sources have images of one size, which they scale.
    scales = not isinstance(opened.source, EncodedImages) and size == opened.source.size != raw.image_size
    return _Read(
        labels,
        _image_set(opened.source, kept, labels, size),
        opened.digest,
        len(chosen) - len(kept),
        raw.image_size if scales else None,
    )


def _channels(raw: RawImages | LargeImages) -> int:
    return raw.in_chans if isinstance(raw, LargeImages) else int(raw.images.shape[1])


def _image_set(source: PixelSource, positions: Positions, labels: Positions, size: int) -> ImageSet:
    plain = unnormalised(source.in_chans)
    if len(positions) * source.in_chans * source.size**2 <= decoded.RESIDENT_BYTES:
        return resident(_held(source, positions), torch.from_numpy(labels), plain, image_size=size)
    return StreamedImages(
        source, torch.from_numpy(labels), plain, positions=torch.from_numpy(positions), image_size=size
    )


def _held(source: PixelSource, positions: Positions) -> Tensor:
    """(N, C, S, S), uint8: the images at `positions`, read in threads."""
    pixels = np.empty((len(positions), source.in_chans, source.size, source.size), dtype=np.uint8)

    def read(row: int) -> None:
        pixels[row] = source.pixels(int(positions[row]))

    pool = ThreadPoolExecutor(max_workers=max(1, usual_workers()))
    try:
        with counted():
            list(pool.map(read, range(len(positions))))  # raises what a read has raised
    finally:
        pool.shutdown(cancel_futures=True)
    return torch.from_numpy(pixels)


def _usual_validation(spec: DatasetSpec, count: int) -> int:
    if isinstance(spec.validation, float):
        return round(spec.validation * count)
    return min(spec.validation, count // 10)


def _load_test(
    spec: DatasetSpec,
    data_dir: Path,
    classes: tuple[str, ...],
    in_chans: int,
    size: int,
    skip_corrupt: bool,
    norm: Normalisation,
) -> ImageSet:
    raw = spec.read(data_dir, "test")
    channels = _channels(raw)
    if raw.classes != classes or channels != in_chans:
        raise DataError(
            f"The test part of {spec.name} does not match its train part: {len(raw.classes)} classes and "
            f"{channels} channels, not {len(classes)} and {in_chans}.",
            hint="The loader of this dataset has to change.",
        )
    every = np.arange(len(raw.labels))
    return _read(raw, every, size, skip_corrupt=skip_corrupt).images.normalised(norm)
