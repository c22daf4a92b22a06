"""Galaxy10 DECaLS: an HDF5 file, unpacked once for each size into `<key>.npy` and `<key>.json`, in bounded memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

from pure_nas.data import decoded_cache
from pure_nas.data.decode import Pixels, scaled
from pure_nas.data.disk_cache import alone, key_of, read_kept
from pure_nas.data.raw_images import LargeImages, Opened, PixelSource, pixel_digest
from pure_nas.data.sources.fetch import DAMAGE, by_hand, fetch, is_published
from pure_nas.data.sources.registry import BUILT_IN, Part
from pure_nas.data.split import Positions, split_off_test
from pure_nas.errors import DataError, reason
from pure_nas.files import digest_of, replacing
from pure_nas.quantities import show_bytes

_SPEC = BUILT_IN["galaxy10"]
GALAXY10_CLASSES = _SPEC.class_names()
(GALAXY10_FILE,) = (_SPEC.downloads or {})["train"]

_SCHEMA = 1
_TEST_SHARE = 0.1
_IMAGES, _LABELS = "images", "ans"
_SHAPE = (256, 256, 3)
_SLAB_BYTES = 2**25
_MOST_BYTES = 2**28
_log = logging.getLogger(__name__)

Shape = tuple[int, int, int, int]


def galaxy10(data_dir: Path, part: Part) -> LargeImages:
    """Colour images of 256 pixels; another file of the same form than the published one is used, with a warning."""
    path = fetch(_SPEC, data_dir, part)
    labels = _read_labels(path)
    chosen = split_off_test(labels, _TEST_SHARE)[0 if part == "train" else 1]

    def open_images(image_size: int, positions: Positions, _: bool) -> Opened:
        # The file is unpacked whole, and is sound or is not.
        pixels, shape, digest = _unpacked(path, labels, image_size, data_dir / "decoded")
        source = UnpackedImages(pixels, shape, chosen) if isinstance(pixels, Path) else pixels[chosen[positions]]
        return Opened(source=source, digest=digest)

    size = _SPEC.image_size
    return LargeImages(labels=labels[chosen], classes=GALAXY10_CLASSES, in_chans=3, image_size=size, open=open_images)


def _read_labels(path: Path) -> Positions:
    """The labels, (N,), int64; the file is checked, or a `DataError`, but no image is read."""
    with _opened(path) as file:
        fault = _fault(file)
        if not fault:
            return np.asarray(file[_LABELS][:], dtype=np.int64)
    raise DataError(
        f"{path} cannot be used: {fault}.",
        hint=f"Galaxy10 DECaLS is Galaxy10_DECals.h5 from {GALAXY10_FILE.url}, or a part of it with images of "
        "every class, and not the older Galaxy10.h5 of 69 pixels.",
    )


def _slabs(path: Path, size: int) -> Iterator[Pixels]:
    """All images at a size in order, (n, C, S, S), a few chunks of the file at a time, or a `DataError`."""
    if not is_published(path, GALAXY10_FILE.checksum):
        _log.warning(
            "%s is not the published file: its %s differs (pure-nas datasets galaxy10). It is used as it is.",
            path,
            GALAXY10_FILE.checksum.partition(":")[0],
        )
    for slab in _slabs_as_stored(path):
        yield np.ascontiguousarray(scaled(slab, size).numpy())


def _slabs_as_stored(path: Path) -> Iterator[Pixels]:
    with _opened(path) as file:
        images = file[_IMAGES]
        row = math.prod(images.shape[1:])
        # Whole chunks, since each is unpacked as a whole, if memory allows.
        chunk = images.chunks[0] if images.chunks else 1
        large = chunk * row > _MOST_BYTES
        rows = max(1, _MOST_BYTES // row) if large else chunk * max(1, _SLAB_BYTES // (chunk * row))
        for start in range(0, len(images), rows):
            yield images[start : start + rows].transpose(0, 3, 1, 2)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: permission denied.", hint="Check its permissions.") from error
    except DAMAGE as error:  # for h5py a damaged chunk is an OSError too
        what = "is cut short" if "truncated file" in str(error) else "is damaged or not an HDF5 file"
        raise DataError(
            f"{path} {what}: {reason(error)}.",
            hint=f"Delete it and start again to download it, or {by_hand(_SPEC, path.parent, 'train')}",
        ) from error


def _fault(file: h5py.File) -> str:
    for key in (_IMAGES, _LABELS):
        found = file.get(key)
        if key not in list(file):
            holds = ", ".join(f'"{name}"' for name in file) or "nothing"
            return f'it has no array "{key}": it must hold "{_IMAGES}" and "{_LABELS}", but has {holds}'
        if not isinstance(found, h5py.Dataset):
            what = "a broken link" if found is None else f"a {type(found).__name__.lower()}"
            return f'"{key}" must be an array, but is {what}'
    images, labels = file[_IMAGES], file[_LABELS]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != _SHAPE:
        wanted = ", ".join(map(str, _SHAPE))
        return f'"{_IMAGES}" must be uint8 of shape (N, {wanted}), but is {images.dtype} {images.shape}'
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        wanted = f"{len(images):,} whole numbers, one for each image"
        return f'"{_LABELS}" must hold {wanted}, but is {labels.dtype} {labels.shape}'
    if not len(labels):
        return f'"{_IMAGES}" has no images'
    piece = math.prod(images.chunks) if images.chunks else 0
    if piece > _MOST_BYTES:
        stored = f'"{_IMAGES}" is stored in pieces of {show_bytes(piece)}'
        return f"{stored}, each of which would be read whole; h5repack stores it in smaller ones"
    values, count = labels[:], len(GALAXY10_CLASSES)
    if values.min() < 0 or values.max() >= count:
        return f'"{_LABELS}" must be in 0..{count - 1}, but ranges from {values.min()} to {values.max()}'
    lost = sorted(set(range(count)) - set(values.tolist()))
    if lost:
        names = ", ".join(f"{GALAXY10_CLASSES[label]} ({label})" for label in lost)
        return f'"{_LABELS}" must have images of all {count} classes, but has none of: {names}'
    return ""


class UnpackedImages(PixelSource):
    """The images at the positions `chosen`, (K,), of a .npy file of `shape` (N, C, S, S), uint8, read one at a time."""

    decodes = False

    def __init__(self, file: Path, shape: Shape, chosen: Positions) -> None:
        super().__init__(shape[-1], shape[1])
        self._file, self._shape, self._chosen = file, shape, chosen

    def pixels(self, position: int) -> Pixels:
        place, size = int(self._chosen[position]), math.prod(self._shape[1:])
        # Not memory-mapped: pages that were read would count as this process's memory.
        try:
            start = self._file.stat().st_size - math.prod(self._shape)
            return np.fromfile(self._file, np.uint8, size, offset=start + place * size).reshape(self._shape[1:])
        except (OSError, ValueError) as error:
            raise DataError(
                f"The decoded images in {self._file} cannot be read: {reason(error)}.",
                hint="They were deleted or changed. Start again to decode them again.",
            ) from error


def _unpacked(path: Path, labels: Positions, size: int, folder: Path) -> tuple[Path | Pixels, Shape, str]:
    """The flat file of all images, or the pixels if it cannot be stored; their shape, and the sha256 of the pixels."""
    status = path.stat()
    # They identify the file without reading all of it, and do not change when the data directory is moved.
    facts = {"bytes": status.st_size, "changed": status.st_mtime_ns, "labels": digest_of(labels.tobytes())}
    shape = (len(labels), 3, size, size)
    flat, what = folder / f"{key_of([_SCHEMA, facts, shape])}.npy", f"The images of {path.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / f".{flat.stem}.lock", f"{what} are scaled to {size} x {size} pixels"):
            digest = read_kept(flat, lambda flat: _kept_digest(flat, shape), "The file of decoded images")
            return flat, shape, digest or _write(flat, shape, _slabs(path, size), what)
    except OSError as error:
        if math.prod(shape) > decoded_cache.RESIDENT_BYTES:
            raise DataError(
                f"{what} take {show_bytes(math.prod(shape))} and cannot be stored in {folder}: {reason(error)}.",
                hint="Free some space there, choose another data directory (--data-dir or PURE_NAS_DATA), or "
                "use a smaller --image-size.",
            ) from error
        _log.warning(
            "Decoded images cannot be kept in %s (%s); the next start decodes them again.", folder, reason(error)
        )
    held = np.empty(shape, dtype=np.uint8)
    for place, image in enumerate(chain.from_iterable(_slabs(path, size))):
        held[place] = image
    return held, shape, pixel_digest(held)


def _write(path: Path, shape: Shape, slabs: Iterator[Pixels], what: str) -> str:
    """Write a flat file, while no other process does, and return its digest."""
    for stray in path.parent.glob(f".{path.name}.*"):  # gigabytes that a process left which was killed
        stray.unlink()
    size, free = math.prod(shape), shutil.disk_usage(path.parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"only {show_bytes(free)} are free")
    _log.info("%s are scaled to %d x %d pixels once and kept in %s.", what, shape[3], shape[2], path.parent)
    digest, done = hashlib.sha256(repr(shape).encode()), 0
    with replacing(path) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for slab in slabs:
            file.write(slab.data)
            digest.update(slab.data)
            before, done = done, done + len(slab)
            if done * 10 // shape[0] > before * 10 // shape[0]:
                _log.info("%s: %d of %d.", what, done, shape[0])
        entry = {"schema": _SCHEMA, "bytes": file.tell(), "digest": digest.hexdigest()}
    with replacing(path.with_suffix(".json")) as index:
        index.write(f"{json.dumps(entry)}\n".encode())
    return digest.hexdigest()


def _kept_digest(path: Path, shape: Shape) -> str:
    entry = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if entry["bytes"] != path.stat().st_size or np.load(path, mmap_mode="r").shape != shape:
        raise ValueError("they are incomplete")
    return str(entry["digest"])
