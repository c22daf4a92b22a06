"""Where the images of ImageNet are: in folders by class, or in the official archives, which need not be unpacked.

Only names and places are held, a few dozen bytes an image; no image is read to list them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import read_bytes, readable
from pure_nas.data.disk_cache import keep, key_of, read_kept
from pure_nas.data.image_files import entries, is_folder, is_image, no_images
from pure_nas.data.sources.catalogue import BUILT_IN, imagenet_classes
from pure_nas.data.sources.spec import Part
from pure_nas.data.split import Positions
from pure_nas.errors import DataError

_SCHEMA = 2
_HINT = "Download it again from https://image-net.org/download-images and compare its md5 (pure-nas datasets imagenet)."
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_ENDLESS = "the mark of its end is missing"
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 2**20
_NAMED = 5
_log = logging.getLogger(__name__)

Place = tuple[bytes, int, int]
"""Name of a file in an archive, where it begins and its size, bytes."""


@dataclass(frozen=True, eq=False)
class ImagenetFiles:
    """The image files of one part, in a folder for each class.

    Attributes:
        path: of the folder or the archive.
        names: (N,), bytes, of the files, by class and then by name.
        labels: (N,), int64.
    """

    path: Path
    names: NDArray[np.bytes_]
    labels: Positions

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """Changes when images are added, removed or renamed; equal for a folder and an archive of the same images."""
        changes = hashlib.sha256(np.ascontiguousarray(self.labels).data)
        changes.update(b"\n".join(self.names.tolist()))
        return changes.hexdigest()

    def name(self, position: int) -> str:
        """Where a file is, for messages."""
        return str(self._file(position))

    def contents(self, position: int) -> bytes:
        """The bytes of a file, or a `DataError`."""
        return read_bytes(self._file(position))

    def _file(self, position: int) -> Path:
        folder = list(imagenet_classes())[int(self.labels[position])]
        return self.path / folder / os.fsdecode(bytes(self.names[position]))


@dataclass(frozen=True, eq=False)
class ArchivedFiles(ImagenetFiles):
    """The image files of one part, in an archive.

    Attributes:
        starts: (N,), int64, where in the archive each is, bytes.
        sizes: (N,), int64, bytes.
    """

    starts: Positions
    sizes: Positions

    def name(self, position: int) -> str:
        return f"{os.fsdecode(bytes(self.names[position]))} in {self.path}"

    def contents(self, position: int) -> bytes:
        with readable(f"archive {self.path}"), self.path.open("rb") as file:
            file.seek(int(self.starts[position]))
            return file.read(int(self.sizes[position]))


def find_files(root: Path, part: Part, cache: Path) -> ImagenetFiles:
    """The files of a part: in the folder `train` or `val` of `root` if there is one, else in its archive.

    Args:
        cache: folder to keep the list of an archive in.

    Raises:
        DataError: there are none, they cannot be read, or their classes are not those of ImageNet.
    """
    folder = root / ("train" if part == "train" else "val")
    archive, *kit = (root.parent / file for file in (BUILT_IN["imagenet"].files or {})[part])
    if folder.is_dir():
        return _list_folder(folder)
    if archive.is_file() and all(each.is_file() for each in kit):
        return _list_validation_archive(archive, _validation_labels(kit[0])) if kit else _list_train(archive, cache)
    raise DataError(
        f"The {part} part of imagenet is not there: neither the folder {folder} nor "
        f"{' and '.join(map(str, (archive, *kit)))}.",
        hint="ImageNet is given to those who register, for research and teaching: "
        "https://image-net.org/download-images. Put the archives there as they are, or one folder a class into "
        f"{folder}.",
    )


def _list_folder(folder: Path) -> ImagenetFiles:
    _require_classes({entry.name for entry in entries(folder) if is_folder(entry)}, folder)
    names: list[bytes] = []
    labels: list[int] = []
    for label, identifier in enumerate(imagenet_classes()):
        found = sorted(os.fsencode(each.name) for each in entries(folder / identifier) if is_image(each.name))
        if not found:
            raise no_images(f"class {_named(identifier)}", folder / identifier, hint="Unpack its archive again.")
        names += found
        labels += [label] * len(found)
    return ImagenetFiles(folder, np.array(names, dtype=np.bytes_), np.array(labels, dtype=np.int64))


def _require_classes(found: set[str], where: Path) -> None:
    """Raise `DataError` unless exactly ImageNet's classes were found."""
    known = imagenet_classes()
    missing, extra = sorted(known.keys() - found), sorted(found - known.keys())
    if not missing and not extra:
        return
    faults = [
        f"{what}: {', '.join(_named(each) for each in names[:_NAMED])}"
        + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
        for what, names in (("missing", missing), ("extra", extra))
        if names
    ]
    raise DataError(
        f"The classes in {where} are not the {len(known):,} of ImageNet ({'; '.join(faults)}).",
        hint="Put back what is missing and move away what is extra. A subset of ImageNet, or your own images, is given "
        "as a folder: --dataset path/to/folder.",
    )


