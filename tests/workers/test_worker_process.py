"""How worker processes begin and end: main guards, and what the kernel kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pure_nas.workers.worker_process import KernelKills

SCRIPT = """
from functools import partial
import torch
from pure_nas.data import load_dataset
from pure_nas.errors import PureNasError
from pure_nas.workers import ProcessExecutor
{guard}
with ProcessExecutor(partial(load_dataset, "digits"), "any", torch.device("cpu"), 1, threads=1) as executor:
    try:
        executor.start()
        executor.next_event()
    except PureNasError as error:
        print(error)
"""


def run(script: Path | str, *arguments: str, given: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("guard", ["", "if __name__ != '__main__': raise SystemExit(3)"])
def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path, guard: str) -> None:
    script = tmp_path / "search my space.py"
    script.write_text(SCRIPT.format(guard=guard), encoding="utf-8")
    done = run(script, folder=tmp_path)
    if guard:
        assert "could not start: it ended with exit code 3" in done.stdout
        assert "main guard" not in done.stdout
    else:
        assert f"it would run {script} again, because that script has no main guard" in done.stdout
        assert 'if __name__ == "__main__":' in done.stdout
        assert "memory" not in done.stdout
        assert "Traceback" not in done.stderr


def test_a_program_from_standard_input_is_told_that_workers_need_a_file(tmp_path: Path) -> None:
    done = run("-", given=SCRIPT.format(guard=""), folder=tmp_path)
    assert f"there is no file {tmp_path / '<stdin>'}" in done.stdout
    assert "Save the program as a file" in done.stdout
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
    "text", ["low 0\noom 7\noom_kill {}\noom_group_kill 9\n", "oom_kill {}\n", "under_oom 0\noom_kill {}"]
)
def test_each_kill_by_the_kernel_is_told_once(text: str, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text(text.format(3))
    kills = KernelKills(counter)
    assert not kills.another()
    counter.write_text(text.format(5))
    assert [kills.another() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("text", [None, "", "oom_kill many\n"])
def test_where_no_kills_are_counted_none_is_told(text: str | None, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    if text is not None:
        counter.write_text(text)
    assert not KernelKills(counter).another()
    assert not KernelKills().another()
