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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pure_nas.data import decoded
from pure_nas.data.decode import Pixels
from pure_nas.data.decoded import pixel_digest
from pure_nas.data.pixel_source import PixelSource
from pure_nas.data.sources.waiting import alone
from pure_nas.errors import DataError, reason
from pure_nas.files import flush_to_disk

_SCHEMA = 1
_log = logging.getLogger(__name__)

Shape = tuple[int, int, int, int]


class StoredPixels(PixelSource):
    """Images in a .npy file, each read when it is wanted.

    Args:
        path: of the file, (N, C, S, S), uint8.
        shape: of its contents.
    """

    decodes = False

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(shape[-1], shape[1])
        self._path = path
        self._shape = shape
        self._start = path.stat().st_size - math.prod(shape)

    def __len__(self) -> int:
        return self._shape[0]

    def pixels(self, position: int) -> Pixels:
        size = math.prod(self._shape[1:])
        # Not memory-mapped: pages that were read would count as this process's memory.
        try:
            image = np.fromfile(self._path, np.uint8, size, offset=self._start + position * size)
            return image.reshape(self._shape[1:])
        except (OSError, ValueError) as error:
            raise DataError(
                f"The decoded images in {self._path} cannot be read: {reason(error)}.",
                hint="They were deleted or changed. Start again: they are decoded anew.",
            ) from error


class HeldPixels(PixelSource):
    """Images in memory.

    Args:
        images: (N, C, S, S), uint8.
    """

    decodes = False

    def __init__(self, images: Pixels) -> None:
        super().__init__(images.shape[-1], images.shape[1])
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def pixels(self, position: int) -> Pixels:
        image: Pixels = self._images[position]
        return image


@dataclass(frozen=True)
class PixelMaps:
    """The maps in one folder.

    Attributes:
        folder: where they are; made when the first is written.
    """

    folder: Path

    def open(
        self, facts: Mapping[str, object], shape: Shape, slabs: Callable[[], Iterator[Pixels]], *, what: str
    ) -> tuple[PixelSource, str]:
        """The images that `slabs` gives, and the sha256 of their pixels; made at the first call with these facts.

        Args:
            facts: what the pixels follow from.
            shape: (N, C, S, S) of all of them.
            slabs: gives them in order, a few at a time.
            what: the images, for people.

        Raises:
            DataError: they are too large for memory and cannot be stored.
        """
        key = hashlib.sha256(json.dumps([_SCHEMA, facts, shape], sort_keys=True).encode()).hexdigest()[:32]
        path = self.folder / f"{key}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # One process makes a map, others wait for it.
            with alone(self.folder / f".{key}.lock", f"{what} are brought to {shape[3]} x {shape[2]} pixels"):
                digest = self._digest(path, shape) or self._make(path, shape, slabs, what)
            return StoredPixels(path, shape), digest
        except OSError as error:
            self._tell_not_kept(error, math.prod(shape), what)
        held = _filled(shape, slabs())
        return HeldPixels(held), pixel_digest(held)

    def _tell_not_kept(self, error: OSError, size: int, what: str) -> None:
        """Warn; images that are too large for memory are an error."""
        if size > decoded.RESIDENT_BYTES:
            raise DataError(
                f"{what} take {_bytes(size)} and cannot be stored in {self.folder}: {reason(error)}.",
                hint="Free some space there, choose another data directory by --data-dir (data_dir) or PURE_NAS_DATA, "
                "or bring the images to a smaller size with --image-size (image_size).",
            ) from error
        _log.warning(
            "Decoded images cannot be kept in %s (%s); the next start decodes them again.", self.folder, reason(error)
        )

    def _digest(self, path: Path, shape: Shape) -> str:
        """The digest of a map that is there and whole; empty where there is none."""
        try:
            entry = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if entry["bytes"] == path.stat().st_size and np.load(path, mmap_mode="r").shape == shape:
                return str(entry["digest"])
        except FileNotFoundError:
            return ""
        except (ValueError, KeyError, TypeError, EOFError) as error:
            _log.warning("The decoded images in %s cannot be used (%s); they are decoded again.", path, error)
            return ""
        _log.warning("The decoded images in %s are incomplete; they are decoded again.", path)
        return ""

    def _make(self, path: Path, shape: Shape, slabs: Callable[[], Iterator[Pixels]], what: str) -> str:
        size = math.prod(shape)
        free = shutil.disk_usage(self.folder).free
        if free < size:
            raise OSError(errno.ENOSPC, f"only {_bytes(free)} are free")
        _log.info("%s are brought to %d x %d pixels and kept in %s, once.", what, shape[3], shape[2], self.folder)
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


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
