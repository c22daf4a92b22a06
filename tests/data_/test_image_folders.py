from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from dataset_files import picture, unnormalised, write_classes

from benchmarks.images import load_dataset
from pure_nas.errors import DataError, UsageError


def pixels(images: object) -> torch.Tensor:
    return torch.cat([x for x, _ in images.batches(64)])  # type: ignore[attr-defined]


def test_train_and_test_folders_are_read_and_validation_comes_from_train(folder: Path, data_dir: Path) -> None:
    loaded = load_dataset(str(folder), data_dir=data_dir)
    assert (loaded.name, loaded.classes) == ("animals", ("cat", "dog", "owl"))
    assert (loaded.in_chans, loaded.image_size, loaded.flip) == (3, 16, True)
    parts = (loaded.train, loaded.validation, loaded.train_and_validation, loaded.test())
    found = [torch.bincount(part.labels).tolist() for part in parts]
    assert found == [[10, 6, 2], [2, 2, 2], [12, 8, 4], [3, 3, 3]]
    seen = pixels(loaded.train)
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_a_path_object_is_always_a_folder(folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.rename(folder.parent / "digits")
    assert load_dataset(Path("digits"), data_dir=data_dir).classes == ("cat", "dog", "owl")
    assert load_dataset("./digits", data_dir=data_dir).classes == ("cat", "dog", "owl")
    assert len(load_dataset("digits", data_dir=data_dir).classes) == 10


def test_no_test_image_is_read_before_it_is_asked_for(folder: Path, data_dir: Path) -> None:
    for path in (folder / "test").rglob("*.png"):
        path.write_bytes(b"would be found if it were opened")
    loaded = load_dataset(folder, data_dir=data_dir)
    with pytest.raises(DataError, match="None of the 9 files"):
        loaded.test()


def test_a_val_folder_beside_train_and_test_is_the_validation_part(folder: Path, data_dir: Path) -> None:
    write_classes(folder / "val", {"cat": 2, "dog": 1, "owl": 1})
    loaded = load_dataset(folder, data_dir=data_dir)
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.train_and_validation)] == [24, 4, 28]
    with pytest.raises(UsageError, match="holds the validation images"):
        load_dataset(folder, data_dir=data_dir, validation=0.2)


def test_a_train_folder_alone_has_no_test_images(tmp_path: Path, data_dir: Path) -> None:
    write_classes(tmp_path / "pets" / "train", {"cat": 6, "dog": 6})
    loaded = load_dataset(tmp_path / "pets", data_dir=data_dir)
    with pytest.raises(DataError, match="pets has no test images") as caught:
        loaded.test()
    assert "folder test" in caught.value.hint


def test_classes_in_one_folder_are_split_in_three_and_test_never_moves(tmp_path: Path, data_dir: Path) -> None:
    write_classes(tmp_path / "pets", {"cat": 40, "dog": 20})
    first, second = (load_dataset(tmp_path / "pets", data_dir=data_dir, seed=seed) for seed in (0, 1))
    assert (len(first.train), len(first.validation), len(first.test())) == (48, 6, 6)
    assert first.fingerprint != second.fingerprint
    test, other, rest = (
        unnormalised(pixels(images), loaded)
        for images, loaded in ((first.test(), first), (second.test(), second), (first.train_and_validation, first))
    )
    assert torch.equal(test, other)
    assert len(torch.cat([test, rest]).unique(dim=0)) == 60


def test_the_fingerprint_changes_with_data_split_and_size(folder: Path, data_dir: Path) -> None:
    def fingerprint(**arguments: object) -> str:
        return load_dataset(folder, data_dir=data_dir, **arguments).fingerprint  # type: ignore[arg-type]

    same = fingerprint()
    assert same == fingerprint()
    others = [fingerprint(seed=1), fingerprint(image_size=8), fingerprint(validation=4), fingerprint(limit=12)]
    picture(99).save(folder / "train" / "cat" / "000.png")
    assert len({same, *others, fingerprint()}) == 6


def test_a_limit_keeps_the_proportions_and_leaves_most_images_to_train_on(folder: Path, data_dir: Path) -> None:
    loaded = load_dataset(folder, data_dir=data_dir, limit=12)
    assert torch.bincount(loaded.train_and_validation.labels).tolist() == [6, 4, 2]
    write_classes(folder.parent / "many" / "train", {"cat": 30, "dog": 30})
    for validation, parts in ((None, (36, 4)), (15, (25, 15))):
        loaded = load_dataset(folder.parent / "many", data_dir=data_dir, limit=40, validation=validation)
        assert (len(loaded.train), len(loaded.validation)) == parts
    with pytest.raises(UsageError, match="limit = 5 is too few for 3 classes"):
        load_dataset(folder, data_dir=data_dir, limit=5)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(20, 20)] * 4, 20),
        ([(20, 30)] * 4, 16),
        ([(20, 20), (50, 70), (47, 60), (47, 47)], 40),
        ([(6, 6)] * 4, 8),
        ([(400, 300)] * 2, 224),
    ],
)
def test_the_image_size_follows_the_images(
    tmp_path: Path, data_dir: Path, sizes: list[tuple[int, int]], expected: int
) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i, (width, height) in enumerate(sizes):
            picture(i, width, height).save(tmp_path / "train" / name / f"{i}.png")
    assert load_dataset(tmp_path, data_dir=data_dir).image_size == expected


