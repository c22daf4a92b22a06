"""ImageNet of 2012 (ILSVRC2012): photographs of a thousand kinds of things, and which of them are damaged."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from pure_nas.data.decode import corrupt_among, pillow_warnings_counted
from pure_nas.data.disk_cache import keep, key_of, read_kept
from pure_nas.data.raw_images import EncodedImages, LargeImages, Opened
from pure_nas.data.sources.catalogue import BUILT_IN, imagenet_names
from pure_nas.data.sources.imagenet_files import ImagenetFiles, find_files
from pure_nas.data.sources.spec import Part
from pure_nas.data.split import Positions
from pure_nas.data.streamed import usual_workers

_SPEC = BUILT_IN["imagenet"]
_CORRUPT_SCHEMA = 1
_log = logging.getLogger(__name__)


def imagenet(data_dir: Path, part: Part) -> LargeImages:
    """ImageNet; its official validation images are the test part.

    The shorter side of images is scaled to 8/7 of what a network sees (256 for 224), and their central square is used:
    evaluation takes the centre of it, and training a random window.

    Images are decoded when they are read, so a damaged one is found, and named, only then; to leave damaged images
    out, all are decoded once beforehand.
    """
    cache = data_dir / "decoded"
    files = find_files(data_dir / "imagenet", part, cache)
    _tell_count(files, part)

    def open_images(image_size: int, positions: Positions, skip_corrupt: bool) -> Opened:
        images = EncodedImages(files, round(image_size * 8 / 7), 3)
        corrupt = _damaged(images, positions, files.digest, cache) if skip_corrupt else {}
        return Opened(source=images, digest=files.digest, corrupt=corrupt)

    return LargeImages(
        labels=files.labels, classes=imagenet_names(), in_chans=3, image_size=_SPEC.image_size, open=open_images
    )


def _tell_count(files: ImagenetFiles, part: Part) -> None:
    """Log a number of images that is not the published one: it may be a subset, or a copy that broke off."""
    published = _SPEC.train_size if part == "train" else _SPEC.test_size
    if published is not None and len(files) != published:
        _log.info("%s holds %s images; ILSVRC2012 has %s there.", files.path, f"{len(files):,}", f"{published:,}")


def _damaged(images: EncodedImages, positions: Positions, digest: str, cache: Path) -> dict[int, str]:
    """The damaged images among those at `positions`, with reasons.

    All images are decoded the first time, and the damaged ones are listed in the folder `cache`. Later only those are
    decoded again, so that restored ones come back; images that were damaged since are not noticed.
    """
    key = key_of([_CORRUPT_SCHEMA, digest, hashlib.sha256(np.ascontiguousarray(positions).data).hexdigest()])
    path, what = cache / f"{key}.corrupt.json", "The images of ImageNet"
    known = read_kept(path, _listed_positions, f"The list of damaged images {path}")
    with pillow_warnings_counted():
        if known is not None:
            return corrupt_among(known, images.decoded, usual_workers())
        _log.info("%s are decoded once, to find those that are damaged.", what)
        found = corrupt_among(positions.tolist(), images.decoded, usual_workers(), tell=what)
    text = json.dumps({"schema": _CORRUPT_SCHEMA, "corrupt": {str(position): why for position, why in found.items()}})
    keep(path, lambda file: file.write(f"{text}\n".encode()), "The list of damaged images")
    return found


def _listed_positions(path: Path) -> list[int]:
    return [int(position) for position in json.loads(path.read_text(encoding="utf-8"))["corrupt"]]
