"""Messages about files name the key path, what is wrong and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from pure_nas.errors import ConfigError
from pure_nas.space.architecture import Architecture
from pure_nas.validation import faults_explained, read_text


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    colour: Literal["red", "green"] = "red"
    size: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    inner: Inner
    many: tuple[Inner, ...] = ()
    either: int | Inner | None = None


def lines_of(data: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught, faults_explained(Outer, "file.toml"):
        Outer.model_validate(data)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({}, "inner: is missing"),
        ([], "(top level): must be a table of names and values, got []"),
        (
            {"inner": {"color": "red"}},
            'inner.color: unknown key "color"; did you mean "colour"? (known: colour, size)',
        ),
        (
            {"inner": {}, "many": ({"size": 1}, {"sise": 1})},
            'many.1.sise: unknown key "sise"; did you mean "size"? (known: colour, size)',
        ),
        (
            {"inner": {"colour": "gren"}},
            "inner.colour: 'gren' is not valid; did you mean \"green\"? (known: green, red)",
        ),
    ],
)
def test_a_fault_is_named_with_its_file_its_key_and_what_is_known(data: Any, fault: str) -> None:
    assert lines_of(data) == ["file.toml has 1 error:", f"  {fault}"]


def test_every_fault_is_listed_once_in_order() -> None:
    lines = lines_of({"inner": {"size": "x"}, "oter": 1, "many": 3})
    assert lines[0] == "file.toml has 3 errors:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["inner.size", "many", "oter"]


def test_long_values_are_shortened() -> None:
    line = lines_of({"inner": {"size": "x" * 500}})[1]
    assert line.endswith("...")
    assert len(line) < 150


def test_damaged_json_is_explained() -> None:
    with (
        pytest.raises(ConfigError, match="\n  not valid JSON: EOF while parsing"),
        faults_explained(Outer, "file.json"),
    ):
        Outer.model_validate_json("{")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
def test_files_are_read_as_editors_and_shells_save_them(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding in ("utf-16-be", "utf-16-le") else ""
    architecture = Architecture.uniform("product", (1, 1))
    (tmp_path / "network.json").write_bytes((mark + architecture.to_json()).encode(encoding))
    assert Architecture.load(tmp_path / "network.json") == architecture
    text = 'summary = "größer"\n'
    (tmp_path / "space.toml").write_bytes((mark + text).encode(encoding))
    assert read_text(tmp_path / "space.toml", "search space") == text


@pytest.mark.parametrize("content", ['summary = "größer"'.encode("cp1252"), "schema = 1".encode("utf-16-le")])
def test_files_in_other_encodings_are_refused_with_the_way_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    for read in (lambda path: read_text(path, "search space"), Architecture.load):
        with pytest.raises(ConfigError, match="is not UTF-8 text") as raised:
            read(tmp_path / "file")
        assert raised.value.hint == "Save it as UTF-8."
