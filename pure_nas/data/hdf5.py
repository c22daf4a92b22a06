"""Images and labels in one HDF5 file, read a few images at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import Pixels
from pure_nas.errors import DataError

_SLAB_BYTES = 2**25
_MOST_BYTES = 2**28

# What h5py raises on files that are not what they should be; reading a damaged chunk is an OSError too.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError)


@dataclass(frozen=True)
class Hdf5Images:
    """A file with square images (N, S, S, C), uint8, and their labels (N,), whole numbers.

    Attributes:
        path: of the file.
        images: key of the images.
        labels: key of the labels.
        shape: (S, S, C) of an image.
        hint: the way out where the file cannot be used.
    """

    path: Path
    images: str
    labels: str
    shape: tuple[int, int, int]
    hint: str

    def read_labels(self, classes: int) -> NDArray[np.int64]:
        """The labels, (N,); the file is checked, but no image is read.

        Raises:
            DataError: the file is damaged or cut short, lacks a key, or holds something else.
        """
        with self._opened() as file:
            images, labels = (self._dataset(file, key) for key in (self.images, self.labels))
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.shape:
                wanted = ", ".join(str(each) for each in self.shape)
                raise self._unusable(
                    f'"{self.images}" must be uint8 of shape (N, {wanted}), but is {images.dtype} {images.shape}'
                )
            if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
                raise self._unusable(
                    f'"{self.labels}" must hold {len(images):,} whole numbers, one for each image, but is '
                    f"{labels.dtype} {labels.shape}"
                )
            if not len(labels):
                raise self._unusable(f'"{self.images}" has no images')
            self._require_small_chunks(images)
            values: NDArray[np.int64] = labels[:].astype(np.int64)
        if values.min() < 0 or values.max() >= classes:
            raise self._unusable(
                f'"{self.labels}" must lie in 0..{classes - 1}, but reaches from {values.min()} to {values.max()}'
            )
        return values

    def slabs(self) -> Iterator[Pixels]:
        """All images in order, (n, C, S, S) with n as many as a few chunks of the file hold.

        Raises:
            DataError: the file is damaged.
        """
        with self._opened() as file:
            images = self._dataset(file, self.images)
            rows = _rows_at_once(images)
            for start in range(0, len(images), rows):
                yield images[start : start + rows].transpose(0, 3, 1, 2)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self.path, "r", locking="best-effort") as file:
                yield file
        except DataError:
            raise
        except _DAMAGE as error:
            reason = " ".join(str(error).split())
            what = "is cut short" if "truncated file" in reason else "is damaged, or no HDF5 file"
            raise DataError(f"{self.path} {what}: {reason}.", hint=self.hint) from error

    def _dataset(self, file: h5py.File, key: str) -> h5py.Dataset:
        found = file.get(key)
        if isinstance(found, h5py.Dataset):
            return found
        holds = ", ".join(f'"{name}"' for name in file) or "nothing"
        raise self._unusable(
            f'it has no array "{key}": it must hold "{self.images}" and "{self.labels}", but has {holds}'
        )

    def _require_small_chunks(self, images: h5py.Dataset) -> None:
        size = int(np.prod(images.chunks)) if images.chunks else 0
        if size > _MOST_BYTES:
            raise self._unusable(
                f'"{self.images}" is stored in pieces of {size / 2**20:,.0f} MiB, each of which would be read whole; '
                f"h5repack stores it in smaller ones"
            )

    def _unusable(self, fault: str) -> DataError:
        return DataError(f"{self.path} cannot be used: {fault}.", hint=self.hint)


def _rows_at_once(images: h5py.Dataset) -> int:
    """Images read at once: whole chunks, since each chunk is unpacked whole, as long as memory allows."""
    row = int(np.prod(images.shape[1:]))
    chunk = images.chunks[0] if images.chunks else 1
    if chunk * row > _MOST_BYTES:
        return max(1, _MOST_BYTES // row)
    return int(chunk * max(1, _SLAB_BYTES // (chunk * row)))
