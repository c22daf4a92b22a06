from __future__ import annotations

import errno
import gzip
import pickle
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from dataset_files import some_images, unnormalised, write_cifar10, write_mnist, write_svhn
from torchvision import datasets

from benchmarks.images import load_dataset
from pure_nas.errors import DataError, UsageError

Write = Callable[[Path, pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", refuse)


def test_digits_come_with_scikit_learn(data_dir: Path) -> None:
    loaded = load_dataset("digits", data_dir=data_dir)
    assert (loaded.in_chans, loaded.image_size, loaded.flip) == (1, 8, False)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test())) == (1150, 288, 359)
    assert not data_dir.exists()


def test_a_dataset_can_be_sent_to_another_process(data_dir: Path) -> None:
    loaded = load_dataset("digits", data_dir=data_dir)
    for each in (loaded, pickle.loads(pickle.dumps(loaded))):
        assert len(pickle.loads(pickle.dumps(each)).test()) == len(loaded.test()) == 359


def test_images_are_scaled_when_asked(data_dir: Path) -> None:
    loaded = load_dataset("digits", data_dir=data_dir, image_size=16, limit=100)
    assert next(loaded.train.batches(4))[0].shape == (4, 1, 16, 16)
    assert next(loaded.test().batches(4))[0].shape == (4, 1, 16, 16)


@pytest.mark.parametrize(("share", "count"), [(100, 100), (0.1, 144), (0.0001, 1)])
def test_a_share_is_a_number_of_images_or_a_part(data_dir: Path, share: float, count: int) -> None:
    loaded = load_dataset("digits", data_dir=data_dir, validation=share)
    assert len(loaded.validation) == count
    assert torch.bincount(loaded.validation.labels).max() <= count // 10 + 1


@pytest.mark.parametrize("share", [0, -1, 1438, 0.0, 1.0, 1.5])
def test_a_senseless_share_names_itself_and_the_way_out(data_dir: Path, share: float) -> None:
    with pytest.raises(UsageError, match=f"validation = {share!r} cannot be used with 1438 images") as caught:
        load_dataset("digits", data_dir=data_dir, validation=share)
    assert "1 to 1437" in caught.value.hint


@pytest.mark.parametrize("share", [True, float("nan"), "10"])
def test_a_share_that_is_no_number_is_refused(data_dir: Path, share: float) -> None:
    with pytest.raises(UsageError, match=f"validation: must be int or float, got {share!r}"):
        load_dataset("digits", data_dir=data_dir, validation=share)


def test_cifar10_is_read_from_the_official_files_and_its_test_batch_when_it_is_wanted(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(data_dir, monkeypatch)
    batch = data_dir / "cifar-10-batches-py" / "test_batch"
    content = batch.read_bytes()
    batch.write_bytes(b"damaged")
    loaded = load_dataset("cifar10", data_dir=data_dir)
    assert (loaded.in_chans, loaded.image_size, loaded.flip) == (3, 32, True)
    assert (len(loaded.train), len(loaded.validation)) == (80, 20)
    with pytest.raises(DataError, match="The test part of cifar10 is damaged"):
        loaded.test()
    batch.write_bytes(content)
    images, _ = next(loaded.test().batches(20))
    assert torch.equal(unnormalised(images, loaded), torch.from_numpy(some_images(20, 3, 32)[0]))


def test_mnist_is_unpacked_once_and_then_read(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(data_dir, monkeypatch)
    raw = data_dir / "MNIST" / "raw"
    for _ in range(2):
        loaded = load_dataset("mnist", data_dir=data_dir)
        assert (len(loaded.train), len(loaded.validation), loaded.in_chans) == (40, 20, 1)
        assert not (raw / "t10k-images-idx3-ubyte").exists()
        for path in raw.glob("train*.gz"):
            path.unlink()
    assert len(loaded.test()) == 20


def test_svhn_has_its_zeros_back_and_labels_match_their_images(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(data_dir, monkeypatch)
    loaded = load_dataset("svhn", data_dir=data_dir)
    assert torch.bincount(loaded.train_and_validation.labels).tolist() == [6] * 10
    assert (loaded.in_chans, loaded.image_size, len(loaded.test())) == (3, 32, 60)
    values, labels = some_images(60, 3, 32)
    label_of = {image.tobytes(): int(label) for image, label in zip(values, labels, strict=True)}
    for images, given in loaded.train.batches(16, generator=torch.Generator().manual_seed(0)):
        stored = unnormalised(images, loaded).numpy()
        assert [label_of[np.ascontiguousarray(image).tobytes()] for image in stored] == given.tolist()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-python.tar.gz"),
        ("cifar100", "cifar-100-python.tar.gz"),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte.gz"),
        ("fashion-mnist", "FashionMNIST/raw/train-images-idx3-ubyte.gz"),
        ("svhn", "train_32x32.mat"),
        ("galaxy10", "Galaxy10_DECals.h5"),
    ],
)
def test_without_a_network_the_error_says_which_file_belongs_where(data_dir: Path, name: str, file: str) -> None:
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        load_dataset(name, data_dir=data_dir)
    assert str(data_dir / file) in caught.value.hint


@pytest.mark.parametrize(
    ("write", "name", "file", "content"),
    [
        (write_cifar10, "cifar10", "cifar-10-batches-py/data_batch_3", b"damaged"),
        (write_mnist, "mnist", "MNIST/raw/train-images-idx3-ubyte", b""),
        (write_mnist, "mnist", "MNIST/raw/train-images-idx3-ubyte", b"\x00\x00\x08\x03"),
        (write_mnist, "mnist", "MNIST/raw/train-images-idx3-ubyte", b"nonsense" * 20),
    ],
)
def test_a_damaged_file_is_named(
    write: Write, name: str, file: str, content: bytes, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(data_dir, monkeypatch)
    load_dataset(name, data_dir=data_dir)
    (data_dir / file).write_bytes(content)
    with pytest.raises(DataError, match=rf"train part of {name} is damaged") as caught:
        load_dataset(name, data_dir=data_dir)
    assert "Delete these files" in caught.value.hint


def test_images_and_labels_of_different_counts_are_an_error(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(data_dir, monkeypatch)
    load_dataset("mnist", data_dir=data_dir)
    raw = data_dir / "MNIST" / "raw"
    labels = gzip.decompress((raw / "t10k-labels-idx1-ubyte.gz").read_bytes())
    (raw / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(DataError, match="labels must be int64 of shape"):
        load_dataset("mnist", data_dir=data_dir)


def test_an_archive_damaged_on_the_way_is_mentioned(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", data_dir=data_dir)
    assert "the file there now is damaged or incomplete" in caught.value.hint


def test_an_interrupted_download_leaves_no_half_file(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: datasets.SVHN) -> None:
        (data_dir / "train_32x32.mat").write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets.SVHN, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_dataset("svhn", data_dir=data_dir)
    assert not (data_dir / "train_32x32.mat").exists()


def test_a_full_disk_is_not_taken_for_a_missing_network(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: datasets.SVHN) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets.SVHN, "download", full)
    with pytest.raises(DataError, match=r"cannot be stored in .*No space left on device") as caught:
        load_dataset("svhn", data_dir=data_dir)
    assert "PURE_NAS_DATA" in caught.value.hint


def test_a_data_directory_that_is_a_file_is_explained(data_dir: Path) -> None:
    data_dir.write_text("")
    for directory in (data_dir, data_dir / "below"):
        with pytest.raises(DataError, match="svhn cannot be stored in"):
            load_dataset("svhn", data_dir=directory)
