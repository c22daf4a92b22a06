"""Where streamed images come from, one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import CorruptImageError, Pixels, decode_image, read_bytes, too_large
from pure_nas.errors import DataError


class PixelSource(ABC):
    """Images that can be read in any order, also by worker processes, to which it is sent.

    Args:
        size: height and width of every image, pixels.
        in_chans: 1 for grayscale, 3 for RGB.
    """

    decodes = True
    """Whether reading an image takes so long that other processes should do it."""

    def __init__(self, size: int, in_chans: int) -> None:
        self.size = size
        self.in_chans = in_chans

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are."""

    @abstractmethod
    def pixels(self, position: int) -> Pixels:
        """The image at a position, (C, size, size), uint8.

        Raises:
            DataError: it cannot be read; the message names it.
        """


class EncodedImages(PixelSource):
    """Images in files of their own, or in a part of an archive: JPEG, PNG and the like."""

    @abstractmethod
    def name(self, position: int) -> str:
        """Where the image at a position is, for people."""

    @abstractmethod
    def contents(self, position: int) -> bytes:
        """The contents of its file.

        Raises:
            DataError: they cannot be read, which says nothing about the image in it.
        """

    def decoded(self, position: int) -> Pixels:
        """The image at a position, as from `decode_image`.

        Raises:
            CorruptImageError: it is damaged.
            DataError: it cannot be read.
        """
        return decode_image(self.contents(position), self.size, self.in_chans)

    def pixels(self, position: int) -> Pixels:
        try:
            return self.decoded(position)
        except CorruptImageError as error:
            raise DataError(
                f"The image {self.name(position)} cannot be decoded: {error}.",
                hint="Restore the file, or leave out what is damaged with --skip-corrupt (skip_corrupt=True).",
            ) from error
        except MemoryError as error:
            raise too_large(self.name(position)) from error


class ImageFiles(EncodedImages):
    """Image files anywhere.

    Args:
        paths: of the files.
    """

    def __init__(self, paths: Sequence[Path], size: int, in_chans: int) -> None:
        super().__init__(size, in_chans)
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, position: int) -> str:
        return str(self._paths[position])

    def contents(self, position: int) -> bytes:
        return read_bytes(self._paths[position])


class SomePixels(PixelSource):
    """Some images of another source, in another order.

    Args:
        source: that has them.
        positions: (N,), int64, of its images.
    """

    def __init__(self, source: PixelSource, positions: NDArray[np.int64]) -> None:
        super().__init__(source.size, source.in_chans)
        self.decodes = source.decodes
        self._source = source
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def pixels(self, position: int) -> Pixels:
        return self._source.pixels(int(self._positions[position]))
