from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.images import load_dataset
from pure_nas import plugins
from pure_nas.data import decoded_cache
from pure_nas.data.image_set import StreamedPixels
from pure_nas.data.raw_images import LargeImages, Opened, PixelSource, RawImages
from pure_nas.data.sources import registry
from pure_nas.data.sources.registry import DatasetSpec, Part, dataset_names, default_data_dir, get_spec
from pure_nas.errors import DataError, PureNasError, UsageError


def stripes(data_dir: Path, part: Part) -> RawImages:
    images = np.zeros((40 if part == "train" else 10, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(len(images)) % 2
    images[labels == 1, :, ::2] = 255
    return RawImages(images, labels, ("plain", "striped"))


STRIPES = DatasetSpec(
    name="stripes", summary="stripes or none", num_classes=2, in_chans=1, image_size=8, flip=True, load=stripes
)


class Point:
    """An entry point of an installed package."""

    name = "stripes"
    value = "other_package:STRIPES"
    group = "pure_nas.datasets"

    def __init__(self, content: object) -> None:
        self.content = content

    def load(self) -> object:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    def install(content: object) -> None:
        monkeypatch.setattr(plugins, "entry_points", lambda group: [Point(content)])
        vars(registry.DATASETS).pop("installed", None)

    yield install
    monkeypatch.undo()
    vars(registry.DATASETS).pop("installed", None)


def test_listing_datasets_does_not_import_torch() -> None:
    code = "import sys; from pure_nas_cli.commands import datasets as d; d.datasets(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_the_built_in_datasets_are_listed_with_their_sizes() -> None:
    expected = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn", "galaxy10", "imagenet")
    assert dataset_names() == expected
    assert (get_spec("svhn").train_size, get_spec("svhn").test_size) == (73_257, 26_032)


def test_a_dataset_is_present_once_its_training_files_are(data_dir: Path) -> None:
    data_dir.mkdir()
    assert [name for name in dataset_names() if not get_spec(name).missing(data_dir, "train")] == ["digits"]
    (data_dir / "train_32x32.mat").touch()
    assert [name for name in dataset_names() if not get_spec(name).missing(data_dir, "train")] == ["digits", "svhn"]


def test_the_data_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PURE_NAS_DATA", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("PURE_NAS_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".cache" / "pure-nas" / "data"


def test_an_unknown_dataset_names_the_nearest_and_mentions_folders() -> None:
    with pytest.raises(UsageError, match=r'did you mean "cifar10"') as caught:
        load_dataset("CIFAR-10")
    assert "folder of images" in caught.value.hint


def test_another_package_adds_a_dataset(install, data_dir: Path) -> None:
    install(STRIPES)
    assert dataset_names()[-1] == "stripes"
    loaded = load_dataset("stripes", data_dir=data_dir)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test())) == (36, 4, 10)
    assert loaded.classes == ("plain", "striped")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ImportError("no such module"), "does not load"),
        ("stripes", "not a pure_nas.DatasetSpec"),
        (DatasetSpec(**{**vars(STRIPES), "name": "cifar10"}), "already taken"),
    ],
)
def test_a_broken_entry_point_is_named(install, content: object, message: str) -> None:
    install(content)
    with pytest.raises(PureNasError, match=message):
        dataset_names()


def test_a_loader_that_cannot_be_imported_is_named(data_dir: Path) -> None:
    spec = DatasetSpec(**{**vars(STRIPES), "load": "no_such_module:load"})
    with pytest.raises(PureNasError, match="no_such_module:load"):
        spec.read(data_dir, "train")


class Ramps(PixelSource):
    """Images of one shade each, which their position decides."""

    def pixels(self, position: int) -> np.ndarray:
        return np.full((1, self.size, self.size), position, dtype=np.uint8)


def ramps(data_dir: Path, part: Part) -> LargeImages:
    def ready(size: int, positions: np.ndarray, skip_corrupt: bool) -> Opened:
        corrupt = {3: "torn"} if skip_corrupt and part == "train" else {}
        return Opened(source=Ramps(size, 1), digest=part, corrupt=corrupt)

    labels = np.arange(40) % 2
    return LargeImages(labels=labels, classes=("even", "odd"), in_chans=1, image_size=8, open=ready)


def test_another_package_adds_a_dataset_too_large_for_memory(
    install, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(DatasetSpec(**{**vars(STRIPES), "load": ramps}))
    monkeypatch.setattr(decoded_cache, "RESIDENT_BYTES", 100)
    monkeypatch.setattr("pure_nas.data.image_set.usual_workers", lambda: 0)
    loaded = load_dataset("stripes", data_dir=data_dir, skip_corrupt=True)
    assert isinstance(loaded.train.pixels, StreamedPixels)
    assert (len(loaded.train_and_validation), loaded.skipped, len(loaded.test())) == (39, 1, 40)
    shades = [
        round((float(image[0, 0, 0]) * loaded.std[0] + loaded.mean[0]) * 255)
        for batch, _ in loaded.train_and_validation.batches(8)
        for image in batch
    ]
    assert shades == [shade for shade in range(40) if shade != 3]
    smaller = load_dataset("stripes", data_dir=data_dir, limit=10)
    assert len(smaller.train_and_validation) == 10


@pytest.mark.parametrize(("labels", "message"), [([0, 2], r"Labels must be in 0\.\.1"), ([], "There are no images")])
def test_labels_that_cannot_be_are_refused(labels: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LargeImages(
            labels=np.array(labels, dtype=np.int64),
            classes=("even", "odd"),
            in_chans=1,
            image_size=8,
            open=lambda size, positions, skip: Opened(source=Ramps(size, 1), digest=""),
        )
