"""Lists the image files in folders, and what else is there; a folder that cannot be read is a `DataError`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import IMAGE_EXTENSIONS, read_bytes, readable
from pure_nas.data.split import Positions
from pure_nas.errors import DataError, reason

_SYSTEM = re.compile(
    r"[.@].*|__macosx|__pycache__|\$recycle\.bin|#recycle|desktop\.ini|lost\+found|system volume information|"
    r"thumbnails|thumbs(\.db)?",
    re.DOTALL,
)
"""What systems and programs leave in folders, in lower case."""
_IMAGES = re.compile("images?|imgs?|jpegimages|photos|pictures")
_ANNOTATIONS = re.compile(
    "annotations?|attributes|bboxes|ground_?truth|gt|imagesets|labels?|masks?|parts|segmentations?|trimaps|xmls?"
)
_NAMED = 4


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files of a dataset, by class and then by name; only names and places are held, a few dozen bytes per image.

    Attributes:
        root: folder that they are in, or archive.
        names: (N,), bytes, paths relative to the folder with forward slashes, or names in the archive.
        labels: (N,), int64.
        starts: (N,), int64, where in the archive each is, bytes, as are `sizes`; None for a folder.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: Positions
    starts: Positions | None = None
    sizes: Positions | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Positions) -> ImageFiles:
        """The files of a folder at `positions` only."""
        return ImageFiles(self.root, self.names[positions], self.labels[positions])

    def relative(self, position: int) -> str:
        """A file's name as seen from its folder, or in its archive."""
        return os.fsdecode(bytes(self.names[position]))

    def name(self, position: int) -> str:
        """Where a file is, for people."""
        inside = self.relative(position)
        return str(self.root / inside) if self.starts is None else f"{inside} in {self.root}"

    def contents(self, position: int) -> bytes:
        """The bytes of a file, or a `DataError`."""
        if self.starts is None or self.sizes is None:
            return read_bytes(self.root / self.relative(position))
        with readable(f"archive {self.root}"), self.root.open("rb") as file:
            file.seek(int(self.starts[position]))
            return file.read(int(self.sizes[position]))


@dataclass(frozen=True)
class PassedOver:
    """What a dataset's folder `root` holds and is not used.

    Attributes:
        folders: reasons by folder, relative to `root`.
        loose: numbers of images outside the folders of classes, by folder.
        annotations: numbers of folders with masks or annotations next to folders of images, by name.
        endings: numbers of files that are no images, by their ending; `system`: of hidden and system files, by name.
    """

    root: Path
    folders: dict[str, str] = field(default_factory=dict)
    loose: Counter[str] = field(default_factory=Counter)
    annotations: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)

    def relative(self, folder: Path) -> str:
        """A folder as seen from the dataset's."""
        return folder.relative_to(self.root).as_posix()

    def in_words(self) -> tuple[str, ...]:
        """One phrase per kind."""
        counted = (
            ("images outside the folders of classes: ", self.loose),
            ("folders next to those of images: ", self.annotations),
            ("files that end in ", self.endings),
            ("hidden and system files and folders: ", self.system),
        )
        phrases = [f"the folder {name} ({reason})" for name, reason in self.folders.items()]
        phrases += [f"{kind}{_counts(numbers)}" for kind, numbers in counted if numbers]
        # Names of files may hold bytes and line breaks that no terminal prints.
        return tuple("".join(each if each.isprintable() else "?" for each in phrase) for phrase in phrases)


def list_images(folder: Path, classes: tuple[str, ...], passed_over: PassedOver) -> ImageFiles:
    """List the images of every class in `folder`; a class without images is a `DataError`."""
    names: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(Path(entry.path) for entry in _images_below(folder / name, set(), passed_over))
        if not found:
            raise no_images(f'class "{name}"', folder / name, hint="Add images, or remove the folder.")
        names += (os.fsencode(path.relative_to(passed_over.root).as_posix()) for path in found)
        labels += [label] * len(found)
    return ImageFiles(passed_over.root, np.array(names, dtype=np.bytes_), np.array(labels, dtype=np.int64))


def no_images(what: str, folder: Path, *, hint: str) -> DataError:
    """The error for a class without images."""
    return DataError(
        f"The {what} has no images: {folder} holds no file that ends in {', '.join(IMAGE_EXTENSIONS)}.", hint=hint
    )


def count_images(folder: Path, classes: tuple[str, ...], passed_over: PassedOver) -> int:
    """Number of images of the classes in `folder`."""
    return sum(1 for name in classes for _ in _images_below(folder / name, set(), passed_over))


def subfolders(folder: Path, passed_over: PassedOver | None = None) -> list[str]:
    """Names of the folders in a folder, sorted, without those of the system and of annotations."""
    names = {entry.name for entry in entries(folder, passed_over) if is_folder(entry)}
    return sorted(names - _annotations(names, passed_over))


def images_directly_in(folder: Path) -> int:
    """Number of images in a folder, not counting its subfolders."""
    return sum(1 for entry in entries(folder) if is_image(entry.name) and not is_folder(entry))


def is_image(name: str) -> bool:
    """Whether a file is an image, by its ending."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that cannot be followed is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def entries(folder: Path, passed_over: PassedOver | None = None) -> list[os.DirEntry[str]]:
    """What is in a folder, without hidden and system files and folders."""
    try:
        with os.scandir(folder) as scanned:
            found = list(scanned)
    except FileNotFoundError as error:
        raise DataError(f"There is no folder {folder}.", hint="Check the path.") from error
    except NotADirectoryError as error:
        message = f"{folder} is a file, not a folder of images."
        raise DataError(message, hint="Give the folder that it is in.") from error
    except OSError as error:
        message = f"The folder {folder} cannot be read: {reason(error)}."
        raise DataError(message, hint="Check its permissions.") from error
    system = {entry.name for entry in found if _SYSTEM.fullmatch(entry.name.lower())}
    if passed_over is not None:
        # macOS leaves one `._` file for each other file.
        passed_over.system.update("._*" if name.startswith("._") else name for name in system)
    return [entry for entry in found if entry.name not in system]


def _annotations(names: set[str], passed_over: PassedOver | None) -> set[str]:
    """Among the folders in one folder, those with masks or annotations of the images in another."""
    if len({name.lower() for name in names if _IMAGES.fullmatch(name.lower())}) != 1:
        return set()
    found = {name for name in names if _ANNOTATIONS.fullmatch(name.lower())}
    if passed_over is not None:
        passed_over.annotations.update(found)
    return found


def _images_below(folder: Path, visited: set[tuple[int, int]], passed_over: PassedOver) -> Iterator[os.DirEntry[str]]:
    """Image files below a folder; links are followed, but no folder is entered twice."""
    found = entries(folder, passed_over)
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    annotations = _annotations({entry.name for entry in found if is_folder(entry)}, passed_over)
    for entry in found:
        if entry.name in annotations:
            continue
        if is_folder(entry):
            yield from _images_below(Path(entry.path), visited, passed_over)
        elif is_image(entry.name):
            yield entry
        else:
            passed_over.endings[os.path.splitext(entry.name)[1].lower() or "no ending"] += 1


def _counts(counter: Counter[str]) -> str:
    """The most frequent names with how often each was met: `.gif (3), .txt (1) and 2 more`."""
    ranked = sorted(counter.items(), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{name} ({count:,})" for name, count in ranked[:_NAMED])
    return f"{named} and {len(ranked) - _NAMED:,} more" if len(ranked) > _NAMED else named
