"""Small datasets, of which a part is fetched and read by itself: scikit-learn's digits, and those of torchvision."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pure_nas.data.raw_images import RawImages
from pure_nas.data.sources.fetch import DAMAGE, TIMEOUT_SECONDS, by_hand, fetch_missing
from pure_nas.data.sources.registry import BUILT_IN, Part
from pure_nas.data.split import split_off_test
from pure_nas.errors import DataError, reason

_DIGITS_TEST_SHARE = 0.2


def digits(_: Path, part: Part) -> RawImages:
    """1,797 grayscale images of 8x8 pixels, which come with scikit-learn; values 0..16 become 0..240."""
    from sklearn.datasets import load_digits

    every = load_digits()
    labels = every.target.astype(np.int64)
    chosen = split_off_test(labels, _DIGITS_TEST_SHARE)[0 if part == "train" else 1]
    images = (every.images[chosen, None] * 15).astype(np.uint8)
    return RawImages(images, labels[chosen], BUILT_IN["digits"].class_names())


def svhn(data_dir: Path, part: Part) -> RawImages:
    """SVHN: 32x32 house numbers."""
    read = _read("svhn", "SVHN", data_dir, part, {}, split=part)
    images = np.ascontiguousarray(read.data)
    return RawImages(images, read.labels.astype(np.int64), BUILT_IN["svhn"].class_names())


def _idx(name: str, source: str, data_dir: Path, part: Part) -> RawImages:
    prefix = "train" if part == "train" else "t10k"
    resources = [each for each in _torchvision(source).resources if each[0].startswith(prefix)]
    read = _read(name, source, data_dir, part, {"resources": resources}, train=part == "train")
    return RawImages(read.data.numpy()[:, None], read.targets.numpy().astype(np.int64), tuple(read.classes))


def _cifar(name: str, source: str, data_dir: Path, part: Part) -> RawImages:
    other = "test_list" if part == "train" else "train_list"
    read = _read(name, source, data_dir, part, {other: []}, train=part == "train")
    images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
    return RawImages(images, np.array(read.targets, dtype=np.int64), tuple(read.classes))


mnist = partial(_idx, "mnist", "MNIST")
fashionmnist = partial(_idx, "fashion-mnist", "FashionMNIST")
cifar10 = partial(_cifar, "cifar10", "CIFAR10")
cifar100 = partial(_cifar, "cifar100", "CIFAR100")


def _torchvision(name: str) -> Any:
    # It takes a while to import, which the digits do without.
    from torchvision import datasets

    return getattr(datasets, name)


def _read(name: str, source_name: str, data_dir: Path, part: Part, files: dict[str, object], **which: object) -> Any:
    # torchvision finds the folder by the name of the class, so the subclass keeps it.
    source: Callable[..., Any] = type(source_name, (_torchvision(source_name),), files)
    spec = BUILT_IN[name]

    def download(missing: tuple[Path, ...]) -> None:
        # torchvision waits for ever unless connections are told not to.
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(TIMEOUT_SECONDS)
        try:
            source(data_dir, download=True, **which)
        except BaseException:
            # A file cut short, by Ctrl-C too, would pass for one that is there and damaged.
            for path in missing:
                path.unlink(missing_ok=True)
            raise
        finally:
            socket.setdefaulttimeout(before)

    fetch_missing(spec, data_dir, part, download)
    try:
        return source(data_dir, download=False, **which)
    except DAMAGE as error:
        paths = ", ".join(str(data_dir / file) for file in (spec.files or {})[part])
        raise DataError(
            f"The {part} part of {name} is damaged or incomplete ({reason(error)}). It is read from: {paths}",
            hint=f"Delete these files and start again to download them, or {by_hand(spec, data_dir, part)}",
        ) from error
