from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from dataset_files import Pixels, unnormalised, write_galaxy10

from benchmarks.images import load_dataset
from pure_nas.data import decoded_cache
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet
from pure_nas.data.sources import galaxy10
from pure_nas.errors import DataError


def load(data_dir: Path, **arguments: object) -> Dataset:
    return load_dataset("galaxy10", data_dir=data_dir, **arguments)  # type: ignore[arg-type]


def numbers(images: ImageSet, loaded: Dataset) -> list[int]:
    """The numbers of the images of a set, read from their shades."""
    batches = [unnormalised(batch, loaded) for batch, _ in images.batches(16)]
    return [int(image.max()) - 1 for batch in batches for image in batch]


def test_the_real_layout_is_read_and_a_tenth_of_each_class_is_the_test_part(data_dir: Path) -> None:
    write_galaxy10(data_dir, 100)
    loaded = load(data_dir, image_size=16)
    assert loaded.classes[4] == "cigar-shaped smooth"
    assert loaded.facts["decoded_size"] == 256
    assert "stored_size" not in loaded.facts
    assert (loaded.in_chans, loaded.image_size, loaded.flip, loaded.turns) == (3, 16, True, True)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test())) == (70, 20, 10)
    assert torch.bincount(loaded.test().labels).tolist() == [1] * 10
    shown = [numbers(images, loaded) for images in (loaded.train, loaded.validation, loaded.test())]
    assert sorted(chain(*shown)) == list(range(100))
    assert [number % 10 for number in shown[0]] == loaded.train.labels.tolist()
    for image in unnormalised(torch.cat([x for x, _ in loaded.train.batches(64)]), loaded):
        number = int(image.max()) - 1
        assert image[number % 3, 0].tolist() == [number + 1] * 16
        assert int(image[:, 9:].max()) == 0


