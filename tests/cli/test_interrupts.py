"""Signals and closed pipes, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import Study

Begun = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(program: list[str], new_study: Study) -> Begun:
    """Begins a search that would take minutes and waits for a line that holds `until`."""

    def begin(until: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*program, *new_study.arguments, "--trials", "500"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                break
        return process

    return begin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_search_prints_and_saves_the_front(begin: Begun, new_study: Study, number: signal.Signals) -> None:
    process = begin("trial 1  complete")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Stopped: interrupted; the same command goes on." in stderr
    assert stdout.startswith("Front: ")
    assert (new_study.run / "report.html").is_file()
    assert not (new_study.run / "owner.json").exists()


def test_second_interrupt_ends_a_search_at_once(begin: Begun, new_study: Study) -> None:
    process = begin("trial 0  complete")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Stopped: "):
            break
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr


def test_interrupt_while_loading_is_quiet(begin: Begun, new_study: Study) -> None:
    process = begin("Loading PyTorch")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr == "Interrupted.\n"
    assert not new_study.run.exists()


@pytest.mark.parametrize("arguments", [["describe", "pure20"], ["spaces", "--json"]])
def test_reader_that_leaves_causes_no_traceback(program: list[str], arguments: list[str]) -> None:
    with subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_is_full_is_explained(program: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*program, "spaces", "digits"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "The output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_program_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pure_nas_cli.main", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("pure-nas ")
