"""Looking at a run and taking networks out of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from studies import Study, contents, invoke

from pure_nas.run.directory import RunDirectory, TrialDirectory


@pytest.mark.usefixtures("figures")
def test_report_prints_the_front_and_writes_every_file(study: Study) -> None:
    for name in ("report.html", "front.json", "front.csv"):
        (study.run / name).unlink()
    answer = invoke("report", study.run)
    assert answer.code == 0
    assert answer.stdout.startswith("Front: ")
    written = [Path(line) for line in answer.stderr.splitlines()]
    assert all(path.is_file() for path in written)
    names = {path.name for path in written}
    assert {"report.html", "front.json", "front.csv", "front-flops.png", "front-flops.svg"} <= names


def test_run_that_is_being_searched_is_reported_exported_and_evaluated_all_the_same(
    study: Study, tmp_path: Path
) -> None:
    (study.run / "trials" / "0005" / "result.json").unlink()
    with RunDirectory(study.run).locked():
        answer = invoke("report", study.run)
        assert answer.code == 0
        assert answer.stdout.startswith("Front: ")
        holder = (
            rf"in use by process {os.getpid()} on \S+ since 20\d\d-\d\d-\d\d \d\d:\d\d: 5 trials finished, 1 unfinished"
        )
        assert re.search(holder, answer.stderr)
        assert invoke("export", study.run, "-o", tmp_path / "network").code == 0
        assert invoke("evaluate", f"{study.run}:best", "--noise", "none", "--device", "cpu").code == 0
    assert "in use" not in invoke("report", study.run).stderr


def test_report_says_how_trials_ended_where_none_is_complete(study: Study) -> None:
    for path in study.run.glob("trials/*/result.json"):
        trial = TrialDirectory(path.parent, 0)
        result = {key: value for key, value in (trial.result() or {}).items() if key != "digests"}
        trial.finish({**result, "state": "failed", "reason": "out of memory on cpu", "objectives": {}})
    answer = invoke("report", study.run)
    assert answer.code == 1
    assert "complete yet (6 failed; the last one: out of memory on cpu)." in answer.message


@pytest.mark.parametrize("command", ["report", "export", "retrain"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "There is no run at "),
        ("file", "is a file, not a folder"),
        ("other", "is not a run (it has no run.toml)"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, command: str, name: str, message: str) -> None:
    (tmp_path / "file").write_text("no run")
    (tmp_path / "other").mkdir()
    answer = invoke(command, tmp_path / name)
    assert answer.code == 1
    assert message in answer.message
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("report",), ("export",), ("retrain",), ("export", "--trial", "knee"), ("retrain", "--trials", "best")],
)
def test_run_without_complete_trials_is_refused(study: Study, arguments: tuple[str, ...]) -> None:
    (study.run / "trials").rename(study.run / "elsewhere")
    before = contents(study.run)
    answer = invoke(arguments[0], study.run, *arguments[1:])
    assert answer.code == 1
    assert "No trial of this run is complete yet. Run the search command again" in answer.message
    assert contents(study.run) == before


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("python", ["network.py", "weights.safetensors", "architecture.json"]),
        ("json", ["architecture.json"]),
        ("safetensors", ["weights.safetensors", "architecture.json"]),
    ],
)
def test_export_prints_the_files_that_it_writes(finished: Study, tmp_path: Path, kind: str, names: list[str]) -> None:
    answer = invoke("export", finished.run, "--trial", "smallest", "--format", kind, "-o", tmp_path / "out")
    assert answer.code == 0
    written = [Path(line) for line in answer.stdout.splitlines()]
    assert written == [tmp_path / "out" / name for name in names]
    assert set(written) == set((tmp_path / "out").iterdir())


def test_export_replaces_only_what_is_the_same(finished: Study, tmp_path: Path) -> None:
    def export(trial: int, *more: str) -> tuple[int, str]:
        answer = invoke("export", finished.run, "--trial", trial, "-o", tmp_path, *more)
        return answer.code, answer.message

    assert export(0)[0] == 0
    assert export(0)[0] == 0
    (tmp_path / "network.py").unlink()  # which is not written before the others are found to differ
    before = contents(tmp_path)
    code, message = export(1)
    assert code == 1
    assert "exists and differs; it is not replaced" in message
    assert "--overwrite" in message
    assert contents(tmp_path) == before
    assert export(1, "--overwrite")[0] == 0
    assert contents(tmp_path) != before


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("99", "There is no trial 99. The complete trials are 0 to 5"),
        ("bst", 'There is no trial "bst". Use best, knee, smallest or a number'),
        ("-1", 'There is no trial "-1"'),
        ("", 'There is no trial ""'),
    ],
)
def test_unknown_trial_is_refused(finished: Study, which: str, message: str) -> None:
    for arguments in (["export", finished.run, "--trial", which], ["describe", f"{finished.run}:{which}"]):
        answer = invoke(*arguments)
        assert answer.code == 2
        assert message in answer.message


def test_rejected_trial_is_refused_with_its_reason(study: Study) -> None:
    path = study.run / "trials" / "0003" / "result.json"
    rejected = {"schema": 1, "number": 3, "state": "rejected", "reason": "1,440 params is over 700 params"}
    path.write_text(json.dumps(rejected), encoding="utf-8")
    answer = invoke("export", study.run, "--trial", "3")
    assert answer.code == 2
    assert (
        "Trial 3 is rejected: 1,440 params is over 700 params The complete trials are 0 to 2, 4 to 5" in answer.message
    )
