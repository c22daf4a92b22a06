"""A run records where it was computed."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import torch

import pure_nas
from pure_nas.run import environment
from pure_nas.run.environment import describe_environment, without_password

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


def test_the_instruction_set_is_recorded_with_what_limits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    of_the_cpu = torch.backends.cpu.get_cpu_capability()
    assert describe_environment(CPU)["instruction_set"] == of_the_cpu
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert describe_environment(CPU)["instruction_set"] == f"{of_the_cpu}, oneDNN at most AVX2"


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_PACKAGES", ("numpy", "no-such-package"))
    assert describe_environment(CPU)["packages"]["no-such-package"] == "not installed"


@pytest.mark.parametrize("fault", [None, FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_the_revision_is_that_of_the_checkout_where_git_tells(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "pure_nas"
    package.mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    assert describe_environment(CPU)["git_revision"] is None
    (tmp_path / ".git").mkdir()

    def git(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        assert cwd == package
        if fault:
            raise fault
        return subprocess.CompletedProcess(command, 0, stdout="0123456789ab-dirty\n")

    monkeypatch.setattr(environment.subprocess, "run", git)
    assert describe_environment(CPU)["git_revision"] == (None if fault else "0123456789ab-dirty")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:se@cr:e/t@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:my secret@host/db", "postgresql://me:***@host/db"),
        ("mysql+pymysql://:secret@host/db", "mysql+pymysql://:***@host/db"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?user=me&password=***"),
        ("postgresql://me@host/db?sslpassword=secret&x=1", "postgresql://me@host/db?sslpassword=***&x=1"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dsecret", "mssql+pyodbc:///?odbc_connect=***"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////a folder/studies@home.db", "sqlite:////a folder/studies@home.db"),
        ("runs/a:b@c", "runs/a:b@c"),
    ],
)
def test_passwords_are_left_out_of_urls_and_commands(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_password(url) == shown
    for arguments in (["--storage", url], [f"--storage={url}"]):
        monkeypatch.setattr(sys, "argv", ["pure-nas", "search", *arguments])
        assert shlex.split(describe_environment(CPU)["command"])[2:] == [each.replace(url, shown) for each in arguments]
