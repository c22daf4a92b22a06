"""Files are written whole or not at all, and read strictly."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.errors import RunError
from pure_nas.files import append_line, decoded, digest_of_document, read_json, read_json_lines, write_whole

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("data", ["text ×\n", b"\0bytes"])
def test_a_file_is_written_with_its_folders(tmp_path: Path, data: bytes | str) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(RunError, match="file cannot be written: No space left on device") as caught:
            write_whole(path, "new")
    assert "Free some space" in caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_files_have_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", "text")
        append_line(tmp_path / "lines.jsonl", {"epoch": 1})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [mode, mode]


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        (errno.EINVAL, ("fsync", "chmod", "fchmod")),
        (errno.ENOSYS, ("fsync", "chmod", "fchmod")),
        (errno.ENOTSUP, ("fsync", "chmod", "fchmod")),
        (errno.EACCES, ("open",)),  # the folder
    ],
)
def test_a_file_system_that_cannot_synchronise_or_change_rights_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, steps: tuple[str, ...]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for step in steps:
        monkeypatch.setattr(os, step, refuse)
    write_whole(tmp_path / "file", "text")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = ("a" * 300_000, "b" * 200_000)
    write_whole(path, texts[0])
    program = (
        "import sys; from pathlib import Path; from pure_nas.files import write_whole\n"
        "for step in range(40): write_whole(Path(sys.argv[1]), 'ba'[step % 2] * (200_000, 300_000)[step % 2])"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as writer:
        seen = set()
        while writer.poll() is None:
            seen.add(path.read_text())
    assert writer.returncode == 0
    assert seen <= set(texts)


def test_a_folder_that_is_a_file_is_an_explained_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_whole(tmp_path / "file" / "inner", "text")


def test_a_last_line_cut_short_is_left_out_and_a_damaged_one_before_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert read_json_lines(path) == []
    append_line(path, {"epoch": 1})
    append_line(path, {"epoch": 2})
    with path.open("a") as file:
        file.write('{"epoch": 3, "err')
    assert read_json_lines(path) == [{"epoch": 1}, {"epoch": 2}]
    with path.open("a") as file:
        file.write('\n{"epoch": 4}\n')
    with pytest.raises(RunError, match=r"lines\.jsonl, line 3, is damaged"):
        read_json_lines(path)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it is empty"),
        (b'{"a": 1, "a": 2}', '"a" appears twice'),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": 1e400}', "1e400 is not a number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nested too deeply"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8 text"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
        (b'{"a": ', "Expecting value"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(RunError, match=r"file\.json cannot be read"):
        read_json(path)
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"file\.json is damaged") as caught:
        read_json(path)
    assert fault in caught.value.message


def test_a_byte_order_mark_does_no_harm() -> None:
    assert decoded(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_digest_is_of_what_a_document_says_not_of_how_it_is_laid_out(content: dict[str, Any]) -> None:
    backwards = dict(reversed(content.items()))
    assert digest_of_document(json.loads(json.dumps(backwards, indent=3))) == digest_of_document(content)
