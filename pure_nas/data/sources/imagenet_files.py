"""Where the images of ImageNet are: in folders by class, or in the official archives, which need not be unpacked.

Only names and places are held, a few dozen bytes an image.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import IMAGE_EXTENSIONS, read_bytes
from pure_nas.data.listing import of_the_system
from pure_nas.data.pixel_source import EncodedImages
from pure_nas.data.sources.imagenet_classes import imagenet_classes
from pure_nas.errors import DataError

Names = NDArray[np.bytes_]
Labels = NDArray[np.int64]

_NAMED = 5


@dataclass(frozen=True, eq=False)
class FolderPart:
    """One part in a folder for each class.

    Attributes:
        folder: of the part.
        names: (N,), of the files, by class and then by name.
        labels: (N,), int64.
    """

    folder: Path
    names: Names
    labels: Labels

    def images(self, size: int) -> EncodedImages:
        """The images, at `size` pixels."""
        return _FolderImages(self, size)


@dataclass(frozen=True, eq=False)
class ArchivePart:
    """One part in an archive.

    Attributes:
        archive: its path.
        names: (N,), of the images, by class and then by name.
        labels: (N,), int64.
        starts: (N,), int64, where in the archive each is, bytes.
        sizes: (N,), int64, bytes.
    """

    archive: Path
    names: Names
    labels: Labels
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def images(self, size: int) -> EncodedImages:
        """The images, at `size` pixels."""
        return _ArchiveImages(self, size)


class _FolderImages(EncodedImages):
    def __init__(self, part: FolderPart, size: int) -> None:
        super().__init__(size, 3)
        self._part = part
        self._folders = list(imagenet_classes())

    def __len__(self) -> int:
        return len(self._part.labels)

    def name(self, position: int) -> str:
        return str(self._path(position))

    def contents(self, position: int) -> bytes:
        return read_bytes(self._path(position))

    def _path(self, position: int) -> Path:
        part = self._part
        folder = part.folder / self._folders[int(part.labels[position])]
        return folder / os.fsdecode(bytes(part.names[position]))


class _ArchiveImages(EncodedImages):
    def __init__(self, part: ArchivePart, size: int) -> None:
        super().__init__(size, 3)
        self._part = part

    def __len__(self) -> int:
        return len(self._part.labels)

    def name(self, position: int) -> str:
        return f"{os.fsdecode(bytes(self._part.names[position]))} in {self._part.archive}"

    def contents(self, position: int) -> bytes:
        part = self._part
        try:
            with part.archive.open("rb") as file:
                file.seek(int(part.starts[position]))
                return file.read(int(part.sizes[position]))
        except OSError as error:
            raise DataError(
                f"The archive {part.archive} cannot be read: {error.strerror or error}.",
                hint="Check that the file is there and that you may read it.",
            ) from error


def list_folder(folder: Path) -> FolderPart:
    """List a part in folders; no file is opened.

    Raises:
        DataError: a class is missing, is none of ImageNet, or has no images.
    """
    require_classes({entry.name for entry in _entries(folder) if entry.is_dir()}, folder)
    names: list[bytes] = []
    labels: list[int] = []
    for label, identifier in enumerate(imagenet_classes()):
        found = sorted(os.fsencode(each.name) for each in _entries(folder / identifier) if _is_image(each.name))
        if not found:
            raise DataError(
                f"The class {named(identifier)} has no images: {folder / identifier} holds no file that ends in "
                f"{', '.join(IMAGE_EXTENSIONS)}.",
                hint="Unpack its archive again.",
            )
        names += found
        labels += [label] * len(found)
    return FolderPart(folder, np.array(names, dtype=np.bytes_), np.array(labels, dtype=np.int64))


def require_classes(found: set[str], where: Path) -> None:
    """Check that exactly ImageNet's classes were found.

    Raises:
        DataError: one is missing, or is none of ImageNet.
    """
    known = imagenet_classes()
    missing, extra = sorted(known.keys() - found), sorted(found - known.keys())
    if not missing and not extra:
        return
    faults = [
        f"{what}: {', '.join(named(each) for each in names[:_NAMED])}"
        + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
        for what, names in (("missing", missing), ("extra", extra))
        if names
    ]
    raise DataError(
        f"The classes in {where} are not the {len(known):,} of ImageNet ({'; '.join(faults)}).",
        hint="Put back what is missing and move away what is extra. For a subset of ImageNet, or images of "
        "your own, give the path of the folder in place of the name.",
    )


def digest(part: FolderPart | ArchivePart) -> str:
    """Changes when an image is added, removed or renamed; the same for a folder and an archive of the same images."""
    changes = hashlib.sha256(np.ascontiguousarray(part.labels).data)
    changes.update(b"\n".join(part.names.tolist()))
    return changes.hexdigest()


def named(identifier: str) -> str:
    """A class for messages."""
    name = imagenet_classes().get(identifier)
    return f"{identifier} ({name})" if name else f'"{identifier}"'


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not of_the_system(entry.name)]
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_EXTENSIONS)
