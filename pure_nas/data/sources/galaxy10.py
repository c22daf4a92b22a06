"""Galaxy10 DECaLS: 17,736 galaxies in ten shapes, in one HDF5 file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import Pixels
from pure_nas.data.large import LargeImages, Opened
from pure_nas.data.pixel_source import SomePixels
from pure_nas.data.scaling import scaled
from pure_nas.data.sources.built_in import BUILT_IN, GALAXY10_CLASSES, GALAXY10_FILE
from pure_nas.data.sources.fetch import by_hand, fetch, is_published
from pure_nas.data.sources.hdf5 import Hdf5Images
from pure_nas.data.sources.pixel_map import PixelMaps
from pure_nas.data.sources.spec import Part
from pure_nas.data.split import TEST_SPLIT_SEED, Positions, stratified_split

_TEST_SHARE = 0.1
_log = logging.getLogger(__name__)


def galaxy10(data_dir: Path, part: Part) -> LargeImages:
    """Colour images of 256 pixels.

    There is no official test part: it is a tenth of each class, always the same images, whatever seed a run has.
    The file is compressed in pieces that hold parts of many images, so its images are unpacked once, at the size that
    is asked for, into a map beside the decoded folders. Before that it is compared with the published checksum: another
    file of the same form is taken, but said to be another.
    """
    spec = BUILT_IN["galaxy10"]
    path = fetch(spec, data_dir, part)
    size = spec.image_size
    file = Hdf5Images(
        path,
        images="images",
        labels="ans",
        shape=(size, size, 3),
        hint=f"Galaxy10 DECaLS is Galaxy10_DECals.h5 from {GALAXY10_FILE.url}, or a part of it with images of every "
        "class, and not the older Galaxy10.h5 of 69 pixels.",
        repair=f"Delete it and start again to download it, or {by_hand(spec, data_dir, part)}",
    )
    labels = file.read_labels(GALAXY10_CLASSES)
    chosen = _split(labels)[0 if part == "train" else 1]

    def open_images(image_size: int, positions: NDArray[np.int64], skip_corrupt: bool) -> Opened:
        del positions, skip_corrupt  # the file is unpacked whole, and is sound or is not
        shape = (len(labels), 3, image_size, image_size)
        maps = PixelMaps(data_dir / "decoded")
        source, digest = maps.open(
            _facts(path, labels), shape, lambda: _unpacked(file, image_size), what=f"The images of {path.name}"
        )
        return Opened(source=SomePixels(source, chosen), digest=digest)

    return LargeImages(labels=labels[chosen], classes=GALAXY10_CLASSES, in_chans=3, image_size=size, open=open_images)


def _facts(path: Path, labels: Positions) -> dict[str, object]:
    """What tells the file from others without reading all of it, and stays when the data directory is moved."""
    status = path.stat()
    return {
        "bytes": status.st_size,
        "changed": status.st_mtime_ns,
        "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
    }


def _split(labels: Positions) -> tuple[Positions, Positions]:
    room = len(labels) - len(np.unique(labels))
    return stratified_split(labels, min(round(_TEST_SHARE * len(labels)), room), TEST_SPLIT_SEED)


def _unpacked(file: Hdf5Images, image_size: int) -> Iterator[Pixels]:
    """All images, slab by slab; says so first where the file is not the published one."""
    published = GALAXY10_FILE.checksum
    if not is_published(file.path, published):
        _log.warning(
            "%s is not the published file: its %s differs (pure-nas datasets galaxy10). It is used as it is.",
            file.path,
            published.partition(":")[0],
        )
    yield from (scaled(slab, image_size).numpy() for slab in file.slabs())
