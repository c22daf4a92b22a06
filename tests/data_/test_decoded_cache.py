from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path

import pytest
from dataset_files import picture
from image_zoo import ZOO

from benchmarks.images import load_dataset
from pure_nas.data import decoded_cache
from pure_nas.data.decode import pillow_warnings_counted
from pure_nas.errors import DataError


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each decoding read; nothing where the cache was used."""
    counts: list[int] = []
    decode = decoded_cache.decode_listing

    def counting(listing, *arguments):  # type: ignore[no-untyped-def]
        counts.append(len(listing))
        return decode(listing, *arguments)

    monkeypatch.setattr(decoded_cache, "decode_listing", counting)
    return counts


def test_the_second_start_decodes_nothing_but_what_has_changed(
    folder: Path, data_dir: Path, decodings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = load_dataset(folder, data_dir=data_dir), load_dataset(folder, data_dir=data_dir)
    assert decodings == [24]
    assert first.fingerprint == second.fingerprint
    first.test()
    second.test()
    assert decodings == [24, 9]
    monkeypatch.setattr(decoded_cache, "_FORMAT", decoded_cache._FORMAT + 1)
    assert load_dataset(folder, data_dir=data_dir).fingerprint == first.fingerprint
    picture(5).save(folder / "train" / "dog" / "000.png")
    assert load_dataset(folder, data_dir=data_dir).fingerprint != first.fingerprint
    assert decodings == [24, 9, 24, 24]


@pytest.mark.filterwarnings("error")
def test_what_pillow_warns_about_becomes_one_line(
    folder: Path, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        name = folder / "train" / "cat" / f"{number}.jpg"
        name.write_bytes(ZOO["EXIF with an entry cut short"]())
    with caplog.at_level(logging.INFO):
        load_dataset(folder, data_dir=data_dir)
    (line,) = caplog.messages
    assert re.fullmatch(r"Pillow warned \d+ times about the images, first of: Corrupt EXIF data\. .*\.", line)


def test_warnings_of_others_are_shown_as_ever() -> None:
    with pytest.warns(UserWarning, match="of mine"), pillow_warnings_counted():
        warnings.warn("of mine", stacklevel=1)


@pytest.mark.parametrize("pattern", ["*.npy", "*.json"])
def test_an_entry_in_which_a_bit_is_another_is_made_again(
    folder: Path, data_dir: Path, decodings: list[int], pattern: str
) -> None:
    first = load_dataset(folder, data_dir=data_dir)
    (path,) = (data_dir / "decoded").glob(pattern)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        assert load_dataset(folder, data_dir=data_dir).fingerprint == first.fingerprint
    assert decodings == [24, 24]


def test_corrupt_files_are_remembered(folder: Path, data_dir: Path, decodings: list[int]) -> None:
    (folder / "train" / "dog" / "001.png").write_bytes(b"nothing")
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 of 24 .*train/dog/001\.png \(not an image\)"):
            load_dataset(folder, data_dir=data_dir)
    assert load_dataset(folder, data_dir=data_dir, skip_corrupt=True).skipped == 1
    assert decodings == [24]


def test_what_a_kill_left_long_ago_is_removed_with_the_next_entry(folder: Path, data_dir: Path) -> None:
    folder_of_cache = data_dir / "decoded"
    folder_of_cache.mkdir(parents=True)
    names = [f".{letter * 32}.npy.{'0' * 32}" for letter in "ab"]
    for name in (*names, ".keep.me"):
        (folder_of_cache / name).touch()
        os.utime(folder_of_cache / name, (0, 0))
    os.utime(folder_of_cache / names[1])  # another process writes it
    load_dataset(folder, data_dir=data_dir)
    assert {path.name for path in folder_of_cache.glob(".*")} == {names[1], ".keep.me"}
