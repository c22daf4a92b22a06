"""What holds for all images alike, wherever they come from."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from dataset_files import imagenet_of_ten, write_galaxy10, write_imagenet_archives, write_imagenet_folders
from held_images import varied
from image_zoo import ZOO

from benchmarks.images import load_dataset
from pure_nas.data import decoded_cache
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import HeldPixels, ImageSet, StreamedPixels

Load = Callable[..., Dataset]


@pytest.fixture(params=["folder", "galaxy10", "imagenet", "archives"])
def source(request: pytest.FixtureRequest, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.setattr("pure_nas.data.image_set.usual_workers", lambda: 0)
    imagenet_of_ten(monkeypatch)
    name: str | Path = request.param
    match request.param:
        case "folder":
            name = request.getfixturevalue("folder")
            (name / "train" / "cat" / "003.png").write_bytes(b"")
            # Streaming it brings no warning of Pillow, which would be an error here.
            (name / "train" / "cat" / "000.png").write_bytes(ZOO["EXIF with an entry cut short"]())
        case "galaxy10":
            write_galaxy10(data_dir, 30)
        case "imagenet":
            write_imagenet_folders(data_dir / "imagenet", train=4)
        case "archives":
            name = "imagenet"
            write_imagenet_archives(data_dir / "imagenet", train=4)

    def load(directory: Path = data_dir, **options: object) -> Dataset:
        return load_dataset(name, data_dir=directory, image_size=16, skip_corrupt=True, **options)  # type: ignore[arg-type]

    return load


def shown(images: ImageSet) -> torch.Tensor:
    return torch.cat([batch for batch, _ in images.batches(16)])


def test_images_too_large_for_memory_are_read_as_they_are_wanted(source: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    held = source()
    monkeypatch.setattr(decoded_cache, "RESIDENT_BYTES", 1000)
    streamed, again = source(), source()
    assert isinstance(held.train.pixels, HeldPixels)
    assert isinstance(streamed.train.pixels, StreamedPixels)
    assert streamed.skipped == again.skipped == held.skipped
    assert streamed.fingerprint == again.fingerprint
    # That of a folder is of the pixels where they are held, and of the files where they are not.
    assert (streamed.fingerprint == held.fingerprint) == (held.name != "animals")
    assert (streamed.mean, streamed.std) == (held.mean, held.std)
    for part in ("train", "validation"):
        assert torch.equal(*(shown(getattr(each, part)) for each in (streamed, held)))
    assert torch.equal(shown(streamed.test()), shown(held.test()))
    augmented = (
        each.train.batches(50, generator=torch.Generator().manual_seed(3), augment=varied(random_resized_crop=0.08))
        for each in (streamed, held)
    )
    assert torch.equal(*(next(batches)[0] for batches in augmented))


def test_the_seed_moves_validation_but_never_test(source: Load) -> None:
    first, second = (source(seed=seed) for seed in (0, 1))
    assert first.fingerprint != second.fingerprint
    assert source(seed=0).fingerprint == first.fingerprint
    assert torch.equal(first.test().labels, second.test().labels)
    plain = [each.test().normalised(first.test().normalisation) for each in (first, second)]
    assert torch.equal(*map(shown, plain))
    assert not torch.equal(*(shown(each.validation) for each in (first, second)))


def test_the_fingerprint_does_not_depend_on_where_the_data_directory_is(source: Load, data_dir: Path) -> None:
    before = source().fingerprint
    assert source(data_dir.rename(data_dir.with_name("moved"))).fingerprint == before


def test_a_cache_that_cannot_be_made_is_not_fatal(
    source: Load, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir.mkdir(exist_ok=True)
    (data_dir / "decoded").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        without = source().fingerprint
    assert re.search(r"cannot be kept in .*decoded .*; the next start (makes it|decodes them) again", caplog.text)
    (data_dir / "decoded").unlink()
    assert source().fingerprint == without


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_what_is_kept_is_made_again_when_it_is_damaged(
    source: Load, data_dir: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = source().fingerprint
    kept = [path for path in (data_dir / "decoded").iterdir() if path.suffix != ".lock"]
    for path in kept:
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(content[:-10] if damage == "cut" else b"")
        assert source().fingerprint == first
        assert len(path.read_bytes()) == len(content)
    assert ("it is made again" in caplog.text) is (damage != "gone")
