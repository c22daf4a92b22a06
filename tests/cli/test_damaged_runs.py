"""A damaged file of a run is named, the run is kept, and the way out that the message gives works."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from studies import Command, Study, contents

DAMAGE = {
    "run.toml": b"trials = [",
    "trials/0001/result.json": b'{"state": "complete"',
    "trials/0001/architecture.json": b"{",
    "trials/0001/recipe.json": b"\xff",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_file_is_named_by_every_command(pure_nas: Command, study: Study, name: str) -> None:
    (study.run / name).write_bytes(DAMAGE[name])
    before = contents(study.run)
    for answer in (
        study.go(),
        pure_nas("report", study.run),
        pure_nas("export", study.run),
        pure_nas("retrain", study.run),
        pure_nas("describe", f"{study.run}:best"),
    ):
        assert answer.code in (1, 2)
        assert answer.stderr.count("╭") == 1
        assert str(study.run / name).replace(" ", "") in answer.message.replace(" ", "")
        assert answer.stdout == ""
    changed = {path for path, data in contents(study.run).items() if before.get(path) != data}
    assert changed <= {"study.db-shm", "study.db-wal"}


@pytest.mark.parametrize("text", ['{"state": "complete"}', '{"state": "lost"}', "[]", '{"state": 3}'])
def test_result_without_its_values_is_damaged(pure_nas: Command, study: Study, text: str) -> None:
    (study.run / "trials" / "0001" / "result.json").write_text(text, encoding="utf-8")
    answer = pure_nas("report", study.run)
    assert answer.code == 1
    assert "result.json is damaged: " in answer.message


def test_result_that_was_moved_away_is_trained_anew(study: Study, tmp_path: Path) -> None:
    for path in (study.run / "trials" / "0001" / "result.json", *study.run.glob("study.db*")):
        shutil.move(path, tmp_path)
    answer = study.go()
    assert answer.code == 0
    assert "trial 1  complete" in answer.stderr


@pytest.mark.parametrize("text", ["", "schema = 1\n", 'schema = 1\nobjectives = ["error", "flops"]\n'])
def test_settings_that_were_cut_short_are_refused(pure_nas: Command, study: Study, text: str) -> None:
    (study.run / "run.toml").write_text(text, encoding="utf-8")
    for answer in (study.go(), pure_nas("report", study.run), pure_nas("retrain", study.run)):
        assert answer.code == 1
        assert answer.stderr.count("╭") == 1


def test_damaged_study_is_rebuilt_once_it_is_moved_away(study: Study, tmp_path: Path) -> None:
    (study.run / "study.db").write_bytes(os.urandom(4096))
    refused = study.go("--trials", 7)
    assert refused.code == 1
    assert "study.db is damaged" in refused.message
    assert "move study.db (and study.db-wal, study.db-shm) away" in refused.message
    for path in study.run.glob("study.db*"):
        shutil.move(path, tmp_path)
    answer = study.go("--trials", 7)
    assert answer.code == 0
    assert "[7/7] trial 6" in answer.stderr


def test_missing_weights_are_named(pure_nas: Command, study: Study) -> None:
    weights = study.run / "trials" / "0001" / "weights.safetensors"
    weights.write_bytes(b"rubbish")
    assert "weights.safetensors are damaged" in pure_nas("export", study.run, "--trial", "1").message
    weights.unlink()
    assert "weights.safetensors are missing" in pure_nas("export", study.run, "--trial", "1").message


@pytest.mark.parametrize("writes", [0, 3, 9, 20])
def test_search_goes_on_once_a_full_disk_has_space_again(
    new_study: Study, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    sync, left = os.fsync, [writes]

    def fill(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill)
        full = new_study.go("--trials", 2)
    assert full.code == 1
    assert "cannot be written: No space left on device. Free some space" in full.message
    answer = new_study.go("--trials", 2)
    assert answer.code == 0
    assert "2 trials, " in answer.stderr
