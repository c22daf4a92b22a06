"""A listing of image files decoded: to pixels where they fit in memory, to a checked list where they do not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from pure_nas.data.decode import CorruptImageError, Pixels, Probe, decode_image, probe_image, read_bytes, too_large
from pure_nas.data.listing import Listing
from pure_nas.data.pillow_warnings import counted
from pure_nas.errors import DataError

T = TypeVar("T")

RESIDENT_BYTES = 2**30
"""Sets whose pixels take no more than this are held in memory; larger ones are streamed from their files."""

_CHUNK = 256
_MOST_THREADS = 16
_LARGEST_NATIVE = 64
_LARGEST_AUTOMATIC = 224
SMALLEST_IMAGE = 8


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """What reading every file of a listing gave.

    Attributes:
        image_size: height and width, pixels.
        in_chans: 1 where every image is grayscale, else 3.
        digest: sha256 of the pixels where they are held, else of the files.
        corrupt: what is wrong with each file that cannot be decoded, by its place in the listing.
        pixels: (N, C, S, S), uint8, of the other files; None where they are too large together.
    """

    image_size: int
    in_chans: int
    digest: str
    corrupt: dict[int, str] = field(default_factory=dict)
    pixels: Pixels | None = None


@counted()
def decode_listing(listing: Listing, image_size: int | None, in_chans: int | None) -> DecodedImages:
    """Read every image once, in threads.

    Args:
        listing: the files.
        image_size: height and width of the result; None chooses: the size that all images share where they are
            squares of 8 to 64 pixels, else the median shorter side, rounded down to a multiple of 8, at most 224.
        in_chans: 1 or 3; None chooses 1 where every image is grayscale.

    Raises:
        DataError: a file cannot be read, no file is an image, or memory does not suffice for one.
    """
    paths = [each.path for each in listing.files]
    probes, corrupt = _split_failures(
        _in_threads(lambda row: _or_failure(probe_image, read_bytes(paths[row])), len(paths))
    )
    if not probes:
        raise _no_image(listing, corrupt)
    size = image_size or _choose_size(list(probes.values()))
    channels = in_chans or (1 if all(probe.gray for probe in probes.values()) else 3)
    sound = sorted(probes)
    pixels, digests, damaged = _decode_all([paths[i] for i in sound], size, channels)
    corrupt = dict(sorted((corrupt | {sound[i]: reason for i, reason in damaged.items()}).items()))
    if not digests:
        raise _no_image(listing, corrupt)
    if pixels is None:
        files = hashlib.sha256(b"".join(digests.values())).hexdigest()
        return DecodedImages(size, channels, files, corrupt)
    if damaged:
        pixels = pixels[sorted(digests)]
    return DecodedImages(size, channels, pixel_digest(pixels), corrupt, pixels)


def pixel_digest(pixels: Pixels) -> str:
    """sha256 of the shape and the values of C-contiguous `pixels`."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def _decode_all(
    paths: Sequence[Path], size: int, channels: int
) -> tuple[Pixels | None, dict[int, bytes], dict[int, str]]:
    """The pixels of all files where they fit, what `_decode_into` returned for sound ones, and what ails the others."""
    held = len(paths) * channels * size**2 <= RESIDENT_BYTES
    pixels = np.empty((len(paths), channels, size, size), dtype=np.uint8) if held else None
    results = _in_threads(lambda row: _decode_into(pixels, row, paths[row], size, channels), len(paths))
    return pixels, *_split_failures(results)


def _decode_into(pixels: Pixels | None, row: int, path: Path, size: int, channels: int) -> bytes | CorruptImageError:
    """Decode a file into its row; the file's sha256 is returned only where no pixels are kept."""
    data = read_bytes(path)
    try:
        image = _or_failure(lambda contents: decode_image(contents, size, channels), data)
    except MemoryError as error:
        raise too_large(path) from error
    if isinstance(image, CorruptImageError):
        return image
    if pixels is None:
        return hashlib.sha256(data).digest()
    pixels[row] = image
    return b""


def _or_failure(function: Callable[[bytes], T], data: bytes) -> T | CorruptImageError:
    try:
        return function(data)
    except CorruptImageError as error:
        return error


def _split_failures(results: Sequence[T | CorruptImageError]) -> tuple[dict[int, T], dict[int, str]]:
    sound = {i: each for i, each in enumerate(results) if not isinstance(each, CorruptImageError)}
    failures = {i: str(each) for i, each in enumerate(results) if isinstance(each, CorruptImageError)}
    return sound, failures


def _in_threads(function: Callable[[int], T], count: int) -> list[T]:
    """What `function` returns for 0, 1, ... `count` - 1; Pillow decodes outside Python's lock."""
    pool = ThreadPoolExecutor(max_workers=min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
        done = pool.map(lambda chunk: [function(row) for row in chunk], chunks)
        return [result for results in done for result in results]
    finally:
        pool.shutdown(cancel_futures=True)


def _choose_size(probes: Sequence[Probe]) -> int:
    shapes = {(probe.width, probe.height) for probe in probes}
    if len(shapes) == 1:
        width, height = next(iter(shapes))
        if width == height and SMALLEST_IMAGE <= width <= _LARGEST_NATIVE:
            return width
    median = int(np.median([min(probe.width, probe.height) for probe in probes]))
    return min(_LARGEST_AUTOMATIC, max(SMALLEST_IMAGE, median // 8 * 8))


def _no_image(listing: Listing, corrupt: dict[int, str]) -> DataError:
    first, reason = next(iter(corrupt.items()))
    return DataError(
        f"None of the {len(listing.files)} files in {listing.root} can be decoded, such as "
        f"{listing.names()[first]} ({reason}).",
        hint="Check that they are images.",
    )
