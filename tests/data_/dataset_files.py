"""Small datasets in their real formats, written to disk."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from torch import Tensor
from torchvision import datasets

from pure_nas.data import Dataset

Pixels = NDArray[np.uint8]


def picture(seed: int, width: int = 16, height: int = 16, channels: int = 3) -> Image.Image:
    """A random picture; the same seed gives the same one."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values[:, :, 0] if channels == 1 else values)


def write_classes(folder: Path, counts: Mapping[str, int], *, size: int = 16, channels: int = 3) -> None:
    """A folder for each class with so many PNG files; no two pictures below one root are equal."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            seed = int.from_bytes(hashlib.sha256(f"{folder.name}/{name}/{number}".encode()).digest()[:4], "big")
            picture(seed, size, size, channels).save(folder / name / f"{number:03d}.png")


def unnormalised(images: Tensor, dataset: Dataset) -> Tensor:
    """Images of a dataset (N, C, H, W) as they were before normalisation, uint8."""
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (dataset.mean, dataset.std))
    return (images * std + mean).mul(255).round().to(torch.uint8)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def some_images(count: int, channels: int, size: int) -> tuple[Pixels, NDArray[np.int64]]:
    """Random images whose labels go round ten classes."""
    values = np.random.default_rng(count).integers(0, 256, (count, channels, size, size), dtype=np.uint8)
    return values, np.arange(count) % 10


def write_cifar10(data_dir: Path, patch: pytest.MonkeyPatch, *, per_batch: int = 20) -> None:
    """The python version of CIFAR-10, with checksums to match."""
    folder = data_dir / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for name, _ in [*datasets.CIFAR10.train_list, *datasets.CIFAR10.test_list]:
        images, labels = some_images(per_batch, 3, 32)
        content = {"data": images.reshape(per_batch, -1), "labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(content))
        lists["test_list" if name.startswith("test") else "train_list"].append([name, md5(folder / name)])
    meta = folder / "batches.meta"
    meta.write_bytes(pickle.dumps({"label_names": [f"thing {number}" for number in range(10)]}))
    for attribute, value in lists.items():
        patch.setattr(datasets.CIFAR10, attribute, value)
    patch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": md5(meta)})


def write_mnist(data_dir: Path, patch: pytest.MonkeyPatch, *, count: int = 60) -> None:
    """MNIST's four compressed files, as they are downloaded."""
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    resources = []
    for prefix, images in (("train", count), ("t10k", count // 3)):
        values, labels = some_images(images, 1, 28)
        for kind, content in (
            ("images-idx3", struct.pack(">4i", 2051, images, 28, 28) + values.tobytes()),
            ("labels-idx1", struct.pack(">2i", 2049, images) + labels.astype(np.uint8).tobytes()),
        ):
            path = raw / f"{prefix}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(content))
            resources.append((path.name, md5(path)))
    patch.setattr(datasets.MNIST, "resources", resources)


def write_svhn(data_dir: Path, patch: pytest.MonkeyPatch, *, count: int = 60) -> None:
    """SVHN's .mat files, in which the digit 0 has the label 10."""
    data_dir.mkdir(parents=True, exist_ok=True)
    parts = {}
    for part, (url, name, _) in datasets.SVHN.split_list.items():
        values, labels = some_images(count, 3, 32)
        stored = np.where(labels == 0, 10, labels).astype(np.uint8)
        savemat(data_dir / name, {"X": values.transpose(2, 3, 1, 0), "y": stored[:, None]})
        parts[part] = [url, name, md5(data_dir / name)]
    patch.setattr(datasets.SVHN, "split_list", parts)
