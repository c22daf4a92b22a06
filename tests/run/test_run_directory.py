"""How a run's files are written, read and locked."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from forked import Forked, exit_code_of

from pure_nas.errors import ConfigError, RunError
from pure_nas.files import read_json_lines, write_whole
from pure_nas.run.directory import RunDirectory
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import get_unit

CANDIDATE = Candidate(Architecture.uniform("conv", (1, 1)), Recipe.usual(get_unit("conv")))


def test_a_run_goes_on_where_there_are_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunDirectory(tmp_path / "run").locked():
        assert (tmp_path / "run" / "owner.json").is_file()
    assert "without locks" in caplog.text


def test_settings_come_back_without_their_nones(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_settings({"trials": 3, "limit": None, "data": {"mean": (0.5,), "std": None}})
    assert run.settings() == {"trials": 3, "data": {"mean": [0.5]}}
    assert run.exists


def test_settings_that_could_not_be_read_back_are_not_written(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_settings({"seed": 1})
    with pytest.raises(ConfigError, match=r"run\.toml would say has 2 errors:\n  time_seconds: .*\n  seed: .*got 1000"):
        run.write_settings({"seed": 10**20, "time_seconds": -1.0})
    assert run.settings() == {"seed": 1}


def test_trials_are_listed_by_number(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert list(run.trials()) == []
    for number in (12, 3, 10_000):
        run.trial(number).write_candidate(CANDIDATE)
    (tmp_path / "trials" / "notes").mkdir()
    assert [trial.number for trial in run.trials()] == [3, 12, 10_000]


def test_a_trial_keeps_its_candidate_and_result(tmp_path: Path) -> None:
    trial = RunDirectory(tmp_path).trial(7)
    assert not trial.has_candidate
    assert trial.result() is None
    with pytest.raises(ConfigError, match=r"architecture\.json cannot be read"):
        trial.candidate()
    trial.write_candidate(CANDIDATE)
    trial.write_result({"state": "complete"})
    assert trial.has_candidate
    assert trial.candidate() == CANDIDATE
    assert trial.result() == {"state": "complete"}
    assert trial.path == tmp_path / "trials" / "0007"


def test_log_has_a_line_an_event(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.log("started", trial=3)
    run.log("ended")
    first, second = read_json_lines(tmp_path / "log.jsonl")
    assert (first["event"], first["trial"], second["event"]) == ("started", 3, "ended")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked here, to be killed")
def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    def hold() -> None:
        with RunDirectory(tmp_path).locked():
            print("locked", file=sys.stderr)
            time.sleep(60)

    with Forked(hold) as process:  # which is killed here
        process.wait_for("locked")
        with pytest.raises(RunError, match="is in use") as caught, RunDirectory(tmp_path).locked():
            pytest.fail("the lock was given twice")
        assert f"by process {process.pid} on {socket.gethostname()}" in caught.value.message
    with RunDirectory(tmp_path).locked():
        assert json.loads((tmp_path / "owner.json").read_text())["pid"] == os.getpid()


def test_the_lock_is_let_go_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run = RunDirectory(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail)
        with pytest.raises(RunError, match="No space left on device"), run.locked():
            pass
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    assert run.user() == ""
    with run.locked():
        assert run.user()
    assert not (tmp_path / "owner.json").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked here, to be killed")
@pytest.mark.parametrize("name", ["run.toml", "trials/0003/checkpoint.pt", "retrain/abc-seed1/result.json"])
def test_what_a_kill_left_of_a_write_is_removed_by_the_next_that_locks_the_run(name: str, tmp_path: Path) -> None:
    write_whole(tmp_path / name, "old")

    def killed_in_a_write() -> None:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write_whole(tmp_path / name, "new")

    assert exit_code_of(killed_in_a_write) == -signal.SIGKILL
    folder = (tmp_path / name).parent
    assert len(list(folder.iterdir())) == 2
    with RunDirectory(tmp_path).locked():
        assert [path.name for path in folder.glob(f"*{Path(name).name}*")] == [Path(name).name]
    assert (tmp_path / name).read_text() == "old"


def test_files_of_the_user_and_of_a_report_being_written_are_left(tmp_path: Path) -> None:
    names = {".notes.md.original", ".result.json.bak", ".gitignore", "result.json.abcd1234", ".report.html.abcd1234"}
    for name in names:
        (tmp_path / name).write_text("keep me")
    with RunDirectory(tmp_path).locked():
        pass
    assert names <= {path.name for path in tmp_path.iterdir()}


def test_who_does_not_hold_the_lock_removes_nothing(tmp_path: Path) -> None:
    with RunDirectory(tmp_path).locked():
        stray = tmp_path / ".result.json.abcd1234"
        stray.write_text("being written")
        with pytest.raises(RunError, match="is in use"), RunDirectory(tmp_path).locked():
            pass
        assert RunDirectory(tmp_path).user()
        assert stray.exists()


def test_a_run_is_in_use_while_it_is_locked_and_by_whom_is_told(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.user() == ""
    with run.locked():
        assert run.user().startswith(f"by process {os.getpid()} on {socket.gethostname()} since 20")
        # As an older version, or a program that was just about to write it, leaves it.
        (tmp_path / "owner.json").write_text('{"host": "there", "pid": 7}')
        assert run.user() == "by process 7 on there"
        (tmp_path / "owner.json").write_text("[]")
        assert run.user() == "by another process"
    assert run.user() == ""
    (tmp_path / "owner.json").write_text('{"host": "there", "pid": 7}')
    assert run.user() == ""
