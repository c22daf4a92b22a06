"""Listing search spaces and datasets."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from studies import invoke


def test_every_shipped_space_is_listed() -> None:
    shipped = {path.stem for path in (Path(__file__).parents[2] / "search_spaces").glob("*.toml")}
    listed = invoke("spaces", "--json").json
    assert {row["name"] for row in listed if row["source"] == "pure-nas"} == shipped
    assert listed[0].keys() == {"name", "summary", "source", "architectures", "trials", "epochs"}
    assert shipped <= {line.split()[0] for line in invoke("spaces").stdout.splitlines()[2:]}


def test_space_is_printed_to_copy_and_edit(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    answer = invoke("spaces", "digits")
    copy.write_text(answer.stdout, encoding="utf-8")
    assert "distinct architectures" in answer.stderr
    found = invoke("spaces", copy, "--json").json
    assert invoke("spaces", copy).stdout == found["toml"] == answer.stdout
    assert f'summary = "{found["summary"]}"' in answer.stdout


def test_datasets_say_where_they_are_looked_for(tmp_path: Path) -> None:
    listed = {row["name"]: row for row in invoke("datasets", "--data-dir", tmp_path, "--json").json}
    assert listed["digits"]["present"] is True
    assert listed["cifar10"]["present"] is False
    assert listed["cifar10"]["location"] == str(tmp_path / "cifar-10-batches-py")
    table = " ".join(invoke("datasets", "--data-dir", tmp_path).stdout.split())
    assert str(tmp_path) in table
    assert "digits 10 1 x 8 x 8 1,438 359 comes with its" in table  # package
    assert "cifar10 10 3 x 32 x 32 50,000 10,000 cifar-10-" in table
    assert "--dataset path/to/folder" in table


def test_a_dataset_is_shown_with_its_files_its_classes_and_its_licence(tmp_path: Path) -> None:
    shown = " ".join(invoke("datasets", "galaxy10", "--data-dir", tmp_path).stdout.split())
    assert str(tmp_path / "Galaxy10_DECals.h5") in shown.replace(" ", "")  # wrapped where it is long
    assert "https://zenodo.org/records/10845026/files/Galaxy10_DECals.h5" in shown
    assert "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571" in shown
    assert "barred spiral" in shown
    assert "Galaxy Zoo" in shown
    assert "flips and quarter turns" in shown


def test_every_dataset_can_be_shown_and_has_a_licence(tmp_path: Path) -> None:
    names = [row["name"] for row in invoke("datasets", "--json").json]
    shown = {name: invoke("datasets", name, "--data-dir", tmp_path, "--json").json for name in names}
    assert all(each["licence"] for each in shown.values())
    assert len(shown["imagenet"]["labels"]) == 1000
    assert [file["checksum"][:4] for file in shown["imagenet"]["files"]] == ["md5 "] * 3
    assert "900 more" in invoke("datasets", "imagenet").stdout
    assert "their names come with the images" in invoke("datasets", "cifar100").stdout


def test_a_dataset_in_folders_instead_of_archives_is_here(tmp_path: Path) -> None:
    def here() -> bool:
        return bool(invoke("datasets", "imagenet", "--data-dir", tmp_path, "--json").json["present"])

    assert not here()
    (tmp_path / "imagenet" / "train").mkdir(parents=True)
    assert here()


def test_what_takes_long_is_said_while_it_lasts(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "Galaxy10_DECals.h5", "w") as file:
        file.create_dataset("images", (40, 256, 256, 3), np.uint8, chunks=(1, 256, 256, 3), compression="gzip")
        file["ans"] = np.arange(40) % 10
    answer = invoke(
        *("train", "resnet8", "--dataset", "galaxy10", "--data-dir", tmp_path, "--image-size", 8),
        *("--epochs", 1, "-o", tmp_path / "out"),
    )
    assert "are scaled to 8 x 8 pixels" in " ".join(answer.stderr.split())
