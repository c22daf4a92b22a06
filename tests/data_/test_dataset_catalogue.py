from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.images import load_dataset
from pure_nas.data.raw_images import LargeImages
from pure_nas.data.sources.registry import dataset_names, default_data_dir, get_spec
from pure_nas.errors import DataError, PureNasError, UsageError


def test_listing_datasets_does_not_import_torch() -> None:
    code = "import sys; from pure_nas_cli.commands import datasets as d; d.datasets(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


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


def test_a_loader_is_called_or_imported_and_named_where_it_cannot_be(data_dir: Path) -> None:
    assert replace(get_spec("digits"), load=lambda _, part: part).read(data_dir, "train") == "train"
    with pytest.raises(PureNasError, match="no_such_module:load"):
        replace(get_spec("digits"), load="no_such_module:load").read(data_dir, "train")


@pytest.mark.parametrize(("labels", "message"), [([0, 2], r"Labels must be in 0\.\.1"), ([], "There are no images")])
def test_labels_that_cannot_be_are_refused(labels: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LargeImages(
            labels=np.array(labels, dtype=np.int64),
            classes=("even", "odd"),
            in_chans=1,
            image_size=8,
            open=lambda *_: pytest.fail("they were read"),
        )
