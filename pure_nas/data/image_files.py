"""Lists the image files in folders, and what else is there; a folder that cannot be read is a `DataError`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import IMAGE_EXTENSIONS, readable
from pure_nas.data.split import Positions
from pure_nas.errors import DataError, reason
from pure_nas.quantities import some_of

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

LOOSE = "images outside the folders of classes:"
ANNOTATIONS = "folders next to those of images:"
ENDINGS = "files that end in"
SYSTEM = "hidden and system files and folders:"


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files of a dataset, by class and then by name; arrays (N,), a few dozen bytes per image."""

    root: Path  # folder that they are in, or archive
    names: NDArray[np.bytes_]  # paths relative to the folder with forward slashes, or names in the archive
    labels: Positions
    starts: Positions | None = None  # where in the archive each is, bytes; None for a folder
    sizes: Positions | None = None  # how long each is there, bytes

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Positions) -> ImageFiles:
        return ImageFiles(self.root, self.names[positions], self.labels[positions])

    def relative(self, position: int) -> str:
        return os.fsdecode(bytes(self.names[position]))

    def name(self, position: int) -> str:
        """Where a file is, for people."""
        inside = self.relative(position)
        return str(self.root / inside) if self.starts is None else f"{inside} in {self.root}"

    def contents(self, position: int) -> bytes:
        if self.starts is None or self.sizes is None:
            path = self.root / self.relative(position)
            with readable(f"image {path}"):
                return path.read_bytes()
        with readable(f"archive {self.root}"), self.root.open("rb") as file:
            file.seek(int(self.starts[position]))
            return file.read(int(self.sizes[position]))


class Contents(NamedTuple):
    """Names of what is in one folder, sorted; annotations are folders of masks and the like, next to one of images."""

    folders: list[str]
    images: list[str]
    annotations: list[str]
    system: list[str]
    others: list[str]


def contents(folder: Path) -> Contents:
    """What is in a folder, not counting its subfolders; a link that cannot be followed is no folder."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except FileNotFoundError as error:
        raise DataError(f"There is no folder {folder}.", hint="Check the path.") from error
    except NotADirectoryError as error:
        message = f"{folder} is a file, not a folder of images."
        raise DataError(message, hint="Give the folder that it is in.") from error
    except OSError as error:
        message = f"The folder {folder} cannot be read: {reason(error)}."
        raise DataError(message, hint="Check its permissions.") from error
    found = Contents([], [], [], [], [])
    for entry in entries:
        if _SYSTEM.fullmatch(entry.name.lower()):
            found.system.append(entry.name)
        elif _is_folder(entry):
            found.folders.append(entry.name)
        else:
            (found.images if entry.name.lower().endswith(IMAGE_EXTENSIONS) else found.others).append(entry.name)
    if len({name.lower() for name in found.folders if _IMAGES.fullmatch(name.lower())}) != 1:
        return found
    annotations = [name for name in found.folders if _ANNOTATIONS.fullmatch(name.lower())]
    return found._replace(folders=[name for name in found.folders if name not in annotations], annotations=annotations)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False


@dataclass(frozen=True)
class PassedOver:
    """What a dataset's folder `root` holds and is not used."""

    root: Path
    folders: dict[str, str] = field(default_factory=dict)  # reasons by folder, relative to `root`
    counts: dict[str, Counter[str]] = field(  # how often each name was met, of each kind
        default_factory=lambda: {kind: Counter() for kind in (LOOSE, ANNOTATIONS, ENDINGS, SYSTEM)}
    )

    def relative(self, folder: Path) -> str:
        return folder.relative_to(self.root).as_posix()

    def scan(self, folder: Path) -> Contents:
        """`contents` of a folder, of which what is not used is counted."""
        found = contents(folder)
        self.counts[ANNOTATIONS].update(found.annotations)
        # macOS leaves one `._` file for each other file.
        self.counts[SYSTEM].update("._*" if name.startswith("._") else name for name in found.system)
        return found

    def scan_around(self, inner: Path, outer: Path) -> None:
        """Count what is not used in the folders around `inner`, up to `outer`."""
        for folder in takewhile(lambda each: each.is_relative_to(outer), inner.parents):
            self.scan(folder)

    def images_below(self, folder: Path, visited: set[tuple[int, int]] | None = None) -> Iterator[str]:
        """Image files below a folder, sorted, as seen from the dataset's; links are followed, but none twice."""
        found, status, visited = self.scan(folder), folder.stat(), set() if visited is None else visited
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        self.counts[ENDINGS].update(os.path.splitext(name)[1].lower() or "no ending" for name in found.others)
        prefix, inner = f"{self.relative(folder)}/", set(found.folders)
        for name in sorted(found.folders + found.images):
            if name in inner:
                yield from self.images_below(folder / name, visited)
            else:
                yield f"{prefix}{name}"

    def in_words(self) -> tuple[str, ...]:
        phrases = [f"the folder {name} ({reason})" for name, reason in self.folders.items()]
        phrases += [f"{kind} {_counts(numbers)}" for kind, numbers in self.counts.items() if numbers]
        # Names of files may hold bytes and line breaks that no terminal prints.
        return tuple("".join(each if each.isprintable() else "?" for each in phrase) for phrase in phrases)


def list_images(
    folder: Path,
    classes: Iterable[str],
    passed_over: PassedOver,
    *,
    shown: Callable[[str], str] = '"{}"'.format,
    hint: str = "Add images, or remove the folder.",
) -> ImageFiles:
    """List the images of every class in `folder`; one without is a `DataError` with this hint and its name `shown`."""
    names: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = list(passed_over.images_below(folder / name))
        if not found:
            raise DataError(
                f"The class {shown(name)} has no images: {folder / name} holds no file that ends in "
                f"{', '.join(IMAGE_EXTENSIONS)}.",
                hint=hint,
            )
        names += map(os.fsencode, found)
        labels += [label] * len(found)
    return ImageFiles(passed_over.root, np.array(names, dtype=np.bytes_), np.array(labels, dtype=np.int64))


def class_differences(
    found: Iterable[str], known: Iterable[str], *, shown: Callable[[str], str] = str, most: int | None = None
) -> str:
    """Which of the `known` classes were not found, and which others were: `missing: cat; extra: cow, dog`."""
    differences = {"missing": sorted({*known} - {*found}), "extra": sorted({*found} - {*known})}
    return "; ".join(f"{what}: {some_of([*map(shown, names)], most)}" for what, names in differences.items() if names)


def _counts(counter: Counter[str]) -> str:
    """The most frequent names with how often each was met: `.gif (3), .txt (1) and 2 more`."""
    ranked = sorted(counter.items(), key=lambda each: (-each[1], each[0]))
    return some_of([f"{name} ({count:,})" for name, count in ranked], _NAMED)
