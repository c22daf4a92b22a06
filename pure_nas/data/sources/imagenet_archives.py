"""The official archives of ImageNet, read where they lie."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import unreadable
from pure_nas.data.sources.imagenet_classes import imagenet_classes
from pure_nas.data.sources.imagenet_files import ArchivePart, named, require_classes
from pure_nas.errors import DataError
from pure_nas.files import replacing

_SCHEMA = 2
_HINT = "Download it again from https://image-net.org/download-images and compare its md5 (pure-nas datasets imagenet)."
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_ENDLESS = "the mark of its end is missing"
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 2**20
_log = logging.getLogger(__name__)

Place = tuple[bytes, int, int]
"""Name of a file in an archive, where it begins and its size, bytes."""


def list_train_archive(archive: Path, cache: Path) -> ArchivePart:
    """List ILSVRC2012_img_train.tar, an archive of one archive a class; no image is read.

    Reading all its headers takes half a minute or more, so the list is kept in the folder `cache`.

    Raises:
        DataError: it is damaged or cut short, or a class is missing or is none of ImageNet.
    """
    kept = _kept_list(archive, cache)
    if kept is not None:
        return kept
    _log.info("The contents of %s are listed, once.", archive)
    listed = _list_classes(archive)
    _keep_list(listed, cache)
    return listed


def list_validation_archive(archive: Path, labels: NDArray[np.int64]) -> ArchivePart:
    """List ILSVRC2012_img_val.tar, whose images have numbers for names; no image is read.

    Args:
        labels: of the images in the order of their numbers, (N,).

    Raises:
        DataError: it is damaged or cut short, or holds another number of images.
    """
    found = _listed(archive)
    if len(found) != len(labels):
        raise DataError(
            f"{archive} holds {len(found):,} images, but the development kit has labels of {len(labels):,}.",
            hint="Both must be those of 2012, and whole.",
        )
    order = np.argsort(labels, kind="stable")
    return _part(archive, [found[position] for position in order], labels[order])


def validation_labels(kit: Path) -> NDArray[np.int64]:
    """The labels of the validation images in the order of their numbers, out of ILSVRC2012_devkit_t12.tar.gz.

    Raises:
        DataError: it is damaged, cut short, or is another archive.
    """
    from scipy.io import loadmat

    try:
        with tarfile.open(kit, "r:gz") as members:
            contents = {
                name: file.read()
                for member in members
                if (name := member.name.rsplit("/", 1)[-1]) in ("meta.mat", _TRUTH)
                and (file := members.extractfile(member)) is not None
            }
        synsets = loadmat(cast("Any", io.BytesIO(contents["meta.mat"])), squeeze_me=True)["synsets"]
        # Groups of classes stand there too: those that have children.
        leaves = [synset for synset in synsets if synset["num_children"] == 0]
        identifiers = {int(leaf["ILSVRC2012_ID"]): str(leaf["WNID"]) for leaf in leaves}
        numbers = [int(line) for line in contents[_TRUTH].split()]
        labels = {identifier: label for label, identifier in enumerate(imagenet_classes())}
        require_classes(set(identifiers.values()), kit)
        return np.array([labels[identifiers[number]] for number in numbers], dtype=np.int64)
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{kit} is damaged, or is not the development kit of 2012 ({type(error).__name__}: {error}).", hint=_HINT
        ) from error


def _list_classes(archive: Path) -> ArchivePart:
    inner = {os.fsdecode(name).removesuffix(".tar"): (start, size) for name, start, size in _listed(archive)}
    require_classes(set(inner), archive)
    places: list[Place] = []
    labels: list[int] = []
    for label, identifier in enumerate(imagenet_classes()):
        start, size = inner[identifier]
        found = _listed(archive, start, start + size, f"the archive of the class {named(identifier)} in ")
        if not found:
            raise DataError(f"The class {named(identifier)} has no images in {archive}.", hint=_HINT)
        places += found
        labels += [label] * len(found)
    return _part(archive, places, np.array(labels, dtype=np.int64))


def _listed(archive: Path, start: int = 0, end: int | None = None, within: str = "") -> list[Place]:
    """The files between two places of `archive`, all of it where they are left out, by name; places are those in it.

    Args:
        within: the archive that is there, for messages.

    Raises:
        DataError: it is damaged, cut short, or cannot be read.
    """
    try:
        with archive.open("rb") as file:
            end = file.seek(0, os.SEEK_END) if end is None else end
            file.seek(start)
            with tarfile.TarFile(fileobj=file) as members:
                found = sorted(_files(members, end))
                # A damaged header reads like the end of an archive, so that everything behind it would be lost.
                _require_end(file, members.offset, end)
            return found
    except tarfile.TarError as error:
        message = f"{within}{archive} is damaged or cut short: {error}."
        raise DataError(message[0].upper() + message[1:] if within else message, hint=_HINT) from error
    except OSError as error:
        raise unreadable(f"archive {archive}", error) from error


def _files(members: tarfile.TarFile, end: int) -> Iterator[Place]:
    for member in members:
        if member.offset >= end:
            raise tarfile.ReadError(_ENDLESS)
        if member.offset_data + member.size > end:
            raise tarfile.ReadError(f"{member.name} goes on behind its end")
        if member.isfile():
            yield os.fsencode(member.name.rsplit("/", 1)[-1]), member.offset_data, member.size


def _require_end(file: BinaryIO, place: int, end: int) -> None:
    """Check that an archive ends at `place`: zeros alone, a block of them at least, fill it up to `end`.

    Raises:
        tarfile.ReadError: it does not.
    """
    if end - place < _BLOCK:
        raise tarfile.ReadError(_ENDLESS)
    file.seek(place)
    while place < end:
        piece = file.read(min(_PIECE, end - place))
        if not piece or piece.strip(b"\0"):
            raise tarfile.ReadError(f"there is no header of a file at byte {place:,}")
        place += len(piece)


def _part(archive: Path, places: list[Place], labels: NDArray[np.int64]) -> ArchivePart:
    return ArchivePart(
        archive=archive,
        names=np.array([name for name, _, _ in places], dtype=np.bytes_),
        labels=labels,
        starts=np.array([start for _, start, _ in places], dtype=np.int64),
        sizes=np.array([size for _, _, size in places], dtype=np.int64),
    )


def _list_path(archive: Path, cache: Path) -> Path:
    status = archive.stat()
    facts = [_SCHEMA, str(archive.resolve()), status.st_size, status.st_mtime_ns]
    return cache / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.npz"


def _kept_list(archive: Path, cache: Path) -> ArchivePart | None:
    path = _list_path(archive, cache)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return ArchivePart(archive, held["names"], held["labels"], held["starts"], held["sizes"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        _log.warning("The list %s of %s cannot be used (%s); it is made again.", path, archive, error)
        return None


def _keep_list(part: ArchivePart, cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(_list_path(part.archive, cache)) as file:
            np.savez(file, names=part.names, labels=part.labels, starts=part.starts, sizes=part.sizes)
    except OSError as error:
        _log.warning(
            "The list of %s cannot be kept in %s (%s); the next start makes it again.", part.archive, cache, error
        )
