"""How worker processes begin and end: main guards, and what the kernel kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pure_nas.workers.processes import kernel_kills

SCRIPT = """
from contextlib import closing
from functools import partial
import torch
from benchmarks.images import load_dataset
from pure_nas.errors import PureNasError
from pure_nas.workers import ProcessExecutor
images = {"load": partial(load_dataset, "digits"), "fingerprint": "any"}
with closing(ProcessExecutor(**images, devices=[torch.device("cpu")], size=1, threads=1)) as executor:
    try:
        executor.start()
        executor.next_event()
    except PureNasError as error:
        print(error)
"""


def run(script: Path | str, *arguments: str, given: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("from_file", [True, False])
def test_a_script_without_a_main_guard_or_a_file_is_told_so(tmp_path: Path, from_file: bool) -> None:
    script = tmp_path / "search my space.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = run(script if from_file else "-", given="" if from_file else SCRIPT, folder=tmp_path)
    if from_file:
        assert f"it would run {script} again, because that script has no main guard" in done.stdout
    else:
        assert f"there is no file {tmp_path / '<stdin>'}" in done.stdout
        assert "Save the program as a file" in done.stdout
    assert 'if __name__ == "__main__":' in done.stdout
    assert "memory" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_script_that_runs_the_command_line_shows_one_message(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("from pure_nas_cli.main import app\napp()\n", encoding="utf-8")
    asked = ["search", "--dataset", "digits", "--trials", "2", "--epochs", "1", "--workers", "2", "--device", "cpu"]
    done = run(script, *asked, folder=tmp_path)
    assert done.returncode == 1
    assert "has no main guard" in " ".join(done.stderr.replace("│", " ").split())
    assert "in use" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("low 0\noom 7\noom_kill 3\noom_group_kill 9\n", 3),
        ("oom_kill 4\n", 4),
        ("under_oom 0\noom_kill 5", 5),
        ("", 0),
        ("oom_kill many\n", 0),
        (None, 0),
    ],
)
def test_kills_of_the_kernel_are_counted(
    text: str | None, kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel_kills() >= 0
    counter = tmp_path / "memory.events"
    if text is not None:
        counter.write_text(text)
    monkeypatch.setattr("pure_nas.workers.processes._kill_counters", lambda: [counter])
    assert kernel_kills() == kills
