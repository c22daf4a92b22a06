"""Datasets that have a name: their loader gives pixels, which are held in memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pure_nas.data.dataset import Choice, Dataset, Images, unnormalised
from pure_nas.data.decoded import pixel_digest
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.resident import resident
from pure_nas.data.spec import DatasetSpec
from pure_nas.errors import DataError

_CHUNK = 4096


def load_named(spec: DatasetSpec, data_dir: Path, choice: Choice) -> Dataset:
    """Load the train part of a named dataset and split validation images off it.

    Raises:
        UsageError: the choice cannot be met.
        DataError: the images are absent or damaged.
    """
    raw = spec.read(data_dir, "train")
    chosen = choice.limited(raw.labels)
    labels = raw.labels[chosen]
    train, validation = choice.split(labels, _usual_validation(spec, len(labels)))
    pixels = _scaled(raw.images[chosen], choice.image_size)
    size = pixels.shape[-1]
    in_chans = pixels.shape[1]
    return Images(
        name=spec.name,
        classes=raw.classes,
        in_chans=in_chans,
        image_size=size,
        flip=spec.flip,
        whole=resident(pixels, torch.from_numpy(labels), unnormalised(in_chans)),
        digest=pixel_digest(pixels.numpy()),
        load_test=partial(_load_test, spec, data_dir, raw.classes, tuple(pixels.shape[1:])),
    ).split(train, validation, choice.seed)


def _usual_validation(spec: DatasetSpec, count: int) -> int:
    if isinstance(spec.validation, float):
        return round(spec.validation * count)
    return min(spec.validation, count // 10)


def _load_test(
    spec: DatasetSpec, data_dir: Path, classes: tuple[str, ...], shape: tuple[int, ...], norm: Normalisation
) -> ImageSet:
    raw = spec.read(data_dir, "test")
    if raw.classes != classes or raw.images.shape[1] != shape[0]:
        raise DataError(
            f"The test part of {spec.name} does not match its train part: {len(raw.classes)} classes and "
            f"{raw.images.shape[1]} channels, not {len(classes)} and {shape[0]}.",
            hint="The loader of this dataset has to change.",
        )
    return resident(_scaled(raw.images, shape[-1]), torch.tensor(raw.labels), norm)


def _scaled(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: int | None) -> Tensor:
    """(N, C, H, W) uint8 images at `size` pixels, antialiased; None leaves them as they are."""
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    if size is None or size == pixels.shape[-1]:
        return pixels
    chunks = [
        F.interpolate(chunk, (size, size), mode="bilinear", antialias=True) for chunk in torch.split(pixels, _CHUNK)
    ]
    return torch.cat(chunks)
