"""A caller's own images as a dataset: a dataset of PyTorch or torchvision, or images and labels in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.sources.registry import DATASETS, DatasetSpec, ImageSize, Part, dataset_names
from pure_nas.errors import DataError, UsageError
from pure_nas.validation import checked

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from pure_nas.data.raw_images import RawImages


class Pairs(Protocol):
    """A dataset as PyTorch and torchvision have them: pairs of an image (Pillow, tensor or array) and its label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


OwnImages: TypeAlias = "Pairs | tuple[Tensor | NDArray[Any], Tensor | NDArray[Any] | Sequence[int]]"
AnyDataset: TypeAlias = "str | os.PathLike[str] | DatasetSpec | OwnImages"
"""A dataset's name, the path of a folder of images, or images of one's own."""

_SIZE_HINT = "Give one size for all images: image_size=64."


@checked
def own_dataset(
    train: OwnImages,
    test: OwnImages | None = None,
    *,
    name: str = "own-images",
    classes: Sequence[str] | None = None,
    image_size: ImageSize | None = None,
    flip: bool = False,
    turns: bool = False,
    validation: int | float = 0.1,
) -> DatasetSpec:
    """A dataset of images that you have in Python, for whatever takes the name of a dataset.

    Images are of Pillow, or tensors or arrays of (C, H, W) or (H, W): whole numbers of 0 to 255, or floats of 0 to 1.
    They are read once, as they are: leave out transforms that are random or normalise, because the recipe augments
    and every training normalises by the training images' mean and standard deviation.

    Args:
        train: pairs of an image and its label, such as a dataset of torchvision, or all images (N, C, H, W) and their
            labels (N,). Images for validation are set aside from these.
        test: the same for the final test; read only when something is tested.
        name: what the dataset is called in files and reports.
        classes: names of the classes; those of `train.classes` where it has them, else the labels.
        image_size: pixels to which Pillow images are scaled; needed unless all are squares of one size.
        flip: whether a horizontal flip keeps the label.
        turns: whether vertical flips and quarter turns keep it too.
        validation: how many images, or which share of them, are set aside to choose by.

    Raises:
        DataError: an image or a label cannot be used.

    Example:
        >>> import torch
        >>> images = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
        >>> shapes = pure_nas.own_dataset((images, torch.arange(60) % 3), name="shapes", classes=["a", "b", "c"])
        >>> shapes.num_classes, shapes.image_size
        (3, 8)
    """
    for images in (train,) if test is None else (train, test):
        if isinstance(images, bytes) or not hasattr(images, "__len__"):
            raise UsageError(
                f"dataset must be a name or the path of a folder, not {images!r}.", hint="Or your own images."
            )
    names = classes if classes is not None else getattr(train, "classes", None)
    read = _Read({"train": train, "test": test}, None if names is None else tuple(map(str, names)), image_size)
    first = read(Path(), "train")
    return DatasetSpec(
        name=name,
        summary="images of this process",
        num_classes=len(first.classes),
        in_chans=first.images.shape[1],
        image_size=first.images.shape[2],
        flip=flip,
        load=read,
        train_size=len(first.labels),
        test_size=None if test is None else len(test[1]) if isinstance(test, tuple) else len(test),
        validation=validation,
        turns=turns,
        labels=first.classes,
    )


@dataclass(eq=False)
class _Read:
    """Reads a part when it is first wanted, and keeps it; can be pickled where the images can."""

    parts: dict[Part, OwnImages | RawImages | None]
    classes: tuple[str, ...] | None
    image_size: int | None

    def __call__(self, data_dir: Path, part: Part) -> RawImages:
        from pure_nas.data.raw_images import RawImages

        images = self.parts[part]
        if images is None:
            raise DataError("This dataset has no test images.", hint="Pass them: own_dataset(train, test).")
        if not isinstance(images, RawImages):
            pixels, labels = _all(images, self.image_size)
            self.classes = self.classes or tuple(map(str, range(int(labels.max(initial=0)) + 1)))
            images = self.parts[part] = RawImages(pixels, labels, self.classes)
        return images


