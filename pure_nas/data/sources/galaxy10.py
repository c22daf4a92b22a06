"""Galaxy10 DECaLS: 17,736 galaxies in ten shapes, in one HDF5 file that is read a few images at a time."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pure_nas.data.decode import Pixels, scaled
from pure_nas.data.raw_images import LargeImages, Opened
from pure_nas.data.sources.catalogue import BUILT_IN, GALAXY10_CLASSES, GALAXY10_FILE
from pure_nas.data.sources.fetch import by_hand, fetch, is_published
from pure_nas.data.sources.pixel_map import open_pixel_map
from pure_nas.data.sources.spec import Part
from pure_nas.data.split import Positions, split_off_test
from pure_nas.errors import DataError, reason
from pure_nas.quantities import show_bytes

_TEST_SHARE = 0.1
_IMAGES, _LABELS = "images", "ans"
_SHAPE = (256, 256, 3)
_SLAB_BYTES = 2**25
_MOST_BYTES = 2**28
# What h5py raises on files that are not what they should be; reading a damaged chunk is an OSError too.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError)
_log = logging.getLogger(__name__)


def galaxy10(data_dir: Path, part: Part) -> LargeImages:
    """Colour images of 256 pixels.

    There is no official test part: it is a tenth of each class, the same images for every seed of a run.
    The file is compressed in chunks with parts of many images, so the images are unpacked once, at the size that is
    asked for, into a map in the folder of decoded images. Another file of the same form than the published one is
    used, with a warning.
    """
    spec = BUILT_IN["galaxy10"]
    path = fetch(spec, data_dir, part)
    file = Galaxy10File(path, repair=f"Delete it and start again to download it, or {by_hand(spec, data_dir, part)}")
    labels = file.read_labels()
    chosen = split_off_test(labels, _TEST_SHARE)[0 if part == "train" else 1]

    def open_images(image_size: int, positions: Positions, skip_corrupt: bool) -> Opened:
        del positions, skip_corrupt  # the file is unpacked whole, and is sound or is not
        status = path.stat()
        # They identify the file without reading all of it, and do not change when the data directory is moved.
        facts = {
            "bytes": status.st_size,
            "changed": status.st_mtime_ns,
            "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        }
        source, digest = open_pixel_map(
            data_dir / "decoded",
            facts,
            (len(labels), 3, image_size, image_size),
            lambda: _unpacked(file, image_size),
            what=f"The images of {path.name}",
            chosen=chosen,
        )
        return Opened(source=source, digest=digest)

    return LargeImages(
        labels=labels[chosen], classes=GALAXY10_CLASSES, in_chans=3, image_size=spec.image_size, open=open_images
    )


def _unpacked(file: Galaxy10File, image_size: int) -> Iterator[Pixels]:
    """All images, slab by slab; warns if the file is not the published one."""
    published = GALAXY10_FILE.checksum
    if not is_published(file.path, published):
        _log.warning(
            "%s is not the published file: its %s differs (pure-nas datasets galaxy10). It is used as it is.",
            file.path,
            published.partition(":")[0],
        )
    yield from (scaled(slab, image_size).numpy() for slab in file.slabs())


class Galaxy10File:
    """Galaxy10_DECals.h5, or another with square images (N, S, S, C), uint8, and their labels (N,), whole numbers.

    Args:
        path: of the file.
        repair: what to do if it is damaged.
    """

    def __init__(self, path: Path, *, repair: str) -> None:
        self.path = path
        self._repair = repair

    def read_labels(self) -> Positions:
        """The labels, (N,), int64; the file is checked, but no image is read.

        Raises:
            DataError: the file is damaged or cut short, lacks an array or a class, or holds something else.
        """
        with self._opened() as file:
            images, labels = (self._array(file, key) for key in (_IMAGES, _LABELS))
            self._require_none(_form_fault(images, labels))
            values: Positions = labels[:].astype(np.int64)
        self._require_none(_label_fault(values))
        return values

    def slabs(self) -> Iterator[Pixels]:
        """All images in order, (n, C, S, S), a few chunks of the file at a time.

        Raises:
            DataError: the file is damaged.
        """
        with self._opened() as file:
            images = self._array(file, _IMAGES)
            rows = _rows_at_once(images)
            for start in range(0, len(images), rows):
                yield images[start : start + rows].transpose(0, 3, 1, 2)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self.path, "r", locking="best-effort") as file:
                yield file
        except PermissionError as error:
            raise DataError(f"{self.path} cannot be read: permission denied.", hint="Check its permissions.") from error
        except _DAMAGE as error:
            what = "is cut short" if "truncated file" in str(error) else "is damaged, or no HDF5 file"
            raise DataError(f"{self.path} {what}: {reason(error)}.", hint=self._repair) from error

    def _array(self, file: h5py.File, key: str) -> h5py.Dataset:
        found = file.get(key)
        if key not in list(file):
            holds = ", ".join(f'"{name}"' for name in file) or "nothing"
            self._require_none(f'it has no array "{key}": it must hold "{_IMAGES}" and "{_LABELS}", but has {holds}')
        elif not isinstance(found, h5py.Dataset):
            what = "a link that leads nowhere" if found is None else f"a {type(found).__name__.lower()}"
            self._require_none(f'"{key}" must be an array, but is {what}')
        return found

    def _require_none(self, fault: str) -> None:
        if fault:
            raise DataError(
                f"{self.path} cannot be used: {fault}.",
                hint=f"Galaxy10 DECaLS is Galaxy10_DECals.h5 from {GALAXY10_FILE.url}, or a part of it with images of "
                "every class, and not the older Galaxy10.h5 of 69 pixels.",
            )


def _form_fault(images: h5py.Dataset, labels: h5py.Dataset) -> str:
    """What is wrong with the types, shapes and chunks of the arrays, or nothing."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != _SHAPE:
        wanted = ", ".join(map(str, _SHAPE))
        return f'"{_IMAGES}" must be uint8 of shape (N, {wanted}), but is {images.dtype} {images.shape}'
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        return (
            f'"{_LABELS}" must hold {len(images):,} whole numbers, one for each image, but is '
            f"{labels.dtype} {labels.shape}"
        )
    if not len(labels):
        return f'"{_IMAGES}" has no images'
    piece = int(np.prod(images.chunks)) if images.chunks else 0
    if piece > _MOST_BYTES:
        return (
            f'"{_IMAGES}" is stored in pieces of {show_bytes(piece)}, each of which would be read whole; '
            f"h5repack stores it in smaller ones"
        )
    return ""


def _label_fault(values: Positions) -> str:
    count = len(GALAXY10_CLASSES)
    if values.min() < 0 or values.max() >= count:
        return f'"{_LABELS}" must lie in 0..{count - 1}, but reaches from {values.min()} to {values.max()}'
    lost = sorted(set(range(count)) - set(values.tolist()))
    if lost:
        names = ", ".join(f"{GALAXY10_CLASSES[label]} ({label})" for label in lost)
        return f'"{_LABELS}" must have images of all {count} classes, but has none of: {names}'
    return ""


def _rows_at_once(images: h5py.Dataset) -> int:
    """Number of images to read at once: whole chunks, since each is unpacked as a whole, if memory allows."""
    row = int(np.prod(images.shape[1:]))
    chunk = images.chunks[0] if images.chunks else 1
    if chunk * row > _MOST_BYTES:
        return max(1, _MOST_BYTES // row)
    return int(chunk * max(1, _SLAB_BYTES // (chunk * row)))
