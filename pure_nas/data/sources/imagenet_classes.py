"""The thousand classes of ImageNet: WordNet identifiers and names. No PyTorch."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def imagenet_classes() -> dict[str, str]:
    """The name of each class by its identifier, in the order of its labels, which is that of the identifiers."""
    text = resources.files("pure_nas.data.sources").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return dict(pairs)


def imagenet_names() -> tuple[str, ...]:
    """The names in the order of the labels."""
    return tuple(imagenet_classes().values())