def _named(identifier: str) -> str:
    """A class, for messages."""
    name = imagenet_classes().get(identifier)
    return f"{identifier} ({name})" if name else f'"{identifier}"'


def _list_train(archive: Path, cache: Path) -> ArchivedFiles:
    """List ILSVRC2012_img_train.tar, an archive of one archive a class.

    Reading all its headers takes half a minute or more, so the list is kept in the folder `cache`.
    """
    status = archive.stat()
    facts = [_SCHEMA, str(archive.resolve()), status.st_size, status.st_mtime_ns]
    path = cache / f"{key_of(facts)}.npz"

    def read(path: Path) -> ArchivedFiles:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return ArchivedFiles(archive, *(held[name] for name in ("names", "labels", "starts", "sizes")))

    kept = read_kept(path, read, f"The list {path} of {archive}")
    if kept is not None:
        return kept
    _log.info("The contents of %s are listed, once.", archive)
    listed = _list_classes(archive)

    def write(file: IO[bytes]) -> None:
        np.savez(file, names=listed.names, labels=listed.labels, starts=listed.starts, sizes=listed.sizes)

    keep(path, write, f"The list of {archive}")
    return listed


def _list_classes(archive: Path) -> ArchivedFiles:
    inner = {os.fsdecode(name).removesuffix(".tar"): (start, size) for name, start, size in _listed(archive)}
    _require_classes(set(inner), archive)
    places: list[Place] = []
    labels: list[int] = []
    for label, identifier in enumerate(imagenet_classes()):
        start, size = inner[identifier]
        found = _listed(archive, start, start + size, f"the archive of the class {_named(identifier)} in ")
        if not found:
            raise DataError(f"The class {_named(identifier)} has no images in {archive}.", hint=_HINT)
        places += found
        labels += [label] * len(found)
    return _archived(archive, places, np.array(labels, dtype=np.int64))


def _list_validation_archive(archive: Path, labels: Positions) -> ArchivedFiles:
    """List ILSVRC2012_img_val.tar, whose images have numbers for names; `labels` are in the order of these."""
    found = _listed(archive)
    if len(found) != len(labels):
        raise DataError(
            f"{archive} holds {len(found):,} images, but the development kit has labels of {len(labels):,}.",
            hint="Both must be those of 2012, and whole.",
        )
    order = np.argsort(labels, kind="stable")
    return _archived(archive, [found[position] for position in order], labels[order])


def _validation_labels(kit: Path) -> Positions:
    """The labels of the validation images in the order of their numbers, out of ILSVRC2012_devkit_t12.tar.gz."""
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
        _require_classes(set(identifiers.values()), kit)
        return np.array([labels[identifiers[number]] for number in numbers], dtype=np.int64)
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{kit} is damaged, or is not the development kit of 2012 ({type(error).__name__}: {error}).", hint=_HINT
        ) from error


def _listed(archive: Path, start: int = 0, end: int | None = None, within: str = "") -> list[Place]:
    """The files of `archive`, or of an archive inside it from `start` to `end`, by name; messages call it `within`."""
    try:
        with readable(f"archive {archive}"), archive.open("rb") as file:
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


def _files(members: tarfile.TarFile, end: int) -> Iterator[Place]:
    for member in members:
        if member.offset >= end:
            raise tarfile.ReadError(_ENDLESS)
        if member.offset_data + member.size > end:
            raise tarfile.ReadError(f"{member.name} goes on behind its end")
        if member.isfile():
            yield os.fsencode(member.name.rsplit("/", 1)[-1]), member.offset_data, member.size


def _require_end(file: BinaryIO, place: int, end: int) -> None:
    """Raise `ReadError` unless an archive ends at `place`: only zeros, at least a block of them, fill it to `end`."""
    if end - place < _BLOCK:
        raise tarfile.ReadError(_ENDLESS)
    file.seek(place)
    while place < end:
        piece = file.read(min(_PIECE, end - place))
        if not piece or piece.strip(b"\0"):
            raise tarfile.ReadError(f"there is no header of a file at byte {place:,}")
        place += len(piece)


def _archived(archive: Path, places: list[Place], labels: Positions) -> ArchivedFiles:
    return ArchivedFiles(
        path=archive,
        names=np.array([name for name, _, _ in places], dtype=np.bytes_),
        labels=labels,
        starts=np.array([start for _, start, _ in places], dtype=np.int64),
        sizes=np.array([size for _, _, size in places], dtype=np.int64),
    )
