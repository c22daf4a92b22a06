"""The images of the dataset "gratings"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas import Part, RawImages
from pure_nas_example.datasets import GRATINGS

CLASSES = ("added", "multiplied")
_SEEDS = {"train": 0, "test": 1}


def read(data_dir: Path, part: Part) -> RawImages:
    """Two gratings of random direction and wavelength an image; the same images every time."""
    del data_dir  # nothing is kept
    count = GRATINGS.train_size if part == "train" else GRATINGS.test_size
    generator = np.random.default_rng(_SEEDS[part])
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    images = np.stack([_image(CLASSES[label], GRATINGS.image_size, generator) for label in labels])
    return RawImages(images[:, None], labels, CLASSES)


def _image(kind: str, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    first, second = _grating(size, generator), _grating(size, generator)
    mixed = first + second if kind == "added" else first * second
    return np.rint(255 * mixed / mixed.max()).astype(np.uint8)


def _grating(size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Values from 0 to 1."""
    angle, phase = generator.uniform(0, 2 * np.pi, 2)
    rows, columns = np.mgrid[:size, :size] * generator.uniform(0.8, 2.0)
    return (1 + np.cos(rows * np.sin(angle) + columns * np.cos(angle) + phase)) / 2
