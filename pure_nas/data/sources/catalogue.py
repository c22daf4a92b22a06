"""The datasets that ship and those that other packages add; where each is looked for, and whether it is there.

A package adds a dataset by exposing one `DatasetSpec` under the entry-point group `pure_nas.datasets`. No PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from pure_nas.data.sources.spec import PARTS, DatasetSpec, Download, Part
from pure_nas.paths import cache_folder, expanded
from pure_nas.plugins import Registry

ENTRY_POINT_GROUP = "pure_nas.datasets"
DATA_DIR_VARIABLE = "PURE_NAS_DATA"

GALAXY10_CLASSES = (
    "disturbed",
    "merging",
    "round smooth",
    "in-between round smooth",
    "cigar-shaped smooth",
    "barred spiral",
    "unbarred tight spiral",
    "unbarred loose spiral",
    "edge-on without bulge",
    "edge-on with bulge",
)
"""Of Galaxy10 DECaLS, in the order of its labels."""

_DIGIT_NAMES = tuple(str(digit) for digit in range(10))
_CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_IMAGENET_PAGE = "https://image-net.org/download-images"


@cache
def imagenet_classes() -> dict[str, str]:
    """The name of each class of ImageNet by its WordNet identifier, in the order of its labels, which is theirs."""
    text = resources.files("pure_nas.data.sources").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return dict(line.split(" ", 1) for line in text.splitlines())


def imagenet_names() -> tuple[str, ...]:
    """The names of the classes of ImageNet in the order of their labels."""
    return tuple(imagenet_classes().values())


def _mnist(
    name: str, folder: str, mirror: str, summary: str, *, flip: bool, labels: tuple[str, ...], licence: str
) -> DatasetSpec:
    files: dict[Part, tuple[str, ...]] = {
        "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    }
    raw = f"{folder}/raw"
    return DatasetSpec(
        name=name,
        summary=summary,
        num_classes=10,
        in_chans=1,
        image_size=28,
        flip=flip,
        load=f"pure_nas.data.sources.small_sets:{folder.lower()}",
        train_size=60_000,
        test_size=10_000,
        validation=5_000,
        files={part: tuple(f"{raw}/{file}" for file in names) for part, names in files.items()},
        downloads={
            part: tuple(Download(url=f"{mirror}/{file}.gz", folder=raw) for file in names)
            for part, names in files.items()
        },
        labels=labels,
        licence=licence,
    )


def _cifar(
    classes: int, folder: str, train: tuple[str, ...], test: str, metadata: str, labels: tuple[str, ...] = ()
) -> DatasetSpec:
    archive = (Download(url=f"https://www.cs.toronto.edu/~kriz/cifar-{classes}-python.tar.gz"),)
    return DatasetSpec(
        name=f"cifar{classes}",
        summary=f"colour photographs of {classes} kinds of things",
        num_classes=classes,
        in_chans=3,
        image_size=32,
        flip=True,
        load=f"pure_nas.data.sources.small_sets:cifar{classes}",
        train_size=50_000,
        test_size=10_000,
        validation=5_000,
        files={
            "train": tuple(f"{folder}/{file}" for file in (*train, metadata)),
            "test": (f"{folder}/{test}", f"{folder}/{metadata}"),
        },
        downloads={"train": archive, "test": archive},
        labels=labels,
        licence="none is stated; its page asks to cite Krizhevsky, Learning Multiple Layers of Features from Tiny "
        "Images, 2009",
    )


_DIGITS = DatasetSpec(
    name="digits",
    summary="handwritten digits that come with scikit-learn; no download",
    num_classes=10,
    in_chans=1,
    image_size=8,
    flip=False,
    load="pure_nas.data.sources.small_sets:digits",
    train_size=1_438,
    test_size=359,
    validation=0.2,
    labels=_DIGIT_NAMES,
    licence="CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
    notes="There is no official test part: a fifth of each class, always the same images, is set aside.",
)

_SVHN = DatasetSpec(
    name="svhn",
    summary="house numbers from street photographs, one digit an image",
    num_classes=10,
    in_chans=3,
    image_size=32,
    flip=False,
    load="pure_nas.data.sources.small_sets:svhn",
    train_size=73_257,
    test_size=26_032,
    validation=5_000,
    files={"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
    downloads={
        "train": (Download(url="http://ufldl.stanford.edu/housenumbers/train_32x32.mat"),),
        "test": (Download(url="http://ufldl.stanford.edu/housenumbers/test_32x32.mat"),),
    },
    labels=_DIGIT_NAMES,
    licence="for non-commercial use only, says its page",
)

GALAXY10_FILE = Download(
    url="https://zenodo.org/records/10845026/files/Galaxy10_DECals.h5",
    checksum="sha256:19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571",
)

_GALAXY10 = DatasetSpec(
    name="galaxy10",
    summary="galaxies of the DECaLS survey in ten shapes",
    num_classes=10,
    in_chans=3,
    image_size=256,
    flip=True,
    turns=True,
    load="pure_nas.data.sources.galaxy10:galaxy10",
    train_size=15_962,
    test_size=1_774,
    validation=0.1,
    files=dict.fromkeys(PARTS, ("Galaxy10_DECals.h5",)),
    downloads=dict.fromkeys(PARTS, (GALAXY10_FILE,)),
    labels=GALAXY10_CLASSES,
    licence="as the record of the file states it, https://zenodo.org/records/10845026: look there before passing "
    "images on. Publications are asked to acknowledge Galaxy Zoo for the labels (Walmsley et al. 2021, "
    "arXiv:2102.08414) and the DESI Legacy Imaging Surveys for the images (Dey et al. 2019, AJ 157, 168; their text: "
    "https://www.legacysurvey.org/acknowledgment). Compiled by Henry Leung and Jo Bovy, University of Toronto: "
    "https://github.com/henrysky/Galaxy10",
    notes="17,736 images, 2.7 GB. There is no official test part: a tenth of each class, always the same images, is "
    "set aside. The first start unpacks the file at the size that is asked for: 3.5 GB of disk at 256 pixels, 0.2 GB "
    "with --image-size 64. Galaxies have no upright: vertical_flip and quarter_turns of a recipe keep their labels.",
)


def _imagenet_file(name: str, md5: str) -> Download:
    return Download(url=_IMAGENET_PAGE, folder="imagenet", file=name, checksum=f"md5:{md5}")


_IMAGENET_KIT = _imagenet_file("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf")

_IMAGENET = DatasetSpec(
    name="imagenet",
    summary="photographs of a thousand kinds of things (ILSVRC2012)",
    num_classes=1000,
    in_chans=3,
    image_size=224,
    flip=True,
    load="pure_nas.data.sources.imagenet:imagenet",
    train_size=1_281_167,
    test_size=50_000,
    validation=50_000,
    files={
        "train": ("imagenet/ILSVRC2012_img_train.tar",),
        "test": ("imagenet/ILSVRC2012_img_val.tar", f"imagenet/{_IMAGENET_KIT.file}"),
    },
    instead={"train": ("imagenet/train",), "test": ("imagenet/val",)},
    downloads={
        "train": (_imagenet_file("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),),
        "test": (_imagenet_file("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"), _IMAGENET_KIT),
    },
    labels=imagenet_names,
    licence="for non-commercial research and teaching, to those who register and agree to the terms of access at "
    "https://image-net.org/download",
    notes="About 155 GB. The folders imagenet/train/<class> and imagenet/val/<class>, named n01440764 and so on, or "
    "the archives as they are, which need not be unpacked. The official validation images are the test part; the "
    "validation images are set aside from train. Images are decoded when they are wanted, so a damaged one is named "
    "only then; --skip-corrupt decodes all once, and keeps a list. A usual recipe has random_resized_crop = 0.08.",
)

BUILT_IN: Mapping[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        _DIGITS,
        _mnist(
            "mnist",
            "MNIST",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "handwritten digits",
            flip=False,
            labels=_DIGIT_NAMES,
            licence="CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)",
        ),
        _mnist(
            "fashion-mnist",
            "FashionMNIST",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "grayscale pictures of clothes",
            flip=True,
            labels=_CLOTHES,
            licence="MIT (Zalando SE)",
        ),
        _cifar(
            10,
            "cifar-10-batches-py",
            tuple(f"data_batch_{number}" for number in range(1, 6)),
            "test_batch",
            "batches.meta",
            _CIFAR10_NAMES,
        ),
        _cifar(100, "cifar-100-python", ("train",), "test", "meta"),
        _SVHN,
        _GALAXY10,
        _IMAGENET,
    )
}


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """One line of a dataset listing.

    Attributes:
        classes: number of classes.
        image_shape: (channels, height, width) as stored.
        train_size: images in the train part, None if unknown.
        test_size: images in the test part, None if unknown.
        location: folder of its files.
        present: whether its train part can be read without a download.
    """

    name: str
    summary: str
    classes: int
    image_shape: tuple[int, int, int]
    train_size: int | None
    test_size: int | None
    location: str
    present: bool


DATASETS = Registry(ENTRY_POINT_GROUP, DatasetSpec, BUILT_IN)


def default_data_dir() -> Path:
    """Where datasets are kept: `$PURE_NAS_DATA`, or `data` in `cache_folder()`."""
    named = os.environ.get(DATA_DIR_VARIABLE)
    return expanded(named) if named else cache_folder() / "data"


def dataset_names() -> tuple[str, ...]:
    """Names of every dataset that can be used, the built-in ones first."""
    return DATASETS.names


def get_spec(name: str) -> DatasetSpec:
    """The dataset called `name`.

    Raises:
        UsageError: no dataset has that name.
    """
    return DATASETS.get(
        name, hint="The path of a folder of images works too: folder/train/<class>/*, or folder/<class>/*."
    )


def describe_datasets(data_dir: Path | None = None) -> list[DatasetInfo]:
    """Every dataset that can be named, and whether it is in `data_dir` (default `default_data_dir()`)."""
    root = default_data_dir() if data_dir is None else expanded(data_dir)
    return [describe(get_spec(name), root) for name in dataset_names()]


def describe(spec: DatasetSpec, root: Path) -> DatasetInfo:
    """One dataset, and whether it is in `root`."""
    files = (spec.files or {}).get("train", ())
    return DatasetInfo(
        name=spec.name,
        summary=spec.summary,
        classes=spec.num_classes,
        image_shape=(spec.in_chans, spec.image_size, spec.image_size),
        train_size=spec.train_size,
        test_size=spec.test_size,
        location=str((root / files[0]).parent) if files else "comes with its package",
        present=not spec.missing(root, "train"),
    )
