"""Folders of images as people have them: how parts are named, what stands around them, and what is left in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dataset_files import picture, write_classes

from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.data.sources.folder_layout import parts_among
from pure_nas.errors import DataError

TRAIN, OTHER = {"cat": 12, "dog": 8}, {"cat": 3, "dog": 3}
HORSES = {"horse-or-human": "train", "validation-horse-or-human": "validation"}


def load(root: Path, **options: object) -> Dataset:
    return load_dataset(root, data_dir=root.parent / "data", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VALID", "TEST"),
        ("training_set", "dev_set", "test_set"),
        ("train_images", "eval_images", "test_images"),
        ("trainset", "validset", "testset"),
        ("TrainData", "ValData", "TestData"),
        ("images-train", "images-val", "images-test"),
        ("train2017", "val2017", "test2017"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("training/training", "validation/validation", "testing/testing"),
        ("train/images", "valid/images", "test/images"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_val", "asl_alphabet_test"),
        ("chest_xray/train", "chest_xray/val", "chest_xray/test"),
        ("archive/dataset/Train", "archive/dataset/Valid", "archive/dataset/Test"),
        ("training", "validation", "evaluation"),
        ("rps", "rps-validation", "rps-test-set"),
    ],
)
def test_parts_are_known_by_the_names_people_use(tmp_path: Path, train: str, validation: str, test: str) -> None:
    root = tmp_path / "photos"
    write_classes(root / train, TRAIN)
    write_classes(root / validation, {"cat": 2, "dog": 2})
    write_classes(root / test, OTHER)
    loaded = load(root)
    assert loaded.classes == ("cat", "dog")
    assert (len(loaded.train), len(loaded.validation), len(loaded.test()), loaded.test_size) == (20, 4, 6, 6)
    assert loaded.passed_over == ()


@pytest.mark.parametrize("test", ["Testing", "valid", "Validation", "dev", "test_set", None])
def test_the_second_part_is_the_test_part_whatever_its_name(tmp_path: Path, test: str | None) -> None:
    write_classes(tmp_path / "photos" / "Training", TRAIN)
    if test:
        write_classes(tmp_path / "photos" / test, OTHER)
    loaded = load(tmp_path / "photos")
    assert (len(loaded.train_and_validation), loaded.test_size) == (20, 6 if test else 0)
    assert loaded.passed_over == ()


def test_the_same_images_are_the_same_dataset_however_their_folders_are_called(tmp_path: Path) -> None:
    prints = set()
    for number, name in enumerate(["train", "Training", "archive/seg_train/seg_train"]):
        for label, count in TRAIN.items():
            folder = tmp_path / str(number) / name / label
            folder.mkdir(parents=True)
            for i in range(count):
                picture(100 * len(label) + i).save(folder / f"{i:03d}.png")
        prints.add(load(tmp_path / str(number)).fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("classes", [("bus", "car", "train"), ("invalid", "valid"), ("mask", "no_mask")])
def test_classes_that_read_like_parts_or_masks_stay_classes(tmp_path: Path, classes: tuple[str, ...]) -> None:
    write_classes(tmp_path / "photos", {**dict.fromkeys(classes, 10), "pred": 4})
    loaded = load(tmp_path / "photos")
    assert loaded.classes == classes
    assert loaded.passed_over == ("the folder pred (images without labels)",)


CLASSES, NEVER = "folder/train/<class>/", "move it out of the dataset"


@pytest.mark.parametrize(
    ("places", "refused", "hint"),
    [
        ("", "holds no folders of images", CLASSES),
        ("a.png", "holds images, but no folder for each class", CLASSES),
        ("cat/a.png", 'one class only, "cat"', CLASSES),
        ("cat/a.png dog/readme.txt", 'class "dog" has no images', "remove the folder"),
        ("cat/a.png dog/a.png", "one image only", "Add images"),
        ("Images masks", "Images holds images, but no folder for each class", CLASSES),
        ("test/cat val/cat", "has test and val, but no folder train", CLASSES),
        ("Valid Test", "Test and Valid, but no folder train", CLASSES),
        ("train/cat train/dog test/cat test/cow", "missing: dog; extra: cow", "with the same names"),
        ("train/cat train/dog val/a validation/a", "both val and validation", "Keep one"),
        ("train/cat train/dog Training/cat test/cat", "Training and train.*train images", "Keep one"),
        ("train1/cat train1/dog train2/cat test/cat", "train1 and train2.*train images", "Keep one"),
        ("train_set/cat training_images/cat test/cat", "train_set and training_images.*train images", "Keep one"),
        ("Training Testing", "Testing and Training without a folder for each class", CLASSES),
        ("train test docs", "test and train without a folder for each class", CLASSES),
        ("train_images test_images", "test_images and train_images without a folder for each class", CLASSES),
        ("seg_train/seg_train seg_test/seg_test", "seg_test and seg_train without a folder for each class", CLASSES),
        ("train/images train/masks val/images val/masks", "train and val without a folder for each class", CLASSES),
        ("cat/train cat/test dog/train dog/test", "cat has test and train, as if it were a dataset", CLASSES),
        ("trainA/cat trainA/dog trainB/cat trainB/dog", "trainA, trainB, all with the same folders", CLASSES),
        ("fold1/cat fold1/dog fold2/cat fold2/dog", r"fold1, fold2, .*\(cat, dog\).* not like classes", CLASSES),
        ("train/cat train/dog fold2/cat fold2/dog test/cat test/dog", "fold2 has the classes of .*train", NEVER),
        ("train/a train/b train_extra/a train_extra/b", "train_extra has the classes of .*train", NEVER),
        ("train/a train/b Train_big/a Train_big/b", "Train_big has the classes of .*train", NEVER),
    ],
)
def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path, places: str, refused: str, hint: str) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for place in places.split():
        path = root / place if "." in place else root / place / "1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(1).save(path, "PNG")
    with pytest.raises(DataError, match=refused) as caught:
        load(root)
    assert hint in caught.value.hint


def below(folder: str, classes: dict[str, int]) -> dict[str, int]:
    return {f"{folder}/{name}": count for name, count in classes.items()}


PARTS = below("train", TRAIN) | below("val", OTHER)
MASKS = {f"archive/{name}/{kind}": count for name, count in TRAIN.items() for kind in ("images", "masks")}
SYSTEM = ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "Thumbnails")
LEFT = {f"{place}{name}/cat": 1 for name in SYSTEM for place in ("", "train/", "train/cat/")}
SYSTEM_SAID = "hidden and system files and folders:"
AGAIN = "(holds the other classes again)"


@pytest.mark.parametrize(
    ("folders", "files", "said"),
    [
        (below("PetImages", TRAIN) | {"__MACOSX": 0}, "", [f"{SYSTEM_SAID} __MACOSX (1)"]),
        (below("archive/PlantVillage", TRAIN) | {"__MACOSX": 0}, "", [f"{SYSTEM_SAID} __MACOSX (1)"]),
        (PARTS | {"pred": 1}, "", ["the folder pred (neither training, validation nor test)"]),
        (PARTS | {"test": 1}, "", ["the folder test (no folder for each class)"]),
        (MASKS, "", ["folders next to those of images: masks (2)"]),
        (below("images", TRAIN) | {"annotations/a": 5}, "", ["folders next to those of images: annotations (1)"]),
        (TRAIN | below("photos", TRAIN), "", [f"the folder photos {AGAIN}"]),
        (below("train", TRAIN) | below("train/photos", TRAIN), "", [f"the folder train/photos {AGAIN}"]),
        (
            below("train", TRAIN) | LEFT,
            "train/cat/._000.png train/dog/._000.png train/cat/Thumbs.db",
            [f"{SYSTEM_SAID} .ipynb_checkpoints (3), @eaDir (3), Thumbnails (3), __MACOSX (3) and 2 more"],
        ),
        (
            PARTS,
            "train/cat/a.gif train/dog/b.GIF val/dog/c.heic train/cat/readme train/1.png",
            [
                "images outside the folders of classes: train (1)",
                "files that end in .gif (2), .heic (1), no ending (1)",
            ],
        ),
    ],
)
def test_what_is_no_image_of_a_class_is_passed_over_and_said(
    tmp_path: Path, folders: dict[str, int], files: str, said: list[str]
) -> None:
    root = tmp_path / "photos"
    write_classes(root, folders)
    for name in files.split():
        (root / name).write_bytes(b"")
    loaded = load(root)
    assert loaded.classes == ("cat", "dog")
    images = [loaded.train_and_validation, *([loaded.test()] if loaded.test_size else [])]
    assert sum(map(len, images)) == (26 if "val/cat" in folders else 20)
    assert list(loaded.passed_over) == said


def test_names_that_cannot_be_printed_are_said_all_the_same(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos" / "train", TRAIN)
    for name in (b"a.\xff", b"b.one\ntwo"):
        Path(os.fsdecode(os.fsencode(tmp_path / "photos" / "train" / "cat") + b"/" + name)).write_bytes(b"")
    assert load(tmp_path / "photos").passed_over == ("files that end in .one?two (1), .? (1)",)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["flowers_train", "flowers_valid"], {"flowers_train": "train", "flowers_valid": "validation"}),
        (["freight_train", "passenger_train"], {}),
        (["crash_test", "road"], {}),
        (["train_test_split", "trainval"], {}),
        (["contrainte", "latest", "protest", "Devon"], {}),
        (["Train (1)", "TEST"], {"Train (1)": "train", "TEST": "test"}),
        (["horse-or-human", "validation-horse-or-human"], HORSES),
        (["crash", "crash_test", "road"], {}),
        (["data", "train"], {"train": "train"}),
    ],
)
def test_which_names_read_like_parts(names: list[str], parts: dict[str, str]) -> None:
    assert parts_among(names) == parts
