"""Image files to pixels, with Pillow, and pixels to another size."""

from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pure_nas.data import preprocessing
from pure_nas.data.preprocessing import in_mode, open_image, square, upright
from pure_nas.errors import DataError, reason

Pixels = NDArray[np.uint8]

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""The files that are images, as in torchvision."""

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_LARGE_PIXELS = 2**26
PILLOW_MODULES = r"PIL\."
_CHUNK = 256
_SCALED_AT_ONCE = 4096
_log = logging.getLogger(__name__)

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


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn an `OSError` into a `DataError` that says that `what` cannot be read."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"The {what} cannot be read: {reason(error)}.",
            hint="Check that the file is there and that you may read it.",
        ) from error


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """An image file whose damage, whenever it is met, is a `CorruptImageError`."""
    try:
        # Opening a very large image changes Pillow's limit for a moment, which is global.
        with _opening:
            image = open_image(io.BytesIO(data))
        with image:
            yield image
    except UnidentifiedImageError as error:
        raise CorruptImageError("not an image") from error
    except _DAMAGE as error:
        raise CorruptImageError(str(error) or type(error).__name__) from error


def probe_image(data: bytes) -> tuple[int, int, bool]:
    """Width and height in pixels, and whether there are no colours, by an image's header, or `CorruptImageError`."""
    with _opened(data) as image:
        return *image.size, image.mode in _GRAY_MODES


def decode_image(data: bytes, size: int, in_chans: int) -> Pixels:
    """The largest centred square of an image, scaled to (C, size, size); a `CorruptImageError` if it is damaged."""
    # Very large images take gigabytes, so threads take turns with them.
    with _opened(data) as opened, _large if opened.width * opened.height > _LARGE_PIXELS else nullcontext():
        return to_pixels(opened, size, in_chans)


def to_pixels(image: Image.Image, size: int, in_chans: int) -> Pixels:
    """An image of Pillow, upright and square, in gray or in colours: (C, size, size), uint8."""
    pixels = np.asarray(square(in_mode(upright(image), "L" if in_chans == 1 else "RGB"), size))
    return pixels[None] if in_chans == 1 else pixels.transpose(2, 0, 1)


def scaled(images: NDArray[np.uint8], size: int) -> Tensor:
    """(N, C, S, S) uint8 images at `size` pixels, antialiased."""
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    if size == pixels.shape[-1]:
        return pixels
    return torch.cat([preprocessing.scaled(chunk, size) for chunk in torch.split(pixels, _SCALED_AT_ONCE)])


def corrupt_among(
    positions: Sequence[int], check: Callable[[int], object], threads: int, *, progress_of: str = ""
) -> dict[int, str]:
    """Positions for which `check` raises `CorruptImageError`, ascending, and the reasons."""
    found: dict[int, str] = {}
    chunks = [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]

    def check_each(chunk: Sequence[int]) -> None:
        for position in chunk:
            try:
                check(position)
            except CorruptImageError as error:
                found[position] = str(error) or "damaged"

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for done, _ in enumerate(pool.map(check_each, chunks), 1):
            if progress_of and done * 10 // len(chunks) > (done - 1) * 10 // len(chunks):
                _log.info("%s: %d %%, %d damaged.", progress_of, done * 100 // len(chunks), len(found))
    return dict(sorted(found.items()))


@contextmanager
def pillow_warnings_counted() -> Iterator[None]:
    """Say in one line how often Pillow warned. Filters are the process's: the thread that starts others enters this."""
    heard: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.filterwarnings("always", module=PILLOW_MODULES)
            # Images of this size are read all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        ours = []
        for each in heard:
            if "PIL" in Path(each.filename).parts:
                ours.append(each)
            else:
                warnings.showwarning(each.message, each.category, each.filename, each.lineno)
        if ours:
            times = "once" if len(ours) == 1 else f"{len(ours):,} times"
            first = " ".join(str(ours[0].message).split()).rstrip(".")
            _log.info("Pillow warned %s about the images, first of: %s.", times, first)
