"""Undecorated images: what a dataset's loader returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pure_nas.errors import DataError


@dataclass(frozen=True, eq=False)
class RawImages:
    """One part of a dataset, in memory.

    Attributes:
        images: (N, C, H, W), uint8, square.
        labels: (N,), int64, each an index into `classes`.
        classes: the names of the classes.

    Raises:
        DataError: shapes, types or labels break these rules.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise DataError(f"Images cannot be used: {fault}.", hint="The loader of this dataset has to change.")

    def _fault(self) -> str:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[2] != shape[3]:
            return f"they must be uint8 of shape (N, C, H, W) with H = W, but are {self.images.dtype} {shape}"
        if self.labels.dtype != np.int64 or self.labels.shape != shape[:1]:
            return f"labels must be int64 of shape ({shape[0]},), but are {self.labels.dtype} {self.labels.shape}"
        if not len(self.labels):
            return "there are none"
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            return f"labels must lie in 0..{len(self.classes) - 1}, but reach from {low} to {high}"
        return ""
