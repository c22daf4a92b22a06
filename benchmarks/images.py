"""Images for benchmarks and tests, also as they were decoded, for scripts that do not use pure-nas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.dataset import Dataset, ImageSource
from pure_nas.data.image_set import ImageSet, Normalisation


def load_dataset(dataset: str | Path, **options: Any) -> Dataset:
    """Load a dataset; `options` are further fields of `ImageSource`."""
    return ImageSource(dataset, **options)()


def write_images(dataset: Dataset, path: Path) -> None:
    """Write the training and validation images as the plain script reads them: the same split, decoded."""
    np.savez(
        path,
        train_images=pixels_of(dataset.train),
        train_labels=dataset.train.labels.numpy(),
        validation_images=pixels_of(dataset.validation),
        validation_labels=dataset.validation.labels.numpy(),
    )


def pixels_of(images: ImageSet) -> NDArray[np.uint8]:
    """(N, C, H, W) uint8 images of a set."""
    plain = images.normalised(Normalisation.none(len(images.normalisation.mean)))
    return np.concatenate([(batch * 255).round().byte().numpy() for batch, _ in plain.batches(1024)])