def test_the_file_is_unpacked_once_a_size(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_galaxy10(data_dir, 20)
    first = load(data_dir, image_size=16)
    monkeypatch.setattr(galaxy10, "_slabs", lambda path, size: pytest.fail("unpacked again"))
    again = load(data_dir, image_size=16)
    assert again.fingerprint == first.fingerprint
    assert len(again.test()) == 2
    monkeypatch.undo()
    assert load(data_dir, image_size=24).fingerprint != first.fingerprint
    path.unlink()
    write_galaxy10(data_dir, 30)
    assert load(data_dir, image_size=16).fingerprint != first.fingerprint


def test_a_file_other_than_the_published_one_is_used_and_said_to_be_another_when_it_is_unpacked(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_galaxy10(data_dir, 20)
    with caplog.at_level(logging.WARNING):
        load(data_dir, image_size=16)
    assert caplog.messages == [
        f"{path} is not the published file: its sha256 differs (pure-nas datasets galaxy10). It is used as it is."
    ]
    load(data_dir, image_size=16)
    assert len(caplog.messages) == 1
    checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    monkeypatch.setattr(galaxy10, "GALAXY10_FILE", replace(galaxy10.GALAXY10_FILE, checksum=checksum))
    with caplog.at_level(logging.WARNING):
        load(data_dir, image_size=24)
    assert len(caplog.messages) == 1


def test_a_full_disk_is_said_with_what_is_needed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_galaxy10(data_dir, 20)
    monkeypatch.setattr(decoded_cache, "RESIDENT_BYTES", 1000)
    monkeypatch.setattr(galaxy10.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(DataError, match=r"h5 take 15\.4 kB and cannot be stored .*: only 10 B are free") as caught:
        load(data_dir, image_size=16)
    assert "--image-size" in caught.value.hint
    assert not list((data_dir / "decoded").glob("*.np*"))


SMALL = np.zeros((12, 69, 69, 3), dtype=np.uint8)
ONE_PIECE = {"shape": (1500, 256, 256, 3), "dtype": np.uint8, "chunks": (1500, 256, 256, 3)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, r'no array "images": it must hold "images" and "ans", but has "ans", "dec", "pxscale"'),
        ({"ans": None}, r'no array "ans"'),
        ({"images": SMALL}, r'"images" must be uint8 of shape \(N, 256, 256, 3\), but is uint8 \(12, 69, 69, 3\)'),
        ({"images": np.zeros((12, 256, 256, 3), dtype=np.float32)}, r"but is float32 \(12, 256"),
        ({"ans": np.zeros(11, dtype=np.uint8)}, r'"ans" must hold 12 whole numbers, .* uint8 \(11,\)'),
        ({"ans": np.zeros(12)}, r'"ans" must hold 12 whole numbers, .* float64'),
        ({"ans": np.full(12, 10)}, r'"ans" must be in 0\.\.9, but ranges from 10 to 10'),
        (
            {"ans": np.arange(12) % 8},
            r"all 10 classes, but has none of: edge-on without bulge \(8\), edge-on",
        ),
        ({"images": np.zeros((0, 256, 256, 3), np.uint8), "ans": np.zeros(0, np.uint8)}, '"images" has no images'),
        ({"images": {}}, '"images" must be an array, but is a group'),
        ({"images": h5py.ExternalLink("elsewhere.h5", "/images")}, "an array, but is a broken link"),
        ({"images": ONE_PIECE, "ans": np.arange(1500) % 10}, "pieces of 295 MB, each of which would be .*; h5repack"),
    ],
)
def test_another_file_is_refused_with_what_is_wrong(data_dir: Path, changes: dict[str, object], message: str) -> None:
    path = write_galaxy10(data_dir, 12, **changes)
    with pytest.raises(DataError, match=message) as caught:
        load(data_dir)
    assert str(path) in caught.value.message
    assert "not the older Galaxy10.h5" in caught.value.hint
    assert "damaged" not in str(caught.value)


def test_a_part_of_the_file_with_one_image_of_a_class_is_used(data_dir: Path) -> None:
    write_galaxy10(data_dir, 15)
    loaded = load(data_dir, image_size=16)
    shown = [numbers(images, loaded) for images in (loaded.train, loaded.validation, loaded.test())]
    assert sorted(chain(*shown)) == list(range(15))
    assert set(range(5, 10)) <= set(shown[0])


def test_a_file_that_may_not_be_read_is_not_called_damaged(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_galaxy10(data_dir, 12)

    def denied(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Unable to synchronously open file")

    monkeypatch.setattr(h5py, "File", denied)
    with pytest.raises(DataError, match=f"{path} cannot be read: permission denied") as caught:
        load(data_dir)
    assert "permissions" in caught.value.hint


def test_who_waits_for_another_to_unpack_says_so(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_galaxy10(data_dir, 20)
    unpack, unpacking, said = galaxy10._slabs, Event(), Event()

    def slow(file: Path, size: int) -> Iterator[Pixels]:
        unpacking.set()
        assert said.wait(30)
        yield from unpack(file, size)

    monkeypatch.setattr(galaxy10, "_slabs", slow)
    waits = (
        "The images of Galaxy10_DECals.h5 are scaled to 16 x 16 pixels by another process, which this one waits for."
    )
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(2) as pool:
        first = pool.submit(load, data_dir, image_size=16)
        assert unpacking.wait(30)
        second = pool.submit(load, data_dir, image_size=16)
        ends = time.monotonic() + 30
        while waits not in caplog.messages and time.monotonic() < ends:
            time.sleep(0.01)
        said.set()
        assert first.result().fingerprint == second.result().fingerprint
    assert caplog.messages.count(waits) == 1


def test_unpacked_images_that_are_deleted_while_they_are_read_are_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_galaxy10(data_dir, 20)
    monkeypatch.setattr(decoded_cache, "RESIDENT_BYTES", 1000)
    loaded = load(data_dir, image_size=16)
    (unpacked,) = (data_dir / "decoded").glob("*.npy")
    unpacked.unlink()
    with pytest.raises(DataError, match=rf"{unpacked} cannot be read: No such file.*\n.*Start again"):
        next(loaded.train.batches(4))


@pytest.mark.parametrize(
    ("keep", "message"), [(0.7, "is cut short: .*truncated"), (0.0, "is damaged or not an HDF5 file")]
)
def test_a_file_cut_short_is_one_clear_message(data_dir: Path, keep: float, message: str) -> None:
    path = write_galaxy10(data_dir, 12)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=message) as caught:
        load(data_dir)
    assert "\n" not in caught.value.message
    assert "zenodo.org" in caught.value.hint
    assert "the file there now is damaged" in caught.value.hint


def test_a_damaged_piece_is_found_when_it_is_unpacked_and_nothing_is_kept(data_dir: Path) -> None:
    path = write_galaxy10(data_dir, 12)
    with h5py.File(path, "r") as file:
        piece = file["images"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[piece.byte_offset : piece.byte_offset + piece.size] = bytes(piece.size)
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        load(data_dir, image_size=16)
    assert not list((data_dir / "decoded").glob("*.np*"))
    assert not list((data_dir / "decoded").glob(".*.npy.*"))


BOUNDED = """
import resource, sys
from pathlib import Path

import h5py
import torch
from pure_nas.data import decoded_cache
from benchmarks.images import load_dataset

torch.set_num_threads(1)
folder = Path(sys.argv[1])
decoded_cache.RESIDENT_BYTES = 2**20
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 150 * 2**20,) * 2)
try:
    with h5py.File(folder / "Galaxy10_DECals.h5") as file:
        file["images"][:]
except MemoryError:
    print("too large to read whole")
dataset = load_dataset("galaxy10", data_dir=folder)
shown = sum(len(labels) for _, labels in dataset.train.batches(16))
print(type(dataset.train.pixels).__name__, shown, len(dataset.test()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_memory_stays_bounded_however_large_the_file_is(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "Galaxy10_DECals.h5", "w") as file:
        # 197 MB, of which almost nothing is written: pieces that were never filled read as zeros.
        file.create_dataset("images", (1000, 256, 256, 3), np.uint8, chunks=(60, 64, 64, 3), compression="gzip")
        file["ans"] = np.arange(1000) % 10
    command = [sys.executable, "-c", BOUNDED, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["too large to read whole", "StreamedPixels 810 100"]
