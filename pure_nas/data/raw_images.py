"""What the loader of a dataset returns for one part: pixels in memory, or a source that reads images one at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import CorruptImageError, Pixels, decode_image, scaled
from pure_nas.data.image_files import ImageFiles
from pure_nas.data.split import Positions
from pure_nas.errors import DataError

_HINT = "Fix the loader of this dataset."


@dataclass(frozen=True, eq=False)
class RawImages:
    """One part of a dataset, in memory; a `DataError` if shapes, types or labels break these rules."""

    images: NDArray[np.uint8]  # (N, C, H, W), square
    labels: Positions  # (N,), int64, each an index into `classes`
    classes: tuple[str, ...]  # their names

    def __post_init__(self) -> None:
        if fault := self._fault():
            raise DataError(f"Images cannot be used: {fault}.", hint=_HINT)

    @property
    def in_chans(self) -> int:
        """Channels of an image."""
        return int(self.images.shape[1])

    @property
    def image_size(self) -> int:
        """Height and width of an image, pixels."""
        return int(self.images.shape[2])

    def open(self, image_size: int, positions: Positions, _: bool) -> Opened:
        """As `LargeImages.open`."""
        pixels = scaled(self.images[positions], image_size).numpy()
        return Opened(source=pixels, digest=pixel_digest(pixels))

    def _fault(self) -> str:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[2] != shape[3]:
            return f"they must be uint8 of shape (N, C, H, W) with H = W, but are {self.images.dtype} {shape}"
        if self.labels.dtype != np.int64 or self.labels.shape != shape[:1]:
            return f"labels must be int64 of shape ({shape[0]},), but are {self.labels.dtype} {self.labels.shape}"
        return _label_fault(self.labels, self.classes) if len(self.labels) else "there are none"


class PixelSource(ABC):
    """Images of `size` x `size` pixels, read in any order, also by worker processes; it is pickled for them."""

    decodes = True  # whether reading an image is slow enough for worker processes

    def __init__(self, size: int, in_chans: int) -> None:
        self.size, self.in_chans = size, in_chans

    @abstractmethod
    def pixels(self, position: int) -> Pixels:
        """One image, (C, size, size), uint8, or a `DataError` that names it."""


class EncodedImages(PixelSource):
    """Images that are decoded when they are read."""

    def __init__(self, files: ImageFiles, size: int, in_chans: int) -> None:
        super().__init__(size, in_chans)
        self._files = files

    def decoded(self, position: int, data: bytes | None = None) -> Pixels:
        """One image, or its `data` where they were read, as from `decode_image`; a `DataError` if memory runs out."""
        try:
            return decode_image(data or self._files.contents(position), self.size, self.in_chans)
        except MemoryError as error:
            raise DataError(
                f"There is not enough memory to decode the image {self._files.name(position)}.",
                hint="Close other programs, or replace the image with a smaller copy.",
            ) from error

    def pixels(self, position: int) -> Pixels:
        try:
            return self.decoded(position)
        except CorruptImageError as error:
            raise DataError(
                f"The image {self._files.name(position)} cannot be decoded: {error}.",
                hint="Restore the file, or leave out what is damaged with --skip-corrupt (skip_corrupt=True).",
            ) from error


@dataclass(frozen=True, eq=False, kw_only=True)
class Opened:
    """Images that are ready to be read."""

    # If the images of a source are larger than what a network sees, it sees their centre. Or pixels (K, C, S, S) of
    # the images at the positions that were asked for, without the corrupt ones.
    source: PixelSource | Pixels
    digest: str  # changes with the images
    corrupt: dict[int, str] = field(default_factory=dict)  # reasons, by position, for leaving images out
    stream: bool = False  # whether images are read again for every batch even if they would fit in memory


@dataclass(frozen=True, eq=False, kw_only=True)
class LargeImages:
    """One part of a dataset whose images need not fit in memory: labels now, pixels when they are wanted."""

    labels: Positions  # (N,), int64, each an index into `classes`
    classes: tuple[str, ...]  # their names
    in_chans: int  # channels of an image; 0 if they are known only once the images are open
    image_size: int  # default height and width that a network sees, pixels; 0 if the images decide
    # Makes the images ready, or raises `DataError`; takes the size that a network sees, the positions that will be
    # read, and whether to leave out corrupt images.
    open: Callable[[int, Positions, bool], Opened]

    def __post_init__(self) -> None:
        fault = _label_fault(self.labels, self.classes) if len(self.labels) else "there are no images"
        if fault:
            raise DataError(f"{fault.capitalize()}.", hint=_HINT)


def pixel_digest(pixels: Pixels) -> str:
    """sha256 of the shape and the values of C-contiguous `pixels`."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def _label_fault(labels: Positions, classes: tuple[str, ...]) -> str:
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < len(classes):
        return ""
    return f"labels must be in 0..{len(classes) - 1}, but range from {low} to {high}"
