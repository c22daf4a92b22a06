"""Which part of a dataset a folder holds, by the names that people give such folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Literal

FolderPart = Literal["train", "validation", "test"]

_PARTS: dict[str, FolderPart] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}
_PART = "|".join(sorted(_PARTS, key=len, reverse=True))
_AFFIX = (
    "sets?|splits?|data|datasets?|images?|imgs?|pics?|pictures?|photos?|samples?|files?|folders?|parts?|class|classes|"
    "classification|seg|the|my|all|new|final|full|small|clean|cleaned|raw|original|resized|cropped|x|px|[0-9]+"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_COMPOUND = re.compile(rf"({_AFFIX})?({_PART})({_AFFIX})?")
_USUAL = re.compile(_AFFIX)
_IMAGES = frozenset({"image", "images", "img", "imgs", "jpegimages", "photos", "pictures"})
_ANNOTATIONS = frozenset(
    {
        "annotation",
        "annotations",
        "attributes",
        "bboxes",
        "ground_truth",
        "groundtruth",
        "gt",
        "imagesets",
        "label",
        "labels",
        "mask",
        "masks",
        "parts",
        "segmentation",
        "segmentations",
        "trimaps",
        "xml",
        "xmls",
    }
)


def parts_among(names: Iterable[str]) -> dict[str, FolderPart]:
    """Of folders that stand together, those whose names read like parts, in their order.

    A name reads like a part where it is a word for one with nothing but usual additions, in any case: `Train`,
    `test_set`, `seg_train`, `valid_images`, `TrainingData2`. Other additions have to be shared with a folder of
    another part: `flowers_train` and `flowers_test`. Where all folders share them, one of them may say no part and is
    train: `flowers` and `flowers_test`. Beside `validation`, `evaluation` is test where nothing else is.
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
    """Whether a folder's name says no more than that there are images in it, as `images` and `dataset` do."""
    words = _WORD.findall(name)
    return any(map(str.isalpha, words)) and all(_USUAL.fullmatch(word.lower()) for word in words)


def annotations_among(names: Collection[str]) -> set[str]:
    """Of folders that stand together, those of masks or annotations where one is of images: they hold none."""
    lower = {name.lower() for name in names}
    return {name for name in names if name.lower() in _ANNOTATIONS} if len(lower & _IMAGES) == 1 else set()


def _read(name: str) -> tuple[FolderPart | None, tuple[str, ...]]:
    """The one part that a name has a word for, and its words that are no usual addition."""
    found: set[FolderPart] = set()
    rest = []
    for word in map(str.lower, _WORD.findall(name)):
        compound = _COMPOUND.fullmatch(word)
        if compound:
            found.add(_PARTS[compound[2]])
        elif not _USUAL.fullmatch(word):
            rest.append(word)
    return (found.pop() if len(found) == 1 else None), tuple(rest)
