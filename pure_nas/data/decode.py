"""Image files to pixels, with Pillow."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pure_nas.data.preprocessing import in_mode, open_image, square, upright
from pure_nas.errors import DataError, reason

Pixels = NDArray[np.uint8]

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""The files that are images, as in torchvision."""

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_LARGE_PIXELS = 2**26

_opening = threading.Lock()
_large = threading.Lock()

# What Pillow's readers raise on damaged files of the formats above.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class CorruptImageError(Exception):
    """A file that is no image, or is a damaged one; its text is the reason."""


@dataclass(frozen=True)
class Probe:
    """What an image's header says: width and height in pixels, and whether it has no colours."""

    width: int
    height: int
    gray: bool


def read_bytes(path: Path) -> bytes:
    """The contents of a file.

    Raises:
        DataError: it cannot be read, which says nothing about the image in it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(f"image {path}", error) from error


def probe_image(data: bytes) -> Probe:
    """Read an image's header.

    Raises:
        CorruptImageError: there is none.
    """
    try:
        with _opened(data) as image:
            return Probe(*image.size, gray=image.mode in _GRAY_MODES)
    except _DAMAGE as error:
        raise CorruptImageError(_fault(error)) from error


def decode_image(data: bytes, size: int, in_chans: int) -> Pixels:
    """Decode an image, cut its largest centred square, and scale that to `size` (antialiased, bilinear).

    Cameras' orientation marks are obeyed, transparent pixels show white, and pixels of more than 8 bits are scaled by
    the bits that the image uses; `pure_nas.data.preprocessing` has the rules.

    Args:
        data: the contents of an image file.
        size: height and width of the result, pixels.
        in_chans: 1 for grayscale, 3 for RGB.

    Returns:
        (C, size, size), uint8.

    Raises:
        CorruptImageError: the file is damaged, or of a kind that has no 8-bit form.
        MemoryError: the image is too large for the memory that is left.
    """
    try:
        with _opened(data) as opened, _turn(opened.width * opened.height):
            image = in_mode(upright(opened), "L" if in_chans == 1 else "RGB")
            pixels = np.asarray(square(image, size))
    except _DAMAGE as error:
        raise CorruptImageError(_fault(error)) from error
    return pixels[None] if in_chans == 1 else pixels.transpose(2, 0, 1)


def unreadable(file: str, error: OSError) -> DataError:
    """The error for a file, named for people, that the system does not let be read."""
    return DataError(
        f"The {file} cannot be read: {reason(error)}.",
        hint="Check that the file is there and that you may read it.",
    )


def too_large(image: object) -> DataError:
    """The error for an image, named for people, whose decoding takes more memory than there is."""
    return DataError(
        f"Memory does not suffice to decode the image {image}.",
        hint="Close other programs, or replace the image with a smaller copy.",
    )


def _opened(data: bytes) -> Image.Image:
    # Opening a very large image changes Pillow's limit for a moment, which is global.
    with _opening:
        return open_image(io.BytesIO(data))


def _turn(pixels: int) -> AbstractContextManager[object]:
    """What to hold while so many pixels are decoded: very large images take gigabytes, so threads take turns."""
    return _large if pixels > _LARGE_PIXELS else nullcontext()


def _fault(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return str(error) or type(error).__name__
