"""What the loader of a dataset returns whose images need not fit in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.pixel_source import PixelSource
from pure_nas.errors import DataError


@dataclass(frozen=True, eq=False, kw_only=True)
class Opened:
    """Images that are ready to be read.

    Attributes:
        source: gives them; its size may be larger than what a network is shown, which is then the middle.
        digest: changes when the images change.
        corrupt: what is wrong with each image that is to be left out, by its position.
    """

    source: PixelSource
    digest: str
    corrupt: dict[int, str] = field(default_factory=dict)


Open = Callable[[int, NDArray[np.int64], bool], Opened]
"""From the size that a network is shown, the positions that will be read, and whether damaged images are left out."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LargeImages:
    """One part of a dataset: labels now, pixels when they are wanted.

    Attributes:
        labels: (N,), int64, each an index into `classes`.
        classes: the names of the classes.
        in_chans: 1 for grayscale, 3 for RGB.
        image_size: height and width that a network is shown where nothing else is asked for, pixels.
        open: makes the images ready. It raises `DataError` where they cannot be had.

    Raises:
        DataError: there are no labels, or one is no index into `classes`.
    """

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    in_chans: int
    image_size: int
    open: Open

    def __post_init__(self) -> None:
        low, high = (int(self.labels.min()), int(self.labels.max())) if len(self.labels) else (-1, -1)
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"Labels must lie in 0..{len(self.classes) - 1}, but reach from {low} to {high}."
                if len(self.labels)
                else "There are no images.",
                hint="The loader of this dataset has to change.",
            )
