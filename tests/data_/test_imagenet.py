from __future__ import annotations

import gzip
import io
import logging
import shutil
import tarfile
from pathlib import Path

import pytest
import torch
from dataset_files import (
    IMAGENET_IDENTIFIERS,
    Pixels,
    imagenet_of_ten,
    imagenet_photographs,
    photograph,
    tar_of,
    unnormalised,
    write_imagenet_archives,
    write_imagenet_folders,
    write_imagenet_kit,
)
from PIL import Image

from benchmarks.images import load_dataset
from pure_nas.data import decoded_cache
from pure_nas.data.dataset import Dataset
from pure_nas.data.decode import decode_image
from pure_nas.data.image_set import ImageSet
from pure_nas.data.raw_images import EncodedImages
from pure_nas.data.sources import imagenet
from pure_nas.errors import DataError

TENCH, GOLDFISH = IMAGENET_IDENTIFIERS[:2]


@pytest.fixture(autouse=True)
def ten_classes_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.data.image_set.usual_workers", lambda: 0)
    imagenet_of_ten(monkeypatch)


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """A data directory with the official archives."""
    write_imagenet_archives(tmp_path / "archives" / "imagenet")
    return tmp_path / "archives"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A data directory with a folder for each class."""
    write_imagenet_folders(tmp_path / "folders" / "imagenet")
    for left in ("@eaDir", "__MACOSX"):
        (tmp_path / "folders" / "imagenet" / "train" / left).mkdir()
    return tmp_path / "folders"


def load(data_dir: Path, **arguments: object) -> Dataset:
    return load_dataset("imagenet", data_dir=data_dir, **{"image_size": 8, **arguments})  # type: ignore[arg-type]


def shown(images: ImageSet, loaded: Dataset) -> torch.Tensor:
    return unnormalised(torch.cat([batch for batch, _ in images.batches(500)]), loaded)


def test_folders_and_archives_give_the_same_images_with_the_official_validation_images_as_test(
    archives: Path, folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        unpacked, packed = load(folders), load(archives)
        tests = unpacked.test(), packed.test()
    assert [message for message in caplog.messages if "ILSVRC2012 has" in message][::2] == [
        f"{folders / 'imagenet' / 'train'} holds 20 images; ILSVRC2012 has 1,281,167 there.",
        f"{folders / 'imagenet' / 'val'} holds 10 images; ILSVRC2012 has 50,000 there.",
    ]
    assert unpacked.classes[:2] == ("tench", "goldfish")
    assert (unpacked.in_chans, unpacked.image_size, unpacked.flip, unpacked.turns) == (3, 8, True, False)
    assert (len(unpacked.train), len(unpacked.validation), len(tests[0])) == (10, 10, 10)
    assert packed.fingerprint == unpacked.fingerprint
    assert not (archives / "imagenet" / "train").exists()
    every = packed.train_and_validation
    expected = [
        torch.from_numpy(decode_image(content, 9, 3).copy())[:, :8, :8]
        for identifier in IMAGENET_IDENTIFIERS
        for content in imagenet_photographs(identifier, 2).values()
    ]
    assert torch.equal(every.labels, torch.arange(10).repeat_interleave(2))
    assert torch.equal(shown(every, packed), torch.stack(expected))
    assert torch.equal(shown(unpacked.train_and_validation, unpacked), torch.stack(expected))
    assert torch.equal(tests[0].labels, torch.arange(10))
    assert torch.equal(tests[1].labels, torch.arange(10))
    assert torch.equal(shown(tests[0], unpacked), shown(tests[1], packed))


def test_an_image_is_scaled_to_eight_sevenths_and_its_middle_is_shown(folders: Path) -> None:
    picture = Image.linear_gradient("L").resize((500, 375)).convert("RGB")
    for path in (folders / "imagenet" / "train" / TENCH).iterdir():
        picture.save(path, quality=95)
    loaded = load(folders, image_size=56)
    images = loaded.train_and_validation
    first = torch.tensor([0])
    assert (images.image_size, images.stored_size) == (56, 64)
    assert (loaded.facts["stored_size"], "decoded_size" in loaded.facts) == (64, False)
    square = torch.from_numpy(
        decode_image((folders / "imagenet" / "train" / TENCH / f"{TENCH}_0.JPEG").read_bytes(), 64, 3).copy()
    )
    assert torch.equal(shown(images.subset(first), loaded)[0], square[:, 4:60, 4:60])
    whole, _ = next(images.subset(first).batches(1, whole=True))
    assert torch.equal(unnormalised(whole, loaded)[0], square)


def test_a_damaged_image_is_named_when_it_is_met_and_not_before(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_cache, "RESIDENT_BYTES", 1000)
    for path in (folders / "imagenet" / "train" / TENCH).iterdir():
        path.write_bytes(path.read_bytes()[:100])
    monkeypatch.setattr("pure_nas.data.image_set._SAMPLE", 2)
    loaded = load(folders)
    with pytest.raises(DataError, match=rf"The image .*train/{TENCH}/{TENCH}_\d\.JPEG cannot be decoded") as caught:
        list(loaded.train_and_validation.batches(100))
    assert "--skip-corrupt" in caught.value.hint


def test_damaged_images_are_left_out_when_asked_and_come_back_when_restored(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders / "imagenet" / "train" / TENCH / f"{TENCH}_1.JPEG"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    loaded = load(folders, skip_corrupt=True)
    assert (loaded.skipped, len(loaded.train_and_validation)) == (1, 19)
    assert torch.bincount(loaded.train_and_validation.labels)[:2].tolist() == [1, 2]
    looked: list[int] = []
    decoded_image = EncodedImages.decoded

    def watched(images: EncodedImages, position: int) -> Pixels:
        looked.append(position)
        return decoded_image(images, position)

    with monkeypatch.context() as patch:
        patch.setattr(decoded_cache, "RESIDENT_BYTES", 1000)
        patch.setattr("pure_nas.data.image_set._SAMPLE", 1)
        patch.setattr(EncodedImages, "decoded", watched)
        assert load(folders, skip_corrupt=True).skipped == 1
    assert looked[0] == 1
    assert len(looked) == 2  # and one for the statistics
    assert load(folders, skip_corrupt=True).fingerprint == loaded.fingerprint
    path.write_bytes(content)
    assert load(folders, skip_corrupt=True).skipped == 0


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_missing_and_an_extra_class_are_named(folders: Path, part: str) -> None:
    folder = folders / "imagenet" / part
    shutil.rmtree(folder / TENCH)
    (folder / "n00000000").mkdir()
    with pytest.raises(DataError, match=r'missing: n01440764 \(tench\); extra: "n00000000"') as caught:
        load(folders).test()
    assert str(folder) in caught.value.message
    assert "--dataset path/to/folder" in caught.value.hint


def test_without_any_file_it_is_said_where_they_are_had_and_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"neither the folder .*imagenet/train nor .*ILSVRC2012_img_train\.tar"
    ) as caught:
        load(tmp_path)
    assert "https://image-net.org/download-images" in caught.value.hint


def test_the_archive_of_validation_images_fits_the_development_kit_and_is_whole(archives: Path, tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    root.mkdir()
    images = root / "ILSVRC2012_img_val.tar"
    whole = (archives / "imagenet" / images.name).read_bytes()
    images.write_bytes(tar_of({"ILSVRC2012_val_00000001.JPEG": photograph(0)}))
    (root / "ILSVRC2012_img_train.tar").symlink_to(archives / "imagenet" / "ILSVRC2012_img_train.tar")
    loaded = load(tmp_path)
    with pytest.raises(DataError, match=r"ILSVRC2012_img_val\.tar and .*ILSVRC2012_devkit_t12\.tar\.gz"):
        loaded.test()
    write_imagenet_kit(root)
    with pytest.raises(DataError, match="holds 1 images, but the development kit has labels of 10"):
        loaded.test()
    images.write_bytes(with_damaged_header(whole, 7))
    with pytest.raises(DataError, match=rf"^{images} is damaged or cut short: there is no header"):
        loaded.test()
    images.write_bytes(whole)
    assert len(loaded.test()) == 10


def header_places(archive: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return [member.offset for member in members]


def with_damaged_header(archive: bytes, number: int) -> bytes:
    """One bit of the header of a member is another, so that its checksum is wrong."""
    content = bytearray(archive)
    content[header_places(archive)[number] + 130] ^= 1
    return bytes(content)


TENCHES, GOLDFISHES = (tar_of(imagenet_photographs(each, 2)) for each in (TENCH, GOLDFISH))
SECOND = header_places(TENCHES)[1]


def packed(tenches: bytes = TENCHES, **others: bytes) -> bytes:
    """A training archive of the first two classes and of others."""
    classes = {TENCH: tenches, GOLDFISH: GOLDFISHES, **others}
    return tar_of({f"{name}.tar": images for name, images in classes.items()})


WHOLE = packed()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound training archive of an ImageNet of two classes."""
    imagenet_of_ten(monkeypatch, 2)
    path = tmp_path / "imagenet" / "ILSVRC2012_img_train.tar"
    path.parent.mkdir()
    path.write_bytes(WHOLE)
    return path


