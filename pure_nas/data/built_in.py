"""The datasets that ship. No PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from pure_nas.data.spec import DatasetSpec, Download, Part


def _mnist(name: str, folder: str, mirror: str, summary: str, flip: bool) -> DatasetSpec:
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
        load=f"pure_nas.data.official:{folder.lower()}",
        train_size=60_000,
        test_size=10_000,
        validation=5_000,
        files={part: tuple(f"{raw}/{file}" for file in names) for part, names in files.items()},
        downloads={
            part: tuple(Download(url=f"{mirror}/{file}.gz", folder=raw) for file in names)
            for part, names in files.items()
        },
    )


def _cifar(classes: int, folder: str, train: tuple[str, ...], test: str, metadata: str) -> DatasetSpec:
    archive = (Download(url=f"https://www.cs.toronto.edu/~kriz/cifar-{classes}-python.tar.gz"),)
    return DatasetSpec(
        name=f"cifar{classes}",
        summary=f"colour photographs of {classes} kinds of things",
        num_classes=classes,
        in_chans=3,
        image_size=32,
        flip=True,
        load=f"pure_nas.data.official:cifar{classes}",
        train_size=50_000,
        test_size=10_000,
        validation=5_000,
        files={
            "train": tuple(f"{folder}/{file}" for file in (*train, metadata)),
            "test": (f"{folder}/{test}", f"{folder}/{metadata}"),
        },
        downloads={"train": archive, "test": archive},
    )


_DIGITS = DatasetSpec(
    name="digits",
    summary="handwritten digits that come with scikit-learn; no download",
    num_classes=10,
    in_chans=1,
    image_size=8,
    flip=False,
    load="pure_nas.data.digits:read_digits",
    train_size=1_438,
    test_size=359,
    validation=0.2,
)

_SVHN = DatasetSpec(
    name="svhn",
    summary="house numbers from street photographs, one digit an image",
    num_classes=10,
    in_chans=3,
    image_size=32,
    flip=False,
    load="pure_nas.data.official:svhn",
    train_size=73_257,
    test_size=26_032,
    validation=5_000,
    files={"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
    downloads={
        "train": (Download(url="http://ufldl.stanford.edu/housenumbers/train_32x32.mat"),),
        "test": (Download(url="http://ufldl.stanford.edu/housenumbers/test_32x32.mat"),),
    },
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
        ),
        _mnist(
            "fashion-mnist",
            "FashionMNIST",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "grayscale pictures of clothes",
            flip=True,
        ),
        _cifar(
            10,
            "cifar-10-batches-py",
            tuple(f"data_batch_{number}" for number in range(1, 6)),
            "test_batch",
            "batches.meta",
        ),
        _cifar(100, "cifar-100-python", ("train",), "test", "meta"),
        _SVHN,
    )
}
