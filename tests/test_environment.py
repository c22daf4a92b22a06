"""A run records where it was computed."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import torch

import pure_nas
from pure_nas import environment
from pure_nas.environment import describe_environment

CPU = torch.device("cpu")


def test_versions_machine_and_command_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/pure-nas", "search", "--dataset", "digits"])
    found = describe_environment(CPU)
    assert json.loads(json.dumps(found)) == found
    assert found["schema"] == 1
    assert found["command"] == "pure-nas search --dataset digits"
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"]["pure-nas"] == pure_nas.__version__
    assert found["python"] == platform.python_version()
    assert (found["device"], found["precision"]) == ("cpu", "float32")
    assert found["threads"] == torch.get_num_threads()
    assert found["device_name"]
    assert found["host"]
    assert datetime.fromisoformat(found["started"]).tzinfo is not None


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_PACKAGES", ("numpy", "no-such-package"))
    assert describe_environment(CPU)["packages"]["no-such-package"] == "not installed"


def test_the_revision_is_that_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "pure_nas"
    package.mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    assert describe_environment(CPU)["git_revision"] is None
    (tmp_path / ".git").mkdir()
    calls: list[Path] = []

    def git(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(cwd)
        return subprocess.CompletedProcess(command, 0, stdout="0123456789ab-dirty\n")

    monkeypatch.setattr(environment.subprocess, "run", git)
    assert describe_environment(CPU)["git_revision"] == "0123456789ab-dirty"
    assert calls == [package]


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_there_is_no_revision(error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pure_nas").mkdir()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "pure_nas" / "environment.py"))

    def git(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(environment.subprocess, "run", git)
    assert describe_environment(CPU)["git_revision"] is None
