"""Listing search spaces and datasets."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from studies import Command, Study


def test_every_shipped_space_is_listed(pure_nas: Command) -> None:
    shipped = {path.stem for path in (Path(__file__).parents[2] / "search_spaces").glob("*.toml")}
    listed = json.loads(pure_nas("spaces", "--json").stdout)
    assert {row["name"] for row in listed if row["source"] == "pure-nas"} == shipped
    table = pure_nas("spaces").stdout
    assert all(f"│ {name} " in table for name in shipped)


def test_space_is_printed_to_copy_and_edit(pure_nas: Command, tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    answer = pure_nas("spaces", "digits")
    copy.write_text(answer.stdout, encoding="utf-8")
    assert "distinct architectures" in answer.stderr
    assert pure_nas("spaces", copy).stdout == answer.stdout


def test_space_file_is_shown(pure_nas: Command, finished: Study) -> None:
    found = json.loads(pure_nas("spaces", finished.space, "--json").stdout)
    assert found["summary"] == "tiny networks for tests"
    assert found["toml"] == finished.space.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["digit", "nope.toml", "./"])
def test_unknown_space_is_refused(pure_nas: Command, name: str) -> None:
    answer = pure_nas("spaces", name)
    assert answer.code == 2
    assert answer.stdout == ""
    assert "search space" in answer.message


def test_datasets_say_where_they_are_looked_for(pure_nas: Command, tmp_path: Path) -> None:
    listed = {row["name"]: row for row in json.loads(pure_nas("datasets", "--data-dir", tmp_path, "--json").stdout)}
    assert listed["digits"]["present"] is True
    assert listed["cifar10"]["present"] is False
    assert listed["cifar10"]["location"] == str(tmp_path / "cifar-10-batches-py")
    table = pure_nas("datasets", "--data-dir", tmp_path).stdout
    assert "1,438 + 359" in table
    assert "--dataset path/to/folder" in table


def test_a_dataset_is_shown_with_its_files_its_classes_and_its_licence(pure_nas: Command, tmp_path: Path) -> None:
    shown = " ".join(pure_nas("datasets", "galaxy10", "--data-dir", tmp_path).stdout.split())
    assert str(tmp_path / "Galaxy10_DECals.h5") in shown.replace(" ", "")  # wrapped where it is long
    assert "https://zenodo.org/records/10845026/files/Galaxy10_DECals.h5" in shown
    assert "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571" in shown
    assert "barred spiral" in shown
    assert "Galaxy Zoo" in shown
    assert "flips and quarter turns" in shown


def test_every_dataset_can_be_shown_and_has_a_licence(pure_nas: Command, tmp_path: Path) -> None:
    names = [row["name"] for row in json.loads(pure_nas("datasets", "--json").stdout)]
    shown = {name: json.loads(pure_nas("datasets", name, "--data-dir", tmp_path, "--json").stdout) for name in names}
    assert all(each["licence"] for each in shown.values())
    assert len(shown["imagenet"]["labels"]) == 1000
    assert [file["checksum"][:4] for file in shown["imagenet"]["files"]] == ["md5 "] * 3
    assert "900 more" in pure_nas("datasets", "imagenet").stdout
    assert "their names come with the images" in pure_nas("datasets", "cifar100").stdout


def test_a_dataset_in_folders_instead_of_archives_is_here(pure_nas: Command, tmp_path: Path) -> None:
    def here() -> bool:
        return bool(json.loads(pure_nas("datasets", "imagenet", "--data-dir", tmp_path, "--json").stdout)["present"])

    assert not here()
    (tmp_path / "imagenet" / "train").mkdir(parents=True)
    assert here()


def test_an_unknown_dataset_is_answered_with_the_nearest(pure_nas: Command) -> None:
    answer = pure_nas("datasets", "galaxy")
    assert answer.code == 2
    assert 'did you mean "galaxy10"' in answer.message


def test_what_takes_long_is_said_while_it_lasts(pure_nas: Command, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "Galaxy10_DECals.h5", "w") as file:
        file.create_dataset("images", (40, 256, 256, 3), np.uint8, chunks=(1, 256, 256, 3), compression="gzip")
        file["ans"] = np.arange(40) % 10
    answer = pure_nas(
        *("train", "resnet8", "--dataset", "galaxy10", "--data-dir", tmp_path, "--image-size", 8),
        *("--epochs", 1, "-o", tmp_path / "out"),
    )
    assert "are brought to 8 x 8 pixels" in " ".join(answer.stderr.split())
