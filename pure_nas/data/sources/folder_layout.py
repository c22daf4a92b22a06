"""How a folder of images is laid out, as docs/data.md says: which folders hold which part of it, and its classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pure_nas.data.image_files import LOOSE, PassedOver, class_differences, contents
from pure_nas.errors import DataError

FolderPart = Literal["train", "validation", "test"]

_WORDS: dict[FolderPart, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "validate", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
_PARTS = {word: part for part, words in _WORDS.items() for word in words}
_PART = "|".join(sorted(_PARTS, key=len, reverse=True))
_AFFIX = (
    "sets?|splits?|data|datasets?|images?|imgs?|pics?|pictures?|photos?|samples?|files?|folders?|parts?|class|classes|"
    "classification|seg|the|my|all|new|final|full|small|clean|cleaned|raw|original|resized|cropped|x|px|[0-9]+"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_COMPOUND = re.compile(rf"({_AFFIX})?({_PART})({_AFFIX})?")
_USUAL = re.compile(_AFFIX)
LAYOUT_HINT = "Images belong into folder/train/<class>/ and folder/test/<class>/, or all into folder/<class>/."
_UNLABELLED = frozenset({"pred", "seg_pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled"})


@dataclass(frozen=True)
class FolderLayout:
    """Which folders hold the images of each part."""

    classes: tuple[str, ...]  # their names, sorted
    train: Path
    passed_over: PassedOver  # what is not used; what is found in the folders of images is added to it
    validation: Path | None = None  # None if these images are split off train
    test: Path | None = None
    whole: bool = False  # whether `train` holds everything, so that the test images are split off it as well


def find_layout(root: Path) -> FolderLayout:
    """Find out how a folder is laid out, or raise `DataError`. Folders of images are listed, no image is read."""
    top, passed_over = _inside_archive(root), PassedOver(root)
    passed_over.scan_around(top, root)
    names = passed_over.scan(top).folders
    named = parts_among(names)
    labelled = {name: inner for name in named if contents(inner := _inside_part(top / name, named[name])).folders}
    folders: dict[FolderPart, Path] = {}
    for name, inner in labelled.items():
        part = named[name]
        if part in folders:
            same = " and ".join(each for each in labelled if named[each] == part)
            raise DataError(
                f"{top} has both {same}, which look like folders of {part} images.", hint="Keep one of them."
            )
        folders[part] = inner
    if "train" not in folders:
        return _without_parts(top, names, named, labelled, passed_over)
    for name in set(names) - set(labelled):
        unused = "no folder for each class" if name in named else "neither training, validation nor test"
        passed_over.folders[passed_over.relative(top / name)] = unused
    train = folders["train"]
    classes = _classes(train, passed_over.scan(train).folders, passed_over)
    for name in set(names) - set(named):
        if set(classes) <= set(contents(top / name).folders):
            raise DataError(
                f"{top / name} has the classes of {train}, but its name says neither train, validation nor test.",
                hint="Give it such a name, add its images to one of those folders, or move it out of the dataset.",
            )
    for part, folder in folders.items():
        passed_over.scan_around(folder, top / folder.relative_to(top).parts[0])
        if part == "train":
            continue
        found = _without_copies(folder, passed_over.scan(folder).folders, passed_over)
        if faults := class_differences(found, classes):
            raise DataError(
                f"The classes of {folder} differ from those of {train} ({faults}).",
                hint="Both folders need one folder of images for each class, with the same names.",
            )
    validation, test = folders.get("validation"), folders.get("test")
    return FolderLayout(classes, train, passed_over, validation if test else None, test or validation)


def _without_parts(
    top: Path, names: list[str], named: dict[str, FolderPart], labelled: dict[str, Path], passed_over: PassedOver
) -> FolderLayout:
    """The layout of a folder of classes; folders that read like parts are refused."""
    parts = set(named.values())
    if named and (len(named) == len(names) or ("train" in parts and len(parts) > 1)):
        flat = [name for name in named if name not in labelled]
        if any(named[name] == "train" for name in flat):
            raise DataError(f"{top} has {' and '.join(flat)} without a folder for each class.", hint=LAYOUT_HINT)
        raise DataError(f"{top} has {' and '.join(named)}, but no folder train.", hint=LAYOUT_HINT)
    unlabelled = [name for name in names if name.lower() in _UNLABELLED]
    passed_over.folders.update({passed_over.relative(top / name): "images without labels" for name in unlabelled})
    classes = _classes(top, [name for name in names if name not in unlabelled], passed_over)
    inside = {name: contents(top / name) for name in classes}
    for name, found in inside.items():
        # A class with training and other images of its own, which must not be mixed.
        parts_inside = parts_among(found.folders)
        if "train" in parts_inside.values() and len(set(parts_inside.values())) > 1:
            raise DataError(
                f"{top / name} has {' and '.join(parts_inside)}, as if it were a dataset.", hint=LAYOUT_HINT
            )
    # Where all classes hold the same folders and nothing else, these are the classes, in parts of any name.
    same, *others = {tuple(found.folders) for found in inside.values()}
    if not others and len(same) > 1 and not any(found.images for found in inside.values()):
        few, inner = (", ".join(each[:3]) + (", ..." if len(each) > 3 else "") for each in (classes, same))
        raise DataError(
            f"{top} has {few}, all with the same folders ({inner}) and no other images: they look like parts of a "
            "dataset, not like classes.",
            hint=LAYOUT_HINT,
        )
    return FolderLayout(classes, top, passed_over, whole=True)


def parts_among(names: Iterable[str]) -> dict[str, FolderPart]:
    """The parts among the folders in one folder, by their names.

    A word for a part with usual additions is one: `test_set`, `TrainingData2`. Other additions have to be shared with
    another part: `flowers_train` and `flowers_test`. If all folders share them, one of them may name no part and is
    train: `flowers` and `flowers_test`. Next to `validation`, `evaluation` is test if nothing else is.
    """
    read = {name: _read(name) for name in names}
    without = [name for name, (part, _) in read.items() if part is None]
    shared = {rest for _, rest in read.values()}
    if len(without) == 1 < len(read) and len(shared) == 1 and shared != {()}:
        read[without[0]] = ("train", shared.pop())
    sharing: dict[tuple[str, ...], set[FolderPart]] = defaultdict(set)
    for part, rest in read.values():
        if part is not None:
            sharing[rest].add(part)
    parts = {
        name: part for name, (part, rest) in read.items() if part is not None and (not rest or len(sharing[rest]) > 1)
    }
    validation = [name for name, part in parts.items() if part == "validation"]
    if len(validation) > 1 and "test" not in parts.values():
        parts |= {name: "test" for name in validation if "eval" in name.lower()}
    return parts


def _read(name: str) -> tuple[FolderPart | None, tuple[str, ...]]:
    """The one part that a name has a word for, and the words that are no usual addition."""
    found: set[FolderPart] = set()
    rest = []
    for word in map(str.lower, _WORD.findall(name)):
        compound = _COMPOUND.fullmatch(word)
        if compound:
            found.add(_PARTS[compound[2]])
        elif not _USUAL.fullmatch(word):
            rest.append(word)
    return (found.pop() if len(found) == 1 else None), tuple(rest)


def _is_wrapping(name: str) -> bool:
    """Whether a folder's name only says that there are images in it, like `images` and `dataset`."""
    words = _WORD.findall(name)
    return any(map(str.isalpha, words)) and all(_USUAL.fullmatch(word.lower()) for word in words)


