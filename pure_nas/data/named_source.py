"""Datasets that have a name: their loader gives pixels, which are held in memory or streamed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
from pure_nas.data.pixel_source import PixelSource
from pure_nas.data.raw import RawImages
from pure_nas.data.resident import resident
from pure_nas.data.scaling import scaled
from pure_nas.data.spec import DatasetSpec
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
    chosen = choice.limited(raw.labels)
    if isinstance(raw, LargeImages):
        return _large(spec, raw, data_dir, chosen, choice, skip_corrupt=skip_corrupt)
    labels = raw.labels[chosen]
    train, validation = choice.split(labels, _usual_validation(spec, len(labels)))
    pixels = scaled(raw.images[chosen], choice.image_size)
    size = pixels.shape[-1]
    in_chans = pixels.shape[1]
    return Images(
        name=spec.name,
        classes=raw.classes,
        in_chans=in_chans,
        image_size=size,
        flip=spec.flip,
        turns=spec.turns,
        whole=resident(pixels, torch.from_numpy(labels), unnormalised(in_chans)),
        digest=pixel_digest(pixels.numpy()),
        load_test=partial(_load_test, spec, data_dir, raw.classes, in_chans, size, skip_corrupt),
    ).split(train, validation, choice.seed)


def _large(
    spec: DatasetSpec, raw: LargeImages, data_dir: Path, chosen: Positions, choice: Choice, *, skip_corrupt: bool
) -> Dataset:
    size = choice.image_size or raw.image_size
    read = _Read(raw, chosen, size, skip_corrupt=skip_corrupt)
    train, validation = choice.split(read.labels, _usual_validation(spec, len(read.labels)))
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
        load_test=partial(_load_test, spec, data_dir, raw.classes, raw.in_chans, size, skip_corrupt),
    ).split(train, validation, choice.seed)


class _Read:
    """Opened images of which the damaged ones are left out; those that fit are held in memory."""

    def __init__(self, raw: LargeImages, chosen: Positions, size: int, *, skip_corrupt: bool) -> None:
        opened = raw.open(size, chosen, skip_corrupt)
        kept = chosen[~np.isin(chosen, list(opened.corrupt))]
        self.labels = raw.labels[kept]
        self.digest = opened.digest
        self.skipped = len(chosen) - len(kept)
        lost = sorted(set(raw.labels[chosen].tolist()) - set(self.labels.tolist()))
        if lost:
            names = ", ".join(raw.classes[label] for label in lost)
            raise DataError(f"Every image of these classes is corrupt: {names}.", hint="Replace the images.")
        self.images = _image_set(opened.source, kept, self.labels, size)


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
    channels = raw.in_chans if isinstance(raw, LargeImages) else raw.images.shape[1]
    if raw.classes != classes or channels != in_chans:
        raise DataError(
            f"The test part of {spec.name} does not match its train part: {len(raw.classes)} classes and "
            f"{channels} channels, not {len(classes)} and {in_chans}.",
            hint="The loader of this dataset has to change.",
        )
    if isinstance(raw, RawImages):
        return resident(scaled(raw.images, size), torch.tensor(raw.labels), norm)
    every = np.arange(len(raw.labels))
    return _Read(raw, every, size, skip_corrupt=skip_corrupt).images.normalised(norm)