NO_HEADER = r" no header of a file at byte [\d,]+\."
IN_TENCH = r"The archive of the class n01440764 \(tench\) in .*"
FAULTS = {
    "missing class": (tar_of({f"{GOLDFISH}.tar": GOLDFISHES}), r"missing: n01440764 \(tench\)"),
    "extra class": (packed(n00000000=tar_of({})), 'extra: "n00000000"'),
    "empty class": (packed(tar_of({})), r"The class n01440764 \(tench\) has no images"),
    "inner file beyond its end": (packed(tar_of({"a.JPEG": bytes(5000)})[:1024]), f"{IN_TENCH}: a.JPEG continues past"),
    "inner header": (packed(with_damaged_header(TENCHES, 0)), rf"{IN_TENCH} at byte 512\."),
    "second inner header": (
        packed(with_damaged_header(TENCHES, 1)),
        IN_TENCH + NO_HEADER,
    ),
    "inner zeros": (
        packed(TENCHES[:SECOND] + bytes(512) + TENCHES[SECOND + 512 :]),
        IN_TENCH + NO_HEADER,
    ),
    "inner cut after an image": (packed(TENCHES[:SECOND]), f"{IN_TENCH} the mark of its end is missing"),
    "header": (with_damaged_header(WHOLE, 0), "is damaged or cut short: bad checksum"),
    "second header": (with_damaged_header(WHOLE, 1), "cut short: there is" + NO_HEADER),
    "without end": (
        WHOLE[: header_places(WHOLE)[-1] + 512 + len(GOLDFISHES)],
        "is damaged or cut short: the mark of its end is missing",
    ),
    "cut": (WHOLE[: len(WHOLE) // 2], "is damaged or cut short: n01443537.tar continues past its end"),
    "no archive": (b"not one", "is damaged or cut short"),
}


@pytest.mark.parametrize(("content", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_training_archive_is_one_clear_message(
    archive: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    archive.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path)
    assert str(archive) in caught.value.message
    assert caught.value.hint


def test_an_archive_is_listed_once_and_again_when_it_changes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Path] = []
    read = imagenet._list_classes
    monkeypatch.setattr(imagenet, "_list_classes", lambda path: listed.append(path) or read(path))
    first = load(tmp_path)
    assert load(tmp_path).fingerprint == first.fingerprint
    assert len(listed) == 1
    archive.write_bytes(tar_of({f"{each}.tar": tar_of(imagenet_photographs(each, 3)) for each in (TENCH, GOLDFISH)}))
    assert load(tmp_path).fingerprint != first.fingerprint
    assert len(listed) == 2


@pytest.mark.parametrize(
    "content", [b"not one", gzip.compress(tar_of({"readme.txt": b"nothing"}))], ids=["no archive", "no labels"]
)
def test_a_faulty_development_kit_is_one_clear_message(archive: Path, tmp_path: Path, content: bytes) -> None:
    root = archive.parent
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar_of({"ILSVRC2012_val_00000001.JPEG": photograph(0)}))
    (root / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match="is damaged, or is not the development kit of 2012"):
        load(tmp_path).test()
