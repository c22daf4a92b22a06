"""How a folder of images is laid out: which folders hold which part of it, and its classes.

Two layouts are known.

- `root/train/<class>/*` beside `root/test/<class>/*`, or `root/val` in its place: the test images. Validation images
  are split off train, unless `test` and `val` are both there: then `val` holds them. Parts go by many names.
- `root/<class>/*`: everything is split by seed, the test images always in the same way.

A folder may stand around all of this, and around the classes of a part, as archives leave it (`seg_train/seg_train`).
A class is a folder; images may be in folders inside it. Hidden and system files and folders are passed over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pure_nas.data.image_files import PassedOver, images_directly_in, subfolders
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
    """Which folders hold what.

    Attributes:
        classes: names of the classes, sorted.
        train: folder of the training images.
        passed_over: what is not used; what is found in the folders of images is added to it.
        validation: folder of the validation images; None if they are split off train.
        test: folder of the test images; None if there is none.
        whole: whether `train` holds everything, so that the test images are split off it as well.
    """

    classes: tuple[str, ...]
    train: Path
    passed_over: PassedOver
    validation: Path | None = None
    test: Path | None = None
    whole: bool = False


def find_layout(root: Path) -> FolderLayout:
    """Find out how a folder is laid out. Folders of images are listed, no image is read.

    Raises:
        DataError: the folder cannot be read, follows neither layout, or its parts differ in their classes.
    """
    top = _inside_archive(root)
    passed_over = PassedOver(root)
    _look_around(root, top, passed_over)
    names = subfolders(top, passed_over)
    named = parts_among(names)
    labelled = {name: inner for name in named if subfolders(inner := _inside_part(top / name, named[name]))}
    parts = _one_folder_each(top, {name: named[name] for name in labelled})
    if "train" not in parts:
        _refuse_parts_without_classes(top, names, named, labelled)
        unlabelled = [name for name in names if name.lower() in _UNLABELLED]
        for name in unlabelled:
            passed_over.note(top / name, "images without labels")
        classes = _classes(top, [name for name in names if name not in unlabelled], passed_over)
        _refuse_parts_in_classes(top, classes)
        _refuse_parts_of_other_names(top, classes)
        return FolderLayout(classes, top, passed_over, whole=True)
    for name in names:
        if name not in parts.values():
            unused = "no folder for each class" if name in named else "neither training, validation nor test"
            passed_over.note(top / name, unused)
    folders = {part: labelled[name] for part, name in parts.items()}
    classes = _classes(folders["train"], subfolders(folders["train"], passed_over), passed_over)
    for name in set(names) - set(named):
        if set(classes) <= set(subfolders(top / name)):
            raise DataError(
                f"{top / name} has the classes of {folders['train']}, but its name says neither train, validation nor "
                "test.",
                hint="Give it such a name, add its images to one of those folders, or move it out of the dataset.",
            )
    for part, folder in folders.items():
        _look_around(top / parts[part], folder, passed_over)
        if part != "train":
            _check_same_classes(classes, folders["train"], folder, passed_over)
    validation, test = folders.get("validation"), folders.get("test")
    return FolderLayout(
        classes, folders["train"], passed_over, validation=validation if test else None, test=test or validation
    )


def parts_among(names: Iterable[str]) -> dict[str, FolderPart]:
    """The parts among the folders in one folder, by their names.

    A name reads like a part if it is a word for one, with no more than usual additions, in any case: `Train`,
    `test_set`, `seg_train`, `valid_images`, `TrainingData2`. Other additions have to be shared with a folder of
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


def reads_like_wrapping(name: str) -> bool:
    """Whether a folder's name only says that there are images in it, like `images` and `dataset`."""
    words = _WORD.findall(name)
    return any(map(str.isalpha, words)) and all(_USUAL.fullmatch(word.lower()) for word in words)


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


def _inside_archive(root: Path) -> Path:
    """The folder with the parts or classes, inside folders that hold nothing else."""
    folder = root
    while (name := _only_folder(folder)) and not parts_among([name]):
        folder = folder / name
    inside = name or len(subfolders(folder)) > 1 or reads_like_wrapping(folder.name)
    return folder if inside else root


def _look_around(outer: Path, inner: Path, passed_over: PassedOver) -> None:
    """Note what is passed over in the folders around `inner`, up to `outer`."""
    while inner != outer:
        inner = inner.parent
        subfolders(inner, passed_over)


