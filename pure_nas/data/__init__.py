"""Internal: images to train on. Listing datasets needs no PyTorch: what loads them is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pure_nas.data.sources.registry import DatasetSpec, Download, Part, dataset_names

if TYPE_CHECKING:
    from pure_nas.data.dataset import Dataset, ImageSource, load_dataset
    from pure_nas.data.image_set import ImageSet
    from pure_nas.data.raw_images import LargeImages, Opened, PixelSource, RawImages

_LAZY = {
    **dict.fromkeys(("Dataset", "ImageSource", "load_dataset"), "dataset"),
    "ImageSet": "image_set",
    **dict.fromkeys(("LargeImages", "Opened", "PixelSource", "RawImages"), "raw_images"),
}

__all__ = [
    "Dataset",
    "DatasetSpec",
    "Download",
    "ImageSet",
    "ImageSource",
    "LargeImages",
    "Opened",
    "Part",
    "PixelSource",
    "RawImages",
    "dataset_names",
    "load_dataset",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
