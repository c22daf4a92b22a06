"""ImageNet of 2012 (ILSVRC2012): folders by class, or the official archives, which need not be unpacked."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.large import LargeImages, Opened
from pure_nas.data.sources.built_in import BUILT_IN
from pure_nas.data.sources.corrupt_index import CorruptIndex
from pure_nas.data.sources.imagenet_archives import list_train_archive, list_validation_archive, validation_labels
from pure_nas.data.sources.imagenet_classes import imagenet_names
from pure_nas.data.sources.imagenet_files import ArchivePart, FolderPart, digest, list_folder
from pure_nas.data.sources.spec import Part
from pure_nas.errors import DataError

_FOLDERS: dict[Part, str] = {"train": "train", "test": "val"}
_ARCHIVES: dict[Part, str] = {"train": "ILSVRC2012_img_train.tar", "test": "ILSVRC2012_img_val.tar"}
_KIT = "ILSVRC2012_devkit_t12.tar.gz"
_SPEC = BUILT_IN["imagenet"]
_log = logging.getLogger(__name__)


def imagenet(data_dir: Path, part: Part) -> LargeImages:
    """Photographs of a thousand kinds of things; the official validation images are the test part.

    A part is read from `imagenet/train` or `imagenet/val` in the data directory where that is there, else from its
    archive in `imagenet`. Images are scaled until their shorter side is 8/7 of what a network is shown (256 for 224),
    and the square in their middle is held: scoring shows the middle of that, and training a window of it.

    An image is decoded when it is wanted, so one that is damaged is found out, and named, only then; where damaged
    images are to be left out, all are decoded once beforehand.
    """
    found = _find(data_dir / "imagenet", part, data_dir / "decoded")
    _tell_count(found, part)

    def open_images(image_size: int, positions: NDArray[np.int64], skip_corrupt: bool) -> Opened:
        images, facts = found.images(round(image_size * 8 / 7)), digest(found)
        index = CorruptIndex(data_dir / "decoded")
        corrupt = index.find(images, positions, facts, what="The images of ImageNet") if skip_corrupt else {}
        return Opened(source=images, digest=facts, corrupt=corrupt)

    size = _SPEC.image_size
    return LargeImages(labels=found.labels, classes=imagenet_names(), in_chans=3, image_size=size, open=open_images)


def _tell_count(found: FolderPart | ArchivePart, part: Part) -> None:
    """Say where images lack or are too many: fewer of each class may be meant, and may be a copy that broke off."""
    published = _SPEC.train_size if part == "train" else _SPEC.test_size
    if published is not None and len(found.labels) != published:
        where = found.folder if isinstance(found, FolderPart) else found.archive
        _log.info("%s holds %s images; ILSVRC2012 has %s there.", where, f"{len(found.labels):,}", f"{published:,}")


def _find(root: Path, part: Part, cache: Path) -> FolderPart | ArchivePart:
    folder, archive, kit = root / _FOLDERS[part], root / _ARCHIVES[part], root / _KIT
    if folder.is_dir():
        return list_folder(folder)
    if archive.is_file() and part == "train":
        return list_train_archive(archive, cache)
    if archive.is_file() and kit.is_file():
        return list_validation_archive(archive, validation_labels(kit))
    wanted = f"{archive}" if part == "train" else f"{archive} and {kit}"
    raise DataError(
        f"The {part} part of imagenet is not there: neither the folder {folder} nor {wanted}.",
        hint="ImageNet is given to those who register, for research and teaching: "
        "https://image-net.org/download-images. Put the archives there as they are, or one folder a class into "
        f"{folder}.",
    )
