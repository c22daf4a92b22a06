"""Scripts that start workers without a main guard are told what they lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("guard", ["", "if __name__ != '__main__': raise SystemExit(3)"])
def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path, guard: str) -> None:
    script = tmp_path / "search my space.py"
    script.write_text(SCRIPT.format(guard=guard), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    if guard:
        assert "could not start: it ended with exit code 3" in done.stdout
        assert "main guard" not in done.stdout
    else:
        assert f"it would run {script} again, because that script has no main guard" in done.stdout
        assert 'if __name__ == "__main__":' in done.stdout
        assert "memory" not in done.stdout
        assert "Traceback" not in done.stderr


def test_a_program_from_standard_input_is_told_that_workers_need_a_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-"], input=SCRIPT.format(guard=""), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert f"there is no file {tmp_path / '<stdin>'}" in done.stdout
    assert "Save the program as a file" in done.stdout
    assert "memory" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_script_that_runs_the_command_line_shows_one_message(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("from pure_nas_cli.main import app\napp()\n", encoding="utf-8")
    asked = ["search", "--dataset", "digits", "--trials", "2", "--epochs", "1", "--workers", "2", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, str(script), *asked], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "has no main guard" in " ".join(done.stderr.replace("│", " ").split())
    assert "in use" not in done.stderr + done.stdout
