"""Sources of images that are read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from pure_nas.data.decode import CorruptImageError, Pixels, decode_image, too_large
from pure_nas.errors import DataError


class PixelSource(ABC):
    """Images that can be read in any order, also by worker processes; it is pickled for them.

    Args:
        size: height and width of the images, pixels.
        in_chans: 1 for grayscale, 3 for RGB.
    """

    decodes = True
    """Whether reading an image is slow enough for worker processes."""

    def __init__(self, size: int, in_chans: int) -> None:
        self.size = size
        self.in_chans = in_chans

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def pixels(self, position: int) -> Pixels:
        """One image, (C, size, size), uint8.

        Raises:
            DataError: it cannot be read; the message names it.
        """


class EncodedFiles(Protocol):
    """Encoded images such as JPEG or PNG, in files of their own or inside an archive."""

    def __len__(self) -> int: ...

    def name(self, position: int) -> str:
        """Where an image is, for messages."""

    def contents(self, position: int) -> bytes:
        """The bytes of an encoded image.

        Raises:
            DataError: they cannot be read.
        """


class EncodedImages(PixelSource):
    """Images that are decoded when they are read."""

    def __init__(self, files: EncodedFiles, size: int, in_chans: int) -> None:
        super().__init__(size, in_chans)
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def decoded(self, position: int) -> Pixels:
        """One image, as from `decode_image`.

        Raises:
            CorruptImageError: it is damaged.
            DataError: it cannot be read.
        """
        return decode_image(self._files.contents(position), self.size, self.in_chans)

    def pixels(self, position: int) -> Pixels:
        try:
            return self.decoded(position)
        except CorruptImageError as error:
            raise DataError(
                f"The image {self._files.name(position)} cannot be decoded: {error}.",
                hint="Restore the file, or leave out what is damaged with --skip-corrupt (skip_corrupt=True).",
            ) from error
        except MemoryError as error:
            raise too_large(self._files.name(position)) from error
