"""A folder of images as a dataset: how it is laid out, its classes and its files.

Two layouts are known.

- `root/train/<class>/*` beside `root/test/<class>/*`, or `root/val` (or `validation`) in its place: the test
  images. Validation images are split off train, unless `test` and `val` are both there: then `val` holds them.
- `root/<class>/*`: everything is split by seed, the test images always in the same way.

A class is a folder; images may lie in folders inside it. Hidden files and folders are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pure_nas.data.decode import IMAGE_EXTENSIONS
from pure_nas.data.split import Positions
from pure_nas.errors import DataError

_LAYOUT_HINT = "Images belong into folder/train/<class>/ and folder/test/<class>/, or all into folder/<class>/."
_VALIDATION_NAMES = ("val", "validation")


@dataclass(frozen=True)
class FolderLayout:
    """Which folders hold what.

    Attributes:
        classes: names of the classes, sorted.
        train: folder of the training images.
        validation: folder of the validation images; None where they are split off train.
        test: folder of the test images; None where there is none.
        whole: whether `train` holds everything, so that test images too are split off it.
    """

    classes: tuple[str, ...]
    train: Path
    validation: Path | None
    test: Path | None
    whole: bool


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file and what tells whether it changed: its size in bytes and its time of change in nanoseconds."""

    path: Path
    size: int
    changed: int


@dataclass(frozen=True, eq=False)
class Listing:
    """Image files of a dataset, by class and then by name, with their labels (N,), int64."""

    root: Path
    files: tuple[ImageFile, ...]
    labels: Positions

    def take(self, positions: Positions) -> Listing:
        """The files at `positions` only."""
        return Listing(self.root, tuple(self.files[i] for i in positions), self.labels[positions])

    def followed_by(self, other: Listing) -> Listing:
        """These files and then those of `other`."""
        return Listing(self.root, self.files + other.files, np.concatenate([self.labels, other.labels]))

    def names(self) -> list[str]:
        """Paths relative to the dataset's folder, with forward slashes."""
        return [each.path.relative_to(self.root).as_posix() for each in self.files]


def find_layout(root: Path) -> FolderLayout:
    """Find out how a folder is laid out. Folders of images are listed, no image is read.

    Raises:
        DataError: the folder cannot be read, follows neither layout, or its parts differ in their classes.
    """
    folders = _subfolders(root)
    if "train" not in folders:
        parts = {"test", *_VALIDATION_NAMES}
        if folders and set(folders) <= parts:
            raise DataError(f"{root} has {' and '.join(folders)}, but no folder train.", hint=_LAYOUT_HINT)
        return FolderLayout(_classes(root), root, validation=None, test=None, whole=True)
    beside = [root / name for name in _VALIDATION_NAMES if name in folders]
    if len(beside) > 1:
        raise DataError(f"{root} has both val and validation.", hint="Keep one of them.")
    has_test = "test" in folders
    layout = FolderLayout(
        classes=_classes(root / "train"),
        train=root / "train",
        validation=beside[0] if beside and has_test else None,
        test=root / "test" if has_test else next(iter(beside), None),
        whole=False,
    )
    for part in (layout.validation, layout.test):
        if part is not None:
            _check_same_classes(layout, part)
    return layout


def list_images(root: Path, folder: Path, classes: tuple[str, ...]) -> Listing:
    """List the images of every class in `folder`, a part of the dataset in `root`.

    Raises:
        DataError: a folder cannot be read, or a class has no images.
    """
    files: list[ImageFile] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_images_below(folder / name, set()), key=lambda each: each.path)
        if not found:
            raise DataError(
                f'The class "{name}" has no images: {folder / name} holds no file that ends in '
                f"{', '.join(IMAGE_EXTENSIONS)}.",
                hint="Add images, or remove the folder.",
            )
        files += found
        labels += [label] * len(found)
    return Listing(root, tuple(files), np.array(labels, dtype=np.int64))


def _classes(folder: Path) -> tuple[str, ...]:
    names = _subfolders(folder)
    if len(names) >= 2:
        return tuple(names)
    if names:
        message = f'{folder} holds one class only, "{names[0]}"; telling classes apart takes two.'
    elif any(_is_image(entry.name) for entry in _entries(folder)):
        message = f"{folder} holds images, but no folder for each class."
    else:
        message = f"{folder} holds no folders of images."
    raise DataError(message, hint=_LAYOUT_HINT)


def _check_same_classes(layout: FolderLayout, part: Path) -> None:
    known, found = set(layout.classes), set(_subfolders(part))
    missing, extra = sorted(known - found), sorted(found - known)
    if missing or extra:
        faults = [f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("extra", extra)) if names]
        raise DataError(
            f"The classes of {part} differ from those of {layout.train} ({'; '.join(faults)}).",
            hint="Both folders need one folder of images for each class, with the same names.",
        )


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError as error:
        raise DataError(f"There is no folder {folder}.", hint="Check the path.") from error
    except NotADirectoryError as error:
        raise DataError(f"{folder} is a file, not a folder of images.", hint=_LAYOUT_HINT) from error
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error


def _images_below(folder: Path, visited: set[tuple[int, int]]) -> Iterator[ImageFile]:
    """Image files below a folder; links are followed, but no folder is entered twice."""
    entries = _entries(folder)
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.is_dir():
            yield from _images_below(Path(entry.path), visited)
        elif _is_image(entry.name):
            yield _image_file(entry)


def _image_file(entry: os.DirEntry[str]) -> ImageFile:
    try:
        status = entry.stat()
    except OSError as error:
        raise DataError(
            f"The image {entry.path} cannot be read: {error.strerror or error}.",
            hint="Check that the file is there and that you may read it.",
        ) from error
    return ImageFile(Path(entry.path), status.st_size, status.st_mtime_ns)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_EXTENSIONS)
