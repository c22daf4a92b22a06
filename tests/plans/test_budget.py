"""How long a run has trained, and how long it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pure_nas.errors import RunError
from pure_nas.plans.budget import STARTED, Budget, seconds_when_ended
from pure_nas.run.directory import RunDirectory


def write_log(folder: Path, *events: tuple[str, str], tail: str = "") -> RunDirectory:
    lines = [json.dumps({"time": f"2026-01-01T{time}+00:00", "event": name}) + "\n" for name, time in events]
    (folder / "log.jsonl").write_text("".join(lines) + tail, encoding="utf-8")
    return RunDirectory(folder)


def test_sessions_last_from_their_first_to_their_last_event(tmp_path: Path) -> None:
    run = write_log(
        tmp_path,
        (STARTED, "10:00:00"),
        ("trial started", "10:00:05"),
        ("trial ended", "10:01:00"),
        (STARTED, "18:00:00"),
        ("search stopped", "18:00:30"),
        (STARTED, "19:00:00"),
    )
    assert Budget(run=run).seconds == pytest.approx(90, abs=1)


def test_a_clock_that_was_set_back_and_a_line_that_was_cut_short_do_no_harm(tmp_path: Path) -> None:
    cut = '{"time": "2026-01-01T12:00:00+00:00", "ev'
    run = write_log(
        tmp_path, (STARTED, "10:00:00"), ("trial ended", "09:00:00"), ("trial started", "09:00:20"), tail=cut
    )
    assert Budget(run=run).seconds == pytest.approx(20, abs=1)


def test_damaged_lines_are_passed_over_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = write_log(tmp_path, (STARTED, "10:00:00"), ("trial ended", "10:00:30"))
    log = run.log_path.read_text(encoding="utf-8")
    naive = '{"time": "2026-01-01T10:00:40", "event": "x"}\n'
    run.log_path.write_text(f"[]\n{naive}{'[' * 50_000}\n{log}", encoding="utf-8")
    assert Budget(run=run).seconds == pytest.approx(30, abs=1)
    assert "3 damaged lines of" in caplog.text


def test_a_folder_in_place_of_the_log_is_explained(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(RunError, match=r"log\.jsonl cannot be read"):
        Budget(run=RunDirectory(tmp_path))


def test_the_log_tells_when_each_trial_ended_in_time_that_was_searched(tmp_path: Path) -> None:
    events = [(STARTED, 0), ("trial ended", 5), ("search stopped", 7), (STARTED, 100), ("trial ended", 104)]
    lines = [
        {"time": f"2026-01-01T10:{seconds // 60:02}:{seconds % 60:02}+00:00", "event": name, "number": place}
        for place, (name, seconds) in enumerate(events)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert seconds_when_ended(RunDirectory(tmp_path)) == {1: 5, 4: 11}
    (tmp_path / "log.jsonl").unlink()
    assert seconds_when_ended(RunDirectory(tmp_path)) == {}
