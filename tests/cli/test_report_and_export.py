"""Looking at a run and taking networks out of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from studies import Study, contents, invoke

from pure_nas.run.directory import RunDirectory


@pytest.mark.usefixtures("figures")
def test_report_prints_the_front_and_writes_every_file(study: Study) -> None:
    for name in ("report.html", "front.json", "front.csv"):
        (study.run / name).unlink()
    answer = invoke("report", study.run).done()
    assert answer.stdout.startswith("Front: ")
    written = {path.name for path in map(Path, answer.stderr.splitlines()) if path.is_file()}
    assert {"report.html", "front.json", "front.csv", "front-flops.png", "front-flops.svg"} <= written


def test_run_that_is_being_searched_is_reported_exported_and_evaluated_all_the_same(
    study: Study, tmp_path: Path
) -> None:
    (study.run / "trials" / "0005" / "result.json").unlink()
    with RunDirectory(study.run).locked():
        answer = invoke("report", study.run).done()
        assert answer.stdout.startswith("Front: ")
        assert re.search(rf"in use by process {os.getpid()} on .*: 5 trials finished, 1 unfinished", answer.stderr)
        invoke("export", study.run, "-o", tmp_path / "network").done()
        invoke("evaluate", f"{study.run}:best", "--noise", "none", "--device", "cpu").done()
    assert "in use" not in invoke("report", study.run).stderr


@pytest.mark.parametrize("command", ["report", "export", "retrain"])
def test_what_is_no_run_or_has_no_complete_trial_is_refused(study: Study, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("no run")
    (tmp_path / "other").mkdir()
    (study.run / "trials").rename(study.run / "elsewhere")
    before = contents(tmp_path)
    for folder, message in (
        (tmp_path / "missing", "There is no run at "),
        (tmp_path / "file", "is a file, not a folder"),
        (tmp_path / "other", "is not a run (it has no run.toml)"),
        (study.run, "No trial of this run is complete yet. Run the search command again"),
    ):
        assert message in invoke(command, folder).refusal(1)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("python", ["network.py", "weights.safetensors", "architecture.json", "receipt.json"]),
        ("json", ["architecture.json"]),
        ("safetensors", ["weights.safetensors", "architecture.json"]),
    ],
)
def test_export_prints_the_files_that_it_writes(finished: Study, tmp_path: Path, kind: str, names: list[str]) -> None:
    answer = invoke("export", finished.run, "--trial", "smallest", "--format", kind, "-o", tmp_path / "out").done()
    written = [Path(line) for line in answer.stdout.splitlines()]
    assert written == [tmp_path / "out" / name for name in names]
    assert set(written) == set((tmp_path / "out").iterdir())


def test_export_replaces_only_what_is_the_same(finished: Study, tmp_path: Path) -> None:
    command = ("export", finished.run, "-o", tmp_path, "--trial")
    for _ in range(2):
        invoke(*command, 0).done()
    (tmp_path / "network.py").unlink()  # which is not written before the others are found to differ
    before = contents(tmp_path)
    refused = invoke(*command, 1).refusal(1)
    assert "exists and differs; it is not replaced" in refused
    assert "--overwrite" in refused
    assert contents(tmp_path) == before
    invoke(*command, 1, "--overwrite").done()
    assert contents(tmp_path) != before
