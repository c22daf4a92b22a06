"""What is said of the images before anything is trained on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from studies import Answer, Study, invoke


@pytest.fixture
def mixed(image_folder: Path, tmp_path: Path) -> Path:
    """The image folder under other names, with things that are no images."""
    root = tmp_path / "mixed"
    shutil.copytree(image_folder / "train", root / "Training")
    shutil.copytree(image_folder / "test", root / "test_set")
    first = next(root.glob("Training/*/000.png"))
    first.with_suffix(".gif").write_bytes(b"")
    (root / "__MACOSX").mkdir()
    (root / "pred").mkdir()
    Image.new("L", (8, 8)).save(root / "pred" / "1.png")
    return root


def planned(study: Study, root: Path, *more: object) -> Answer:
    return invoke(*study.arguments, "--dataset", root, "--dry-run", "--data-dir", root.parent / "data", *more)


def test_a_search_says_which_images_it_will_use(new_study: Study, mixed: Path) -> None:
    answer = planned(new_study, mixed)
    assert answer.code == 0
    lines = answer.stderr.splitlines()
    start = lines.index("mixed: 65 training, 7 validation and 24 test images of 1 x 8 x 8")
    assert lines[start + 1 : start + 3] == [
        "3 classes: circles, crosses, stripes",
        "passed over: the folder pred (neither training, validation nor test); files that end in .gif (1); hidden and "
        "system files and folders: __MACOSX (1)",
    ]


def test_programs_are_told_the_same(new_study: Study, mixed: Path) -> None:
    found = json.loads(planned(new_study, mixed, "--json").stdout)["dataset"]
    assert (found["train"], found["validation"], found["test"], len(found["passed_over"])) == (65, 7, 24, 3)


def test_many_classes_are_counted_and_not_all_listed(new_study: Study, image_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(40):
        shutil.copytree(next((image_folder / "train").iterdir()), root / f"kind {number:02d}")
    answer = planned(new_study, root)
    assert "40 classes: kind 00, kind 01, kind 02 ... kind 39" in answer.stderr.splitlines()


def test_a_training_says_it_too(mixed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = ["--dataset", mixed, "--epochs", 1, "--device", "cpu", "-o", tmp_path / "out", "--data-dir", data]
    answer = invoke("train", "resnet8", *options)
    assert answer.code == 0, answer.stderr
    assert "3 classes: circles, crosses, stripes" in answer.stderr.splitlines()
    assert "passed over: the folder pred" in answer.stderr