def _all(images: OwnImages, size: int | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if isinstance(images, tuple):
        if len(images) != 2 or len(images[0]) != len(images[1]):
            raise UsageError("Images in memory are given as a pair (images, labels) of the same length.")
        return _pixels(np.asarray(images[0]), dimensions=4), _labels(images[1])
    rows: list[NDArray[np.uint8]] = []
    labels: list[Any] = []
    for index in range(len(images)):
        pair = images[index]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(f"Item {index} is {type(pair).__name__}, not an image with its label.")
        image, label = pair
        row = _of_pillow(image, size) if hasattr(image, "getbands") else _pixels(np.asarray(image), dimensions=3)
        if rows and row.shape != rows[0].shape:
            one, first = (" x ".join(map(str, each.shape)) for each in (row, rows[0]))
            raise DataError(f"Image {index} has the shape {one}, but the first one has {first}.", hint=_SIZE_HINT)
        rows.append(row)
        labels.append(label)
    if not rows:
        raise DataError("There are no images.")
    return np.ascontiguousarray(rows), _labels(labels)


def _of_pillow(image: Image.Image, size: int | None) -> NDArray[np.uint8]:
    from pure_nas.data.decode import to_pixels

    if size is None and image.width != image.height:
        raise DataError(f"An image of {image.width} x {image.height} pixels is not square.", hint=_SIZE_HINT)
    return to_pixels(image, size or image.width, 1 if image.mode in ("1", "L", "I", "I;16") else 3)


def _pixels(values: NDArray[Any], *, dimensions: int) -> NDArray[np.uint8]:
    """Pixels as whole numbers of 0 to 255, with a dimension for the channels."""
    if values.ndim == dimensions - 1:
        values = np.expand_dims(values, dimensions - 3)
    if values.ndim != dimensions or values.shape[-1] != values.shape[-2]:
        raise DataError(f"Images must have shape (C, H, W) with H = W, got {tuple(values.shape[dimensions - 3 :])}.")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise DataError(
                f"Floating-point images must be from 0 to 1, but range from {values.min():g} to {values.max():g}.",
                hint="Do not normalise them: training does. Whole numbers from 0 to 255 work too.",
            )
        values = np.rint(values * 255)
    elif values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        raise DataError(f"Images must be whole numbers from 0 to 255 or floats from 0 to 1, got {values.dtype}.")
    return values.astype(np.uint8)


def _labels(labels: Any) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DataError(f"Labels must be whole numbers, one per image, got {found.dtype} {found.shape}.")
    return found.astype(np.int64)


def dataset_name(dataset: AnyDataset) -> str:
    """The name or path of a dataset, or the name under which one's own images are registered; see `own_dataset`."""
    if isinstance(dataset, str | os.PathLike):
        name = os.fspath(dataset)
        if not isinstance(name, str) or not name:
            raise UsageError(f"dataset must be a name or the path of a folder, not {dataset!r}.")
        return os.path.join(os.curdir, name) if isinstance(dataset, Path) and name in dataset_names() else name
    if not isinstance(dataset, DatasetSpec):
        dataset = own_dataset(dataset)
    if DATASETS.find(dataset.name) is not dataset:
        DATASETS.register(dataset)
    return dataset.name


def register_dataset(dataset: DatasetSpec) -> None:
    """Let searches, experiments and trainings of this process use a dataset by its name.

    One that is registered again replaces the earlier one of that name, as a notebook's cell does that is run again.
    Packages declare datasets under the entry-point group `pure_nas.datasets` instead, which the command line sees too.

    Args:
        dataset: of `own_dataset`, or a `DatasetSpec` with a loader.

    Raises:
        UsageError: the name is that of a dataset that ships or is installed.

    Example:
        >>> import torch
        >>> images = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
        >>> pure_nas.register_dataset(pure_nas.own_dataset((images, torch.arange(60) % 3), name="noise"))
        >>> pure_nas.train("resnet8", "noise", epochs=1).load().architecture.num_classes
        3
    """
    DATASETS.register(dataset)
