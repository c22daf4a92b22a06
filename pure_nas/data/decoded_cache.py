"""Image files of a folder, decoded to pixels if they fit in memory and else checked one by one, and kept on disk.

What is kept is `<key>.json` and, where pixels are held, `<key>.npy`: the key is of names, sizes and modification times.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pure_nas.data.decode import Pixels, corrupt_among, pillow_warnings_counted, probe_image, readable
from pure_nas.data.disk_cache import keep, key_of, read_kept
from pure_nas.data.image_files import ImageFiles
from pure_nas.data.raw_images import EncodedImages, LargeImages, Opened, pixel_digest
from pure_nas.data.sources.registry import SMALLEST_IMAGE
from pure_nas.data.split import Positions
from pure_nas.errors import DataError
from pure_nas.files import digest_of_document
from pure_nas.quantities import some_of

RESIDENT_BYTES = 2**30
"""Sets whose pixels take no more than this are held in memory; larger ones are streamed from their files."""

_WHAT = "The file of decoded images"
_FORMAT = 3  # changes with how files are decoded
_MOST_THREADS = 16
_LARGEST_NATIVE = 64
_LARGEST_AUTOMATIC = 224
_NAMED = 5


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """The decoded images of a listing."""

    image_size: int
    in_chans: int
    digest: str  # sha256 of the pixels, or of the files if there are no pixels
    corrupt: dict[int, str]  # reasons why files cannot be decoded, by position in the listing
    pixels: Pixels | None = None  # (N, C, S, S) of the other files; None if they are too large for memory


def folder_images(files: ImageFiles, classes: tuple[str, ...], folder: Path, in_chans: int = 0) -> LargeImages:
    """Image files of a folder, whose decoded images are kept in `folder`; by default they decide `in_chans`."""

    def open_images(image_size: int, positions: Positions, skip_corrupt: bool) -> Opened:
        listing = files.take(positions)
        read = decoded_once(listing, image_size or None, in_chans or None, folder)
        if read.corrupt and not skip_corrupt:
            named = [f"{listing.relative(position)} ({reason})" for position, reason in read.corrupt.items()]
            raise DataError(
                f"{len(named)} of {len(listing)} images in {listing.root} are corrupt: {some_of(named, _NAMED)}.",
                hint="Replace or delete them, or leave them out with --skip-corrupt (skip_corrupt=True).",
            )
        corrupt = {int(positions[place]): reason for place, reason in read.corrupt.items()}
        source = EncodedImages(files, read.image_size, read.in_chans) if read.pixels is None else read.pixels
        return Opened(source=source, digest=read.digest, corrupt=corrupt, stream=True)

    return LargeImages(labels=files.labels, classes=classes, in_chans=in_chans, image_size=0, open=open_images)


def decoded_once(listing: ImageFiles, image_size: int | None, in_chans: int | None, folder: Path) -> DecodedImages:
    """The images of `decode_listing`, or what an earlier call has kept in `folder`."""
    facts = [_FORMAT, str(listing.root.resolve()), image_size, in_chans, RESIDENT_BYTES]
    files = []
    for position in range(len(listing)):
        with readable(f"image {listing.name(position)}"):
            status = os.stat(listing.name(position))
        files.append([listing.relative(position), status.st_size, status.st_mtime_ns])
    entry = folder / f"{key_of([facts, files])}.json"
    images = read_kept(entry, _read, _WHAT)
    if images is None:
        images = decode_listing(listing, image_size, in_chans)
        _keep(entry, images)
    return images


def decode_listing(listing: ImageFiles, image_size: int | None, in_chans: int | None) -> DecodedImages:
    """Read every image once, in threads.

    Args:
        image_size: height and width of the result (default: the size of the images if all are squares of one size from
            8 to 64 pixels, else their median shorter side, rounded down to a multiple of 8, at most 224).
        in_chans: 1 or 3 (default: 1 if every image is grayscale).
    """
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    probes: dict[int, tuple[int, int, bool]] = {}
    digests: dict[int, bytes] = {}

    def probe(position: int) -> None:
        probes[position] = probe_image(listing.contents(position))

    with pillow_warnings_counted():
        corrupt = corrupt_among(range(len(listing)), probe, threads)
        if not probes:
            raise _no_image(listing, corrupt)
        size = image_size or _choose_size([(width, height) for width, height, _ in probes.values()])
        channels = in_chans or (1 if all(gray for _, _, gray in probes.values()) else 3)
        readable, images = sorted(probes), EncodedImages(listing, size, channels)
        held = len(readable) * channels * size**2 <= RESIDENT_BYTES
        pixels = np.empty((len(readable), channels, size, size), dtype=np.uint8) if held else None

        def decode(row: int) -> None:
            data = listing.contents(readable[row])
            image = images.decoded(readable[row], data)
            digests[row] = b"" if held else hashlib.sha256(data).digest()
            if pixels is not None:
                pixels[row] = image

        damaged = corrupt_among(range(len(readable)), decode, threads)
    corrupt = dict(sorted((corrupt | {readable[row]: why for row, why in damaged.items()}).items()))
    sound = sorted(digests)
    if not sound:
        raise _no_image(listing, corrupt)
    if pixels is None:
        files = hashlib.sha256(b"".join(digests[row] for row in sound)).hexdigest()
        return DecodedImages(size, channels, files, corrupt)
    if damaged:
        pixels = pixels[sound]
    return DecodedImages(size, channels, pixel_digest(pixels), corrupt, pixels)


def _read(entry: Path) -> DecodedImages:
    document = json.loads(entry.read_text(encoding="utf-8"))
    body = document["body"]  # of `DecodedImages`, and whether their pixels are next to it
    if document["sha256"] != digest_of_document(body):
        raise ValueError("its checksum differs")
    pixels = np.load(entry.with_suffix(".npy"), allow_pickle=False) if body["resident"] else None
    if pixels is not None and (pixels.dtype != np.uint8 or pixel_digest(pixels) != body["digest"]):
        raise ValueError("the checksum of its pixels differs")
    corrupt = {int(position): why for position, why in body["corrupt"].items()}
    return DecodedImages(body["image_size"], body["in_chans"], body["digest"], corrupt, pixels)


def _keep(entry: Path, images: DecodedImages) -> None:
    body = {**vars(images), "corrupt": {str(position): why for position, why in images.corrupt.items()}}
    pixels = body.pop("pixels")
    body["resident"] = pixels is not None
    text = json.dumps({"sha256": digest_of_document(body), "body": body})
    if pixels is None or keep(entry.with_suffix(".npy"), lambda file: np.save(file, pixels), _WHAT):
        keep(entry, lambda file: file.write(text.encode()), _WHAT)


def _choose_size(sizes: Sequence[tuple[int, int]]) -> int:
    (width, height), *others = set(sizes)
    if not others and width == height and SMALLEST_IMAGE <= width <= _LARGEST_NATIVE:
        return width
    median = int(np.median([min(size) for size in sizes]))
    return min(_LARGEST_AUTOMATIC, max(SMALLEST_IMAGE, median // 8 * 8))


def _no_image(listing: ImageFiles, corrupt: dict[int, str]) -> DataError:
    first, why = next(iter(corrupt.items()))
    return DataError(
        f"None of the {len(listing)} files in {listing.root} can be decoded, such as "
        f"{listing.relative(first)} ({why}).",
        hint="Check that they are images.",
    )