def test_gray_images_have_one_channel_and_a_single_colour_makes_three(tmp_path: Path, data_dir: Path) -> None:
    write_classes(tmp_path / "train", {"cat": 4, "dog": 4}, channels=1)
    assert load_dataset(tmp_path, data_dir=data_dir).in_chans == 1
    picture(0).save(tmp_path / "train" / "cat" / "colour.png")
    assert load_dataset(tmp_path, data_dir=data_dir).in_chans == 3


def test_hidden_files_are_passed_over_and_nested_folders_are_not(folder: Path, data_dir: Path) -> None:
    cat = folder / "train" / "cat"
    (cat / "more" / "deep").mkdir(parents=True)
    picture(7).save(cat / "more" / "deep" / "one.JPG", "JPEG")
    picture(8).save(cat / ".hidden.png")
    (folder / "train" / ".cache").mkdir()
    (cat / "notes.txt").write_text("not an image")
    (cat / "loop").symlink_to(cat, target_is_directory=True)
    assert len(load_dataset(folder, data_dir=data_dir).train_and_validation) == 25


def test_corrupt_images_are_counted_and_named(folder: Path, data_dir: Path) -> None:
    for path in sorted((folder / "train" / "cat").iterdir())[:7]:
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"7 of 24 images.*train/cat/000\.png.*and 2 more") as caught:
        load_dataset(folder, data_dir=data_dir)
    assert "skip_corrupt" in caught.value.hint
    loaded = load_dataset(folder, data_dir=data_dir, skip_corrupt=True)
    assert loaded.skipped == 7
    assert torch.bincount(loaded.train_and_validation.labels).tolist() == [5, 8, 4]


def test_a_class_whose_images_are_all_corrupt_is_an_error(folder: Path, data_dir: Path) -> None:
    for path in (folder / "train" / "owl").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="is corrupt: owl"):
        load_dataset(folder, data_dir=data_dir, skip_corrupt=True)


def test_corrupt_images_of_a_validation_folder_leave_train_whole(folder: Path, data_dir: Path) -> None:
    write_classes(folder / "val", {"cat": 2, "dog": 2, "owl": 2})
    (folder / "train" / "cat" / "003.png").write_bytes(b"")
    (folder / "val" / "dog" / "000.png").write_bytes(b"")
    loaded = load_dataset(folder, data_dir=data_dir, skip_corrupt=True)
    assert torch.bincount(loaded.train.labels).tolist() == [11, 8, 4]
    assert torch.bincount(loaded.validation.labels).tolist() == [2, 1, 2]


def test_an_image_too_large_for_the_memory_is_named(
    folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pure_nas.data.raw_images.decode_image", short)
    with pytest.raises(DataError, match=r"There is not enough memory .*000\.png"):
        load_dataset(folder, data_dir=data_dir, skip_corrupt=True)


def test_what_is_no_folder_is_named(tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere"):
        load_dataset(str(tmp_path / "nowhere"), data_dir=data_dir)
    picture(0).save(tmp_path / "cat.png")
    with pytest.raises(DataError, match="is a file, not a folder"):
        load_dataset(tmp_path / "cat.png", data_dir=data_dir)


def test_an_unreadable_folder_is_named(folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"dog cannot be read: Permission denied"):
        load_dataset(folder, data_dir=data_dir)


def test_a_link_that_leads_to_itself_is_no_folder(folder: Path, data_dir: Path) -> None:
    for place in (folder, folder / "train", folder / "train" / "cat"):
        (place / "endless").symlink_to("endless")
    assert len(load_dataset(folder, data_dir=data_dir).train_and_validation) == 24
    (folder / "train" / "cat" / "endless.png").symlink_to("endless.png")
    with pytest.raises(DataError, match=r"endless\.png cannot be read: Too many levels of symbolic links"):
        load_dataset(folder, data_dir=data_dir)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("image_size", 2, "image_size: .* equal to 8, got 2"),
        ("image_size", 100_000, "image_size: .* equal to 1024, got 100000"),
        ("limit", 0, "limit: .* equal to 4, got 0"),
        ("validation", 22, "at most 21 can"),
    ],
)
def test_senseless_numbers_are_refused(folder: Path, data_dir: Path, argument: str, value: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_dataset(folder, data_dir=data_dir, **{argument: value})  # type: ignore[arg-type]
