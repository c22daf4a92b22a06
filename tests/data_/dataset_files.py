"""Small datasets in their real formats, written to disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from torch import Tensor
from torchvision import datasets

from pure_nas.data.dataset import Dataset
from pure_nas.data.image_files import ImageFiles
from pure_nas.data.sources.registry import IMAGENET_CLASSES

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


def listing_of(paths: Sequence[Path]) -> ImageFiles:
    """Files of one folder, all of one class."""
    return ImageFiles(paths[0].parent, np.array([path.name for path in paths], np.bytes_), np.zeros(len(paths), int))


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


def write_galaxy10(data_dir: Path, count: int = 40, **changes: Any) -> Path:
    """Galaxy10_DECals.h5 with the arrays of the real one; `changes` replaces arrays, None leaves one out.

    A link stands for itself, an empty dictionary for a group, and another one for an array that was never filled.

    The upper half of every image has a shade that tells its number; the lower half is black.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "Galaxy10_DECals.h5"
    images = np.zeros((count, 256, 256, 3), dtype=np.uint8)
    for number in range(count):
        images[number, :128, :, number % 3] = number + 1
    arrays = {
        "images": images,
        "ans": np.arange(count, dtype=np.uint8) % 10,
        "ra": np.zeros(count),
        "dec": np.zeros(count),
        "redshift": np.full(count, np.nan),
        "pxscale": np.full(count, 0.262),
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if isinstance(values, dict):
                file.create_dataset(name, **values, compression="gzip") if values else file.create_group(name)
            elif isinstance(values, h5py.ExternalLink):
                file[name] = values
            elif values is not None:
                compressed = {"chunks": True, "compression": "gzip"} if len(values) else {}
                file.create_dataset(name, data=values, **compressed)
    return path


def imagenet_of_ten(patch: pytest.MonkeyPatch, count: int = 10) -> None:
    """Let ImageNet have its first ten classes only, or another number of them."""
    few = dict(list(IMAGENET_CLASSES.items())[:count])
    patch.setattr("pure_nas.data.sources.imagenet.IMAGENET_CLASSES", few)


IMAGENET_IDENTIFIERS = tuple(IMAGENET_CLASSES)[:10]
"""Of the classes of the small ImageNets that are written here."""
_COUNT = len(IMAGENET_IDENTIFIERS)


def photograph(number: int, width: int = 30, height: int = 20) -> bytes:
    """A JPEG file of one colour, which the number decides."""
    shade = Image.new("RGB", (width, height), (number * 7 % 256, number * 31 % 256, number * 101 % 256))
    content = io.BytesIO()
    shade.save(content, "JPEG")
    return content.getvalue()


def imagenet_photographs(identifier: str, count: int) -> dict[str, bytes]:
    """The training images of a class, by file name."""
    label = IMAGENET_IDENTIFIERS.index(identifier)
    return {f"{identifier}_{number}.JPEG": photograph(label * 3 + number) for number in range(count)}


def write_imagenet_folders(root: Path, *, train: int = 2) -> None:
    """train/<class> with so many images each, and val/<class> with one."""
    for label, identifier in enumerate(IMAGENET_IDENTIFIERS):
        (root / "train" / identifier).mkdir(parents=True)
        for name, content in imagenet_photographs(identifier, train).items():
            (root / "train" / identifier / name).write_bytes(content)
        (root / "val" / identifier).mkdir(parents=True)
        (root / "val" / identifier / _validation_name(label)).write_bytes(photograph(label))


def _validation_name(label: int) -> str:
    """The validation images are in no order of their classes: 7 and 10 have no common factor."""
    return f"ILSVRC2012_val_{label * 7 % _COUNT + 1:08d}.JPEG"


def write_imagenet_archives(root: Path, *, train: int = 2) -> None:
    """The three official archives: the same images as `write_imagenet_folders` writes."""
    root.mkdir(parents=True)
    inner = {f"{each}.tar": tar_of(imagenet_photographs(each, train)) for each in reversed(IMAGENET_IDENTIFIERS)}
    (root / "ILSVRC2012_img_train.tar").write_bytes(tar_of(inner))
    images = {_validation_name(label): photograph(label) for label in range(_COUNT)}
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar_of(images))
    write_imagenet_kit(root)


def write_imagenet_kit(root: Path) -> None:
    """ILSVRC2012_devkit_t12.tar.gz: classes have numbers of their own, after which groups of classes are listed."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
    numbers = {identifier: label * 3 % _COUNT + 1 for label, identifier in enumerate(IMAGENET_IDENTIFIERS)}
    nothing = np.zeros((0, 0))
    rows = [(number, identifier, "words", "gloss", 0, nothing, 0) for identifier, number in numbers.items()]
    rows = sorted(rows, key=lambda row: row[0])
    rows += [(_COUNT + 1 + group, f"n9000000{group}", "group", "gloss", 2, np.array([1, 2]), 1) for group in range(3)]
    synsets = np.zeros((len(rows), 1), dtype=[(field, object) for field in fields])
    for place, row in enumerate(rows):
        synsets[place, 0] = row
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    labels = {label * 7 % _COUNT: label for label in range(_COUNT)}
    truth = "".join(f"{numbers[IMAGENET_IDENTIFIERS[labels[place]]]}\n" for place in range(_COUNT))
    folder = "ILSVRC2012_devkit_t12/data"
    files = {
        "ILSVRC2012_devkit_t12/readme.txt": b"of the development kit",
        f"{folder}/meta.mat": meta.getvalue(),
        f"{folder}/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
    }
    (root / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(gzip.compress(tar_of(files)))


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()
