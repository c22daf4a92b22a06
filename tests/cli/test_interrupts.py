"""Signals and closed pipes, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Forked
from pure_nas_cli.main import app
from studies import Study

from pure_nas.run.directory import RunDirectory
from pure_nas.training.training import EpochMetrics, Training


def begun(study: Study, until: str) -> Forked:
    """A search that would take minutes, once it has printed a line that holds `until`."""

    def work() -> None:
        sys.argv = ["pure-nas", *study.arguments, "--trials", "500"]
        app()

    process = Forked(work)
    process.wait_for(until)
    return process


@contextlib.contextmanager
def begun_anew(command: list[str], until: str) -> Iterator[subprocess.Popen[str]]:
    """A command with everything imported anew, in a session of its own."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, start_new_session=True, stdout=pipe, stderr=pipe, text=True) as process:
        guard = threading.Timer(300, process.kill)
        guard.start()
        try:
            assert process.stderr is not None
            assert any(until in line for line in process.stderr)
            yield process
        finally:
            process.kill()
            guard.cancel()


def running_in_group(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, in_group = status.read_text().rpartition(")")[2].split()[:3]
            if int(in_group) == group and state != "Z":
                found.append(int(status.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_search_prints_and_saves_the_front(new_study: Study, number: signal.Signals) -> None:
    with begun(new_study, "trial 1  complete") as process:
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert process.returncode == 128 + number, stderr
    assert "Traceback" not in stderr
    assert "Stopped: interrupted; the same command resumes it." in stderr
    assert stdout.startswith("Front: ")
    assert (new_study.run / "report.html").is_file()
    assert not (new_study.run / "owner.json").exists()


def test_interrupt_from_a_terminal_stops_workers_quietly_even_as_they_start(
    program: list[str], new_study: Study
) -> None:
    command = [*program, *new_study.arguments, "--trials", "500", "--workers", "2"]
    deadline = time.monotonic() + 30
    with begun_anew(command, "estimated time") as process:
        # The search, Python's helper for child processes, and two workers that still import PyTorch.
        while len(running_in_group(process.pid)) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        # A terminal interrupts the whole group, workers included.
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Stopped: interrupted; the same command resumes it." in stderr
    assert not (new_study.run / "owner.json").exists()
    # The helper goes when it notices that it is alone.
    while running_in_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running_in_group(process.pid) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_running_epochs_are_finished_and_saved(new_study: Study, workers: int) -> None:
    def work() -> None:
        sys.argv = ["pure-nas", *new_study.arguments, "--trials", "4", "--epochs", "3000", "--workers", str(workers)]
        app()

    process = Forked(work)
    deadline = time.monotonic() + 120
    while len([*new_study.run.glob("trials/*/metrics.jsonl")]) < workers and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Stopping after the running epochs; Ctrl-C again stops at once." in stderr
    trials = [trial for trial in RunDirectory(new_study.run).trials() if trial.result() is None]
    assert len(trials) == workers
    for trial in trials:
        epochs = len(trial.curve())
        assert epochs > 0
        assert trial.checkpoint.is_file()
    before = {trial.number: len(trial.curve()) for trial in trials}
    # The same command resumes each after the last epoch that was written down.
    again = Forked(work)
    log = new_study.run / "log.jsonl"
    while log.read_text().count("trial started") < 2 * workers and time.monotonic() < deadline:
        time.sleep(0.05)
    again.send_signal(signal.SIGINT)
    again.communicate()
    started = [json.loads(line) for line in log.read_text().splitlines() if '"trial started"' in line]
    assert {each["number"]: each["epochs_done"] for each in started[-workers:]} == before


def test_a_cluster_that_takes_its_machine_back_waits_no_longer_than_it_says(
    new_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        train_epoch = Training.run_epoch

        def slow(training: Training) -> EpochMetrics:
            time.sleep(60 if training.epoch else 0)
            return train_epoch(training)

        monkeypatch.setattr(Training, "run_epoch", slow)
        sys.argv = ["pure-nas", *new_study.arguments, "--trials", "4", "--epochs", "5", "--workers", "1"]
        app()

    process = Forked(work)
    deadline = time.monotonic() + 120
    while not [*new_study.run.glob("trials/*/metrics.jsonl")] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert time.monotonic() - asked < 10


def test_second_interrupt_ends_a_search_at_once(new_study: Study) -> None:
    with begun(new_study, "trial 0  complete") as process:
        process.send_signal(signal.SIGINT)
        process.wait_for("Stopped: ")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in stderr


def test_interrupt_while_loading_is_quiet(program: list[str], new_study: Study) -> None:
    with begun_anew([*program, *new_study.arguments], "Loading PyTorch") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "Interrupted.\n")
    assert process.returncode == 130
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


def test_program_runs_as_a_module_under_its_own_name() -> None:
    done = subprocess.run([sys.executable, "-m", "pure_nas", "-h"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:3] == ["Usage:", "pure-nas", "[OPTIONS]"]
