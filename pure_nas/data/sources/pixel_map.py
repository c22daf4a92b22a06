"""Pixels on disk, image after image, of which only those that are wanted are read.

A map is `<key>.npy` and `<key>.json` in the folder of decoded images. It is made once, slab by slab, so that neither
making nor reading it takes more memory than a slab, however large it is. Processes that read one share the system's
copy of it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pure_nas.data import decoded
from pure_nas.data.decode import Pixels
from pure_nas.data.decoded import pixel_digest
from pure_nas.data.disk_cache import alone, key_of, read_kept
from pure_nas.data.raw_images import PixelSource
from pure_nas.data.split import Positions
from pure_nas.errors import DataError, reason
from pure_nas.files import flush_to_disk
from pure_nas.quantities import show_bytes

_SCHEMA = 1
_log = logging.getLogger(__name__)

Shape = tuple[int, int, int, int]


class StoredPixels(PixelSource):
    """Images in a .npy file of uint8, read one at a time.

    Args:
        path: of the file.
        shape: (N, C, S, S), of its contents.
        chosen: (K,), int64, positions in the file.
    """

    decodes = False

    def __init__(self, path: Path, shape: Shape, chosen: Positions) -> None:
        super().__init__(shape[-1], shape[1])
        self._path = path
        self._shape = shape[1:]
        self._start = path.stat().st_size - math.prod(shape)
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def pixels(self, position: int) -> Pixels:
        size = math.prod(self._shape)
        # Not memory-mapped: pages that were read would count as this process's memory.
        try:
            offset = self._start + int(self._chosen[position]) * size
            return np.fromfile(self._path, np.uint8, size, offset=offset).reshape(self._shape)
        except (OSError, ValueError) as error:
            raise DataError(
                f"The decoded images in {self._path} cannot be read: {reason(error)}.",
                hint="They were deleted or changed. Start again: they are decoded anew.",
            ) from error


class HeldPixels(PixelSource):
    """Images in memory; see `StoredPixels`."""

    decodes = False

    def __init__(self, images: Pixels, chosen: Positions) -> None:
        super().__init__(images.shape[-1], images.shape[1])
        self._images = images
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def pixels(self, position: int) -> Pixels:
        image: Pixels = self._images[self._chosen[position]]
        return image


def open_pixel_map(
    folder: Path,
    facts: Mapping[str, object],
    shape: Shape,
    slabs: Callable[[], Iterator[Pixels]],
    *,
    what: str,
    chosen: Positions,
) -> tuple[PixelSource, str]:
    """Open a map of the images that `slabs` yields, which is made if there is none, with the sha256 of all its pixels.

    Args:
        folder: of the maps.
        facts: what the pixels depend on.
        shape: (N, C, S, S) of all images.
        slabs: yields them in order, a few at a time.
        what: names the images in messages.
        chosen: (K,), int64, positions of the images to open.

    Raises:
        DataError: they are too large for memory and cannot be stored.
    """
    path = folder / f"{key_of([_SCHEMA, facts, shape])}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One process makes a map, others wait for it.
        with alone(folder / f".{path.stem}.lock", f"{what} are brought to {shape[3]} x {shape[2]} pixels"):
            kept = f"The decoded images in {path}"
            digest = read_kept(path, lambda path: _digest(path, shape), kept, again="they are decoded")
            digest = digest or _make(path, shape, slabs, what)
        return StoredPixels(path, shape, chosen), digest
    except OSError as error:
        size = math.prod(shape)
        if size > decoded.RESIDENT_BYTES:
            raise DataError(
                f"{what} take {show_bytes(size)} and cannot be stored in {folder}: {reason(error)}.",
                hint="Free some space there, choose another data directory (--data-dir or PURE_NAS_DATA), or "
                "bring the images to a smaller size with --image-size.",
            ) from error
        _log.warning(
            "Decoded images cannot be kept in %s (%s); the next start decodes them again.", folder, reason(error)
        )
    held = _filled(shape, slabs())
    return HeldPixels(held, chosen), pixel_digest(held)


def _make(path: Path, shape: Shape, slabs: Callable[[], Iterator[Pixels]], what: str) -> str:
    size, free = math.prod(shape), shutil.disk_usage(path.parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"only {show_bytes(free)} are free")
    _log.info("%s are brought to %d x %d pixels and kept in %s, once.", what, shape[3], shape[2], path.parent)
    digest = hashlib.sha256(repr(shape).encode())
    # A fixed name, so that one left by a process that was killed is overwritten by the next.
    unfinished = path.with_name(f".{path.name}.part")
    done = 0
    try:
        with unfinished.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for slab in slabs():
                file.write(np.ascontiguousarray(slab).data)
                digest.update(np.ascontiguousarray(slab).data)
                before, done = done, done + len(slab)
                if done * 10 // shape[0] > before * 10 // shape[0]:
                    _log.info("%s: %d of %d.", what, done, shape[0])
            flush_to_disk(file)
        entry = {"schema": _SCHEMA, "bytes": unfinished.stat().st_size, "digest": digest.hexdigest()}
        os.replace(unfinished, path)
        index = path.with_name(f".{path.stem}.json.part")
        index.write_text(json.dumps(entry) + "\n", encoding="utf-8")
        os.replace(index, path.with_suffix(".json"))
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _digest(path: Path, shape: Shape) -> str:
    """The digest of a map that is whole."""
    entry = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if entry["bytes"] != path.stat().st_size or np.load(path, mmap_mode="r").shape != shape:
        raise ValueError("they are incomplete")
    return str(entry["digest"])


def _filled(shape: Shape, slabs: Iterator[Pixels]) -> Pixels:
    """All of the slabs in one array, without a second copy."""
    held = np.empty(shape, dtype=np.uint8)
    done = 0
    for slab in slabs:
        held[done : done + len(slab)] = slab
        done += len(slab)
    if done != len(held):
        raise DataError(f"{done:,} images came out of a file that has {len(held):,}.", hint="Get the file again.")
    return held
