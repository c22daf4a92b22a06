"""The well-known datasets, in the official files that torchvision reads and checks.

Each part is read on its own: a search opens, and where it can fetches, the training files only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from pure_nas.data.sources.built_in import BUILT_IN
from pure_nas.data.sources.fetch import DAMAGE, by_hand, fetch_missing
from pure_nas.data.sources.raw import RawImages
from pure_nas.data.sources.spec import Part
from pure_nas.errors import DataError, reason

Opener = Callable[[bool], Any]
"""Opens a torchvision dataset; the argument says whether it may download."""


def mnist(data_dir: Path, part: Part) -> RawImages:
    """MNIST: 28x28 grayscale digits."""
    return _idx_images("mnist", datasets.MNIST, data_dir, part)


def fashionmnist(data_dir: Path, part: Part) -> RawImages:
    """Fashion-MNIST: 28x28 grayscale clothes."""
    return _idx_images("fashion-mnist", datasets.FashionMNIST, data_dir, part)


def cifar10(data_dir: Path, part: Part) -> RawImages:
    """CIFAR-10: 32x32 photographs."""
    return _cifar_images("cifar10", datasets.CIFAR10, data_dir, part)


def cifar100(data_dir: Path, part: Part) -> RawImages:
    """CIFAR-100: 32x32 photographs."""
    return _cifar_images("cifar100", datasets.CIFAR100, data_dir, part)


def svhn(data_dir: Path, part: Part) -> RawImages:
    """SVHN: 32x32 house numbers."""
    read = _read("svhn", data_dir, part, lambda fetch: datasets.SVHN(data_dir, split=part, download=fetch))
    classes = tuple(str(digit) for digit in range(10))
    return RawImages(np.ascontiguousarray(read.data), read.labels.astype(np.int64), classes)


def _idx_images(name: str, source: Any, data_dir: Path, part: Part) -> RawImages:
    prefix = "train" if part == "train" else "t10k"
    resources = [each for each in source.resources if each[0].startswith(prefix)]
    # torchvision finds the folder by the name of the class, so the subclass keeps it.
    of_part = type(source.__name__, (source,), {"resources": resources})
    read = _read(name, data_dir, part, lambda fetch: of_part(data_dir, train=part == "train", download=fetch))
    return RawImages(read.data.numpy()[:, None], read.targets.numpy().astype(np.int64), tuple(read.classes))


def _cifar_images(name: str, source: Any, data_dir: Path, part: Part) -> RawImages:
    other = "test_list" if part == "train" else "train_list"
    of_part = type(source.__name__, (source,), {other: []})
    read = _read(name, data_dir, part, lambda fetch: of_part(data_dir, train=part == "train", download=fetch))
    images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
    return RawImages(images, np.array(read.targets, dtype=np.int64), tuple(read.classes))


def _read(name: str, data_dir: Path, part: Part, open_part: Opener) -> Any:
    """Open the part of a dataset, fetching its files first where they are absent."""
    spec = BUILT_IN[name]
    fetch_missing(spec, data_dir, part, lambda missing: _download(missing, open_part))
    try:
        return open_part(False)
    except DAMAGE as error:
        files = ", ".join(str(data_dir / file) for file in (spec.files or {})[part])
        raise DataError(
            f"The {part} part of {name} is damaged or incomplete ({reason(error)}). It is read from: {files}",
            hint=f"Delete these files and start again to download them, or {by_hand(spec, data_dir, part)}",
        ) from error


def _download(missing: tuple[Path, ...], open_part: Opener) -> None:
    complete = False
    try:
        open_part(True)
        complete = True
    finally:
        # A file cut short, by Ctrl-C too, would pass for one that is there and damaged.
        for path in missing if not complete else ():
            path.unlink(missing_ok=True)