def _inside_part(folder: Path, part: FolderPart) -> Path:
    """The folder with the classes of a part, inside folders whose names repeat the part or say nothing."""
    while name := _only_folder(folder):
        again = name == folder.name or parts_among([name]).get(name) == part
        if not again and not reads_like_wrapping(name):
            break
        folder = folder / name
    return folder


def _only_folder(folder: Path) -> str:
    """The name of the only folder in a folder without images of its own; else empty."""
    names = subfolders(folder)
    return names[0] if len(names) == 1 and not images_directly_in(folder) else ""


def _one_folder_each(top: Path, named: dict[str, FolderPart]) -> dict[FolderPart, str]:
    """The folder of each part."""
    folders: dict[FolderPart, list[str]] = defaultdict(list)
    for name, part in named.items():
        folders[part].append(name)
    for part, names in folders.items():
        if len(names) > 1:
            raise DataError(
                f"{top} has both {' and '.join(names)}, which read like folders of {part} images.",
                hint="Keep one of them.",
            )
    return {part: names[0] for part, names in folders.items()}


def _refuse_parts_without_classes(
    top: Path, names: list[str], named: dict[str, FolderPart], labelled: dict[str, Path]
) -> None:
    """Raise if folders that read like parts would be taken for classes."""
    parts = set(named.values())
    if not named or not (len(named) == len(names) or ("train" in parts and len(parts) > 1)):
        return
    flat = [name for name in named if name not in labelled]
    if any(named[name] == "train" for name in flat):
        raise DataError(f"{top} has {' and '.join(flat)} without a folder for each class.", hint=LAYOUT_HINT)
    raise DataError(f"{top} has {' and '.join(named)}, but no folder train.", hint=LAYOUT_HINT)


def _classes(folder: Path, names: list[str], passed_over: PassedOver) -> tuple[str, ...]:
    """The classes in a folder, two or more; images beside them are passed over."""
    loose = images_directly_in(folder)
    names = _without_copies(folder, names, passed_over)
    if len(names) >= 2:
        if loose:
            passed_over.loose[folder.relative_to(passed_over.root).as_posix()] += loose
        return tuple(names)
    if names:
        message = f'{folder} holds one class only, "{names[0]}"; telling classes apart takes two.'
    elif loose:
        message = f"{folder} holds images, but no folder for each class."
    else:
        message = f"{folder} holds no folders of images."
    raise DataError(message, hint=LAYOUT_HINT)


def _without_copies(folder: Path, names: list[str], passed_over: PassedOver) -> list[str]:
    """The names without that of a folder that holds copies of all the others, as some archives do."""
    for name in names if len(names) > 2 else ():
        if set(names) - {name} <= set(subfolders(folder / name)):
            passed_over.note(folder / name, "holds the other classes once more")
            return [other for other in names if other != name]
    return names


def _refuse_parts_in_classes(top: Path, names: tuple[str, ...]) -> None:
    """Raise if a class has training and other images of its own, which must not be mixed."""
    for name in names:
        named = parts_among(subfolders(top / name))
        if "train" in named.values() and len(set(named.values())) > 1:
            raise DataError(f"{top / name} has {' and '.join(named)}, as if it were a dataset.", hint=LAYOUT_HINT)


def _refuse_parts_of_other_names(top: Path, names: tuple[str, ...]) -> None:
    """Raise if all classes hold the same folders and nothing else: these are the classes, in parts of any name."""
    inner = {tuple(subfolders(top / name)) for name in names}
    if len(inner) == 1 and len(found := inner.pop()) > 1 and not any(images_directly_in(top / name) for name in names):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise DataError(
            f"{top} has {shown}, all with the same folders ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''}) "
            "and no other images: they read like parts of a dataset, not like classes.",
            hint=LAYOUT_HINT,
        )


def _check_same_classes(classes: tuple[str, ...], train: Path, part: Path, passed_over: PassedOver) -> None:
    known, found = set(classes), set(_without_copies(part, subfolders(part, passed_over), passed_over))
    missing, extra = sorted(known - found), sorted(found - known)
    if missing or extra:
        faults = [f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("extra", extra)) if names]
        raise DataError(
            f"The classes of {part} differ from those of {train} ({'; '.join(faults)}).",
            hint="Both folders need one folder of images for each class, with the same names.",
        )
