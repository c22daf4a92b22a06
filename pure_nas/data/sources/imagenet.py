"""ImageNet of 2012 (ILSVRC2012): photographs in folders by class, or in the official archives as they are."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from pure_nas.data.decode import corrupt_among, pillow_warnings_counted, readable
from pure_nas.data.disk_cache import keep, key_of, read_kept
from pure_nas.data.image_files import ImageFiles, PassedOver, class_differences, contents, list_images
from pure_nas.data.image_set import usual_workers
from pure_nas.data.raw_images import EncodedImages, LargeImages, Opened
from pure_nas.data.sources.registry import BUILT_IN, IMAGENET_CLASSES, Part
from pure_nas.data.split import Positions
from pure_nas.errors import DataError

_SPEC = BUILT_IN["imagenet"]
_CORRUPT_SCHEMA, _LIST_SCHEMA = 1, 2
_HINT = "Download it again from https://image-net.org/download-images and compare its md5 (pure-nas datasets imagenet)."
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_ENDLESS = "the mark of its end is missing"
_PIECE = 2**20
_NAMED = 5
_log = logging.getLogger(__name__)

Place = tuple[bytes, int, int]  # name of a file in an archive, where it begins and its size, bytes


def imagenet(data_dir: Path, part: Part) -> LargeImages:
    """ImageNet, with the official validation images as test part, and images at 8/7 of the size that a network sees."""
    cache = data_dir / "decoded"
    files = _find_files(data_dir / "imagenet", part, cache)
    published = _SPEC.train_size if part == "train" else _SPEC.test_size
    if len(files) != published:
        # It may be a subset, or a copy that broke off.
        _log.info("%s holds %s images; ILSVRC2012 has %s there.", files.root, f"{len(files):,}", f"{published:,}")

    def open_images(image_size: int, positions: Positions, skip_corrupt: bool) -> Opened:
        # Changes when images are added, removed or renamed; equal for a folder and an archive of the same images.
        changes = hashlib.sha256(np.ascontiguousarray(files.labels).data)
        changes.update(b"\n".join(name.rpartition(b"/")[2] for name in files.names.tolist()))
        images, digest = EncodedImages(files, round(image_size * 8 / 7), 3), changes.hexdigest()
        corrupt = _damaged(images, positions, digest, cache) if skip_corrupt else {}
        return Opened(source=images, digest=digest, corrupt=corrupt)

    names, size = tuple(IMAGENET_CLASSES.values()), _SPEC.image_size
    return LargeImages(labels=files.labels, classes=names, in_chans=3, image_size=size, open=open_images)


def _damaged(images: EncodedImages, positions: Positions, digest: str, cache: Path) -> dict[int, str]:
    """The damaged images among those at `positions`, with reasons; all are decoded the first time.

    Later only those on the list in `cache` are, so that restored ones come back; what was damaged since is not noticed.
    """
    key = key_of([_CORRUPT_SCHEMA, digest, hashlib.sha256(np.ascontiguousarray(positions).data).hexdigest()])
    path, what = cache / f"{key}.corrupt.json", "The images of ImageNet"

    def read(path: Path) -> list[int]:
        return [int(position) for position in json.loads(path.read_text(encoding="utf-8"))["corrupt"]]

    known = read_kept(path, read, "The list of damaged images")
    with pillow_warnings_counted():
        if known is not None:
            return corrupt_among(known, images.decoded, usual_workers())
        _log.info("%s are decoded once to find damaged ones.", what)
        found = corrupt_among(positions.tolist(), images.decoded, usual_workers(), progress_of=what)
    text = json.dumps({"schema": _CORRUPT_SCHEMA, "corrupt": {str(position): why for position, why in found.items()}})
    keep(path, lambda file: file.write(f"{text}\n".encode()), "The list of damaged images")
    return found


def _find_files(root: Path, part: Part, cache: Path) -> ImageFiles:
    """The files of a part: in the folder `train` or `val` of `root` if there is one, else in its archive."""
    folder = root / ("train" if part == "train" else "val")
    archive, *kit = (root.parent / file for file in (_SPEC.files or {})[part])
    if folder.is_dir():
        _require_classes(contents(folder).folders, folder)
        hint = "Unpack its archive again."
        return list_images(folder, IMAGENET_CLASSES, PassedOver(folder), shown=_named, hint=hint)
    if archive.is_file() and all(each.is_file() for each in kit):
        return _list_validation(archive, _validation_labels(kit[0])) if kit else _list_train(archive, cache)
    raise DataError(
        f"The {part} part of imagenet is not there: neither the folder {folder} nor "
        f"{' and '.join(map(str, (archive, *kit)))}.",
        hint="ImageNet is available after registration, for research and teaching: "
        "https://image-net.org/download-images. Put the archives there as they are, or one folder per class into "
        f"{folder}.",
    )


def _require_classes(found: Iterable[str], where: Path) -> None:
    if faults := class_differences(found, IMAGENET_CLASSES, shown=_named, most=_NAMED):
        raise DataError(
            f"The classes in {where} are not the {len(IMAGENET_CLASSES):,} of ImageNet ({faults}).",
            hint="Put back what is missing and move away what is extra. A subset of ImageNet, or your own images, is "
            "given as a folder: --dataset path/to/folder.",
        )


def _named(identifier: str) -> str:
    name = IMAGENET_CLASSES.get(identifier)
    return f"{identifier} ({name})" if name else f'"{identifier}"'


def _list_train(archive: Path, cache: Path) -> ImageFiles:
    """List ILSVRC2012_img_train.tar, an archive with one for each class, whose headers take half a minute to read."""
    status, arrays = archive.stat(), ("names", "labels", "starts", "sizes")
    path = cache / f"{key_of([_LIST_SCHEMA, str(archive.resolve()), status.st_size, status.st_mtime_ns])}.npz"

    def read(path: Path) -> ImageFiles:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return ImageFiles(archive, *(held[name] for name in arrays))

    listed = read_kept(path, read, f"The list of {archive}")
    if listed is None:
        _log.info("Listing the contents of %s, once.", archive)
        listed = _list_classes(archive)
        content = {name: getattr(listed, name) for name in arrays}
        keep(path, lambda file: np.savez(file, **content), f"The list of {archive}")
    return listed


def _list_classes(archive: Path) -> ImageFiles:
    inner = {os.fsdecode(name).removesuffix(".tar"): (start, size) for name, start, size in _listed(archive)}
    _require_classes(inner, archive)
    places: list[Place] = []
    labels: list[int] = []
    for label, identifier in enumerate(IMAGENET_CLASSES):
        start, size = inner[identifier]
        found = _listed(archive, start, start + size, f"the archive of the class {_named(identifier)} in ")
        if not found:
            raise DataError(f"The class {_named(identifier)} has no images in {archive}.", hint=_HINT)
        places += found
        labels += [label] * len(found)
    return _archived(archive, places, np.array(labels, dtype=np.int64))


def _list_validation(archive: Path, labels: Positions) -> ImageFiles:
    found = _listed(archive)
    if len(found) != len(labels):
        raise DataError(
            f"{archive} holds {len(found):,} images, but the development kit has labels of {len(labels):,}.",
            hint="Both must be those of 2012, and whole.",
        )
    order = np.argsort(labels, kind="stable")
    return _archived(archive, [found[position] for position in order], labels[order])


def _validation_labels(kit: Path) -> Positions:
    from scipy.io import loadmat

    try:
        with tarfile.open(kit, "r:gz") as archive:
            contents = {
                name: file.read()
                for entry in archive
                if (name := entry.name.rsplit("/", 1)[-1]) in ("meta.mat", _TRUTH)
                and (file := archive.extractfile(entry)) is not None
            }
        synsets = loadmat(cast("Any", io.BytesIO(contents["meta.mat"])), squeeze_me=True)["synsets"]
        # Groups of classes are listed too: those that have children.
        leaves = [synset for synset in synsets if synset["num_children"] == 0]
        identifiers = {int(leaf["ILSVRC2012_ID"]): str(leaf["WNID"]) for leaf in leaves}
        numbers = [int(line) for line in contents[_TRUTH].split()]
        labels = {identifier: label for label, identifier in enumerate(IMAGENET_CLASSES)}
        _require_classes(identifiers.values(), kit)
        return np.array([labels[identifiers[number]] for number in numbers], dtype=np.int64)
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{kit} is damaged, or is not the development kit of 2012 ({type(error).__name__}: {error}).", hint=_HINT
        ) from error


def _listed(archive: Path, start: int = 0, end: int | None = None, within: str = "") -> list[Place]:
    """The files of `archive`, or of an archive inside it from `start` to `end`, by name; messages call it `within`."""
    places: list[Place] = []
    try:
        with readable(f"archive {archive}"), archive.open("rb") as file:
            end = file.seek(0, os.SEEK_END) if end is None else end
            file.seek(start)
            with tarfile.TarFile(fileobj=file) as files:
                for entry in files:
                    if entry.offset >= end:
                        raise tarfile.ReadError(_ENDLESS)
                    if entry.offset_data + entry.size > end:
                        raise tarfile.ReadError(f"{entry.name} continues past its end")
                    if entry.isfile():
                        name = os.fsencode(entry.name.rsplit("/", 1)[-1])
                        places.append((name, entry.offset_data, entry.size))
                # A damaged header reads like the end of an archive, so that everything behind it would be lost.
                _require_end(file, files.offset, end)
    except tarfile.TarError as error:
        message = f"{within}{archive} is damaged or cut short: {error}."
        raise DataError(message[0].upper() + message[1:] if within else message, hint=_HINT) from error
    return sorted(places)


def _require_end(file: BinaryIO, place: int, end: int) -> None:
    """Raise `ReadError` unless an archive ends at `place`: only zeros, at least a block of them, fill it to `end`."""
    if end - place < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(_ENDLESS)
    file.seek(place)
    while place < end:
        piece = file.read(min(_PIECE, end - place))
        if not piece or piece.strip(b"\0"):
            raise tarfile.ReadError(f"there is no header of a file at byte {place:,}")
        place += len(piece)


def _archived(archive: Path, places: Sequence[Place], labels: Positions) -> ImageFiles:
    names, starts, sizes = zip(*places, strict=True)
    return ImageFiles(archive, np.array(names, dtype=np.bytes_), labels, np.array(starts), np.array(sizes))
