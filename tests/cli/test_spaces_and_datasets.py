"""Listing search spaces and datasets."""

from __future__ import annotations

import json
from pathlib import Path

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
