"""Paths that begin with ~, and machines without a home directory."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.images import load_dataset
from pure_nas.data.sources.registry import DATA_DIR_VARIABLE, default_data_dir
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import cache_folder, expanded
from pure_nas.run.directory import RunDirectory
from pure_nas.space.architecture import Architecture
from pure_nas.space.search_space import SearchSpace


@pytest.fixture
def _no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs for a user whom it does not know."""

    def unknown(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)


@pytest.mark.usefixtures("_no_home")
def test_a_tilde_without_a_home_is_refused() -> None:
    with pytest.raises(UsageError, match="The ~ in ~/runs stands for no home directory"):
        expanded("~/runs")


@pytest.mark.usefixtures("_no_home")
def test_without_a_home_files_are_kept_elsewhere_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        folder = default_data_dir()
    assert folder == tmp_path / f"pure-nas-{os.getuid()}" / "data"
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert "There is no home directory to keep files in (Could not determine home directory)" in caplog.text
    assert "PURE_NAS_DATA or --data-dir" in caplog.text


def test_a_home_that_cannot_be_written_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "pure-nas"
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / f"pure-nas-{os.getuid()}"
    assert "Not a directory" in caplog.text


@pytest.mark.usefixtures("_no_home")
def test_a_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"pure-nas-{os.getuid() + 1}").mkdir()
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(DataError, match="belongs to another user"):
        cache_folder()


@pytest.mark.parametrize("use", [RunDirectory.open, load_dataset, Architecture.load, SearchSpace.load, expanded])
def test_a_path_that_is_not_utf8_is_refused_with_the_way_out(use: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match=r"caf\\xe9 is not UTF-8") as raised:
        use(path)
    assert "Rename it" in raised.value.hint


def test_a_class_that_is_not_named_in_utf8_is_refused_and_such_images_are_read(
    image_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(image_folder, tmp_path / "images")
    folder = tmp_path / "images" / "train" / "circles"
    (folder / "000.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    assert len(load_dataset(tmp_path / "images").train) == len(load_dataset(image_folder).train)
    for part in ("train", "test"):
        (tmp_path / "images" / part / "circles").rename(tmp_path / "images" / part / os.fsdecode(b"cercl\xe9s"))
    with pytest.raises(UsageError, match=r"The name of the class cercl\\xe9s is not UTF-8"):
        load_dataset(tmp_path / "images")