def _inside_archive(root: Path) -> Path:
    """The folder with the parts or classes, inside folders that hold nothing else."""
    folder = root
    while (name := _only_folder(folder)) and not parts_among([name]):
        folder = folder / name
    inside = name or len(contents(folder).folders) > 1 or _is_wrapping(folder.name)
    return folder if inside else root


def _inside_part(folder: Path, part: FolderPart) -> Path:
    """The folder with the classes of a part, inside folders whose names repeat the part or say nothing."""
    while name := _only_folder(folder):
        if name != folder.name and parts_among([name]).get(name) != part and not _is_wrapping(name):
            break
        folder = folder / name
    return folder


def _only_folder(folder: Path) -> str:
    """The name of the only folder in a folder without images of its own; else empty."""
    found = contents(folder)
    return found.folders[0] if len(found.folders) == 1 and not found.images else ""


def _classes(folder: Path, names: list[str], passed_over: PassedOver) -> tuple[str, ...]:
    """The classes in a folder, two or more; images next to them are passed over."""
    loose = len(contents(folder).images)
    names = _without_copies(folder, names, passed_over)
    if len(names) >= 2:
        if loose:
            passed_over.counts[LOOSE][passed_over.relative(folder)] += loose
        return tuple(names)
    if names:
        message = f'{folder} holds one class only, "{names[0]}"; at least two are needed.'
    elif loose:
        message = f"{folder} holds images, but no folder for each class."
    else:
        message = f"{folder} holds no folders of images."
    raise DataError(message, hint=LAYOUT_HINT)


def _without_copies(folder: Path, names: list[str], passed_over: PassedOver) -> list[str]:
    """The names without that of a folder that holds copies of all the others, as some archives do."""
    for name in names if len(names) > 2 else ():
        if set(names) - {name} <= set(contents(folder / name).folders):
            passed_over.folders[passed_over.relative(folder / name)] = "holds the other classes again"
            return [other for other in names if other != name]
    return names
