"""Images and labels in one HDF5 file, read a few images at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import Pixels
from pure_nas.errors import DataError, reason

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
        hint: the way out where the file holds something else.
        repair: the way out where it is damaged.
    """

    path: Path
    images: str
    labels: str
    shape: tuple[int, int, int]
    hint: str
    repair: str

    def read_labels(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """The labels, (N,), indices into `classes`; the file is checked, but no image is read.

        Raises:
            DataError: the file is damaged or cut short, lacks a key or a class, or holds something else.
        """
        with self._opened() as file:
            images, labels = (self._dataset(file, key) for key in (self.images, self.labels))
            fault = self._form_fault(images, labels)
            if fault:
                raise self._unusable(fault)
            values: NDArray[np.int64] = labels[:].astype(np.int64)
        fault = self._label_fault(values, classes)
        if fault:
            raise self._unusable(fault)
        return values

    def _form_fault(self, images: h5py.Dataset, labels: h5py.Dataset) -> str:
        """What is wrong with the types, shapes and pieces of the arrays; empty where nothing is."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.shape:
            wanted = ", ".join(str(each) for each in self.shape)
            return f'"{self.images}" must be uint8 of shape (N, {wanted}), but is {images.dtype} {images.shape}'
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            return (
                f'"{self.labels}" must hold {len(images):,} whole numbers, one for each image, but is '
                f"{labels.dtype} {labels.shape}"
            )
        if not len(labels):
            return f'"{self.images}" has no images'
        piece = int(np.prod(images.chunks)) if images.chunks else 0
        if piece > _MOST_BYTES:
            return (
                f'"{self.images}" is stored in pieces of {piece / 2**20:,.0f} MiB, each of which would be read whole; '
                f"h5repack stores it in smaller ones"
            )
        return ""

    def _label_fault(self, values: NDArray[np.int64], classes: Sequence[str]) -> str:
        if values.min() < 0 or values.max() >= len(classes):
            return (
                f'"{self.labels}" must lie in 0..{len(classes) - 1}, but reaches from {values.min()} to {values.max()}'
            )
        lost = sorted(set(range(len(classes))) - set(values.tolist()))
        if lost:
            names = ", ".join(f"{classes[label]} ({label})" for label in lost)
            return f'"{self.labels}" must have images of all {len(classes)} classes, but has none of: {names}'
        return ""

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
        except PermissionError as error:
            raise DataError(f"{self.path} cannot be read: permission denied.", hint="Check its permissions.") from error
        except _DAMAGE as error:
            what = "is cut short" if "truncated file" in str(error) else "is damaged, or no HDF5 file"
            raise DataError(f"{self.path} {what}: {reason(error)}.", hint=self.repair) from error

    def _dataset(self, file: h5py.File, key: str) -> h5py.Dataset:
        found = file.get(key)
        if isinstance(found, h5py.Dataset):
            return found
        if key in list(file):
            what = "a link that leads nowhere" if found is None else f"a {type(found).__name__.lower()}"
            raise self._unusable(f'"{key}" must be an array, but is {what}')
        holds = ", ".join(f'"{name}"' for name in file) or "nothing"
        raise self._unusable(
            f'it has no array "{key}": it must hold "{self.images}" and "{self.labels}", but has {holds}'
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
