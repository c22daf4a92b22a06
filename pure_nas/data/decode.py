"""Image files to pixels, with Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pure_nas.errors import DataError

Pixels = NDArray[np.uint8]

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""The files that are images, as in torchvision."""

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})

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
        raise DataError(
            f"The image {path} cannot be read: {error.strerror or error}.",
            hint="Check that the file is there and that you may read it.",
        ) from error


def probe_image(data: bytes) -> Probe:
    """Read an image's header.

    Raises:
        CorruptImageError: there is none.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return Probe(*image.size, gray=image.mode in _GRAY_MODES)
    except _DAMAGE as error:
        raise CorruptImageError(_reason(error)) from error


def decode_image(data: bytes, size: int, in_chans: int) -> Pixels:
    """Decode an image, cut its largest centred square, and scale that to `size` (antialiased, bilinear).

    Cameras' orientation marks are obeyed, transparent pixels show white, 16-bit values are divided by 257.

    Args:
        data: the contents of an image file.
        size: height and width of the result, pixels.
        in_chans: 1 for grayscale, 3 for RGB.

    Returns:
        (C, size, size), uint8.

    Raises:
        CorruptImageError: the file is damaged, or of a kind that has no 8-bit form.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            ImageOps.exif_transpose(opened, in_place=True)
            image = _to_mode(opened, "L" if in_chans == 1 else "RGB")
            pixels = np.asarray(_square(image, size))
    except _DAMAGE as error:
        raise CorruptImageError(_reason(error)) from error
    return pixels[None] if in_chans == 1 else pixels.transpose(2, 0, 1)


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        # Pillow would clip 16-bit values at 255 instead of scaling them.
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == mode else image.convert(mode)


def _square(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    if width == height == size:
        return image
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return str(error) or type(error).__name__
