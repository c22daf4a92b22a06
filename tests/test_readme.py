"""The README is true to the letter: its commands and its code run, at a reduced size, in the order of its sections."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pure_nas_cli.root import NAMES, app
from typer.testing import CliRunner

README = Path(__file__).parent.parent / "README.md"
SECTION = re.compile(r"^## (.*)\n((?:(?!^## ).*\n)*)", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIRST = "pip install uv && uv run pure-nas search --dataset digits"
REDUCED = {
    "search": ["--epochs", "1", "--device", "cpu"],
    "retrain": ["--epochs", "1", "--device", "cpu"],
    "race": ["--seeds", "1", "--epochs", "1", "--device", "cpu"],
    "train": ["--device", "cpu"],
    "experiment": ["--seeds", "1", "--dataset", "path/to/photos", "--device", "cpu"],
}


def sections() -> dict[str, list[tuple[str, str]]]:
    """The blocks of every section that has some, each with its language."""
    found = {name: FENCE.findall(body) for name, body in SECTION.findall(README.read_text(encoding="utf-8"))}
    return {name: blocks for name, blocks in found.items() if blocks}


def blocks(language: str) -> list[str]:
    return [body for section in sections().values() for name, body in section if name == language]


def commands_in(body: str) -> list[str]:
    """Every pure-nas command line of a block."""
    lines = [line.strip() for line in body.splitlines()]
    return [line.removeprefix("pip install uv && ") for line in lines if "pure-nas" in line]


def reduced(line: str) -> list[str]:
    """The same command, ending in seconds."""
    words = shlex.split(line.partition(" > ")[0])
    assert words[:3] == ["uv", "run", "pure-nas"]
    arguments = words[3:]
    for option, value in (("--trials", "4"), ("--epochs", "1"), ("--seeds", "1")):
        if option in arguments and arguments[arguments.index(option) + 1].isdecimal():
            arguments[arguments.index(option) + 1] = value
    if arguments[0] == "race":
        place = arguments.index("--time")
        arguments[place : place + 2] = ["--trials", "1"]
    extra = list(REDUCED.get(arguments[0], [])) if len(arguments) > 1 else []
    if "--epochs" in arguments and "--epochs" in extra:
        extra = extra[2:]
    if arguments[0] == "search" and "--trials" not in arguments:
        extra += ["--trials", "2" if "--dry-run" not in arguments else "1"]
    return [*arguments, *extra]


@pytest.fixture
def folder(tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh current folder in which path/to/photos is a folder of images."""
    shutil.copytree(image_folder, tmp_path / "path" / "to" / "photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_a_process(*words: str) -> None:
    """As a user does it, with as many threads as PyTorch takes."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def give(line: str, folder: Path) -> None:
    done = CliRunner().invoke(app, reduced(line))
    if "--dataset cifar10" in line:
        assert ("estimated time" if done.exit_code == 0 else "cifar-10-python.tar.gz") in done.stderr
        return
    assert done.exit_code == 0, f"{line}\n{done.output}"
    if " > " in line:
        (folder / line.partition(" > ")[2].strip()).write_text(done.stdout, encoding="utf-8")


def test_the_two_commands_are_the_ones_promised() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip() == FIRST
    assert second.strip() == "uv run pytest"


# What these say of runs/digits they say of the run that the first of them begins.
ONE_RUN = ("Two commands", "A first search, step by step", "From Python")


@pytest.mark.parametrize("names", [ONE_RUN, *((name,) for name in sections() if name not in ONE_RUN)], ids=" + ".join)
def test_every_command_and_all_python_code_runs_in_order(names: tuple[str, ...], folder: Path) -> None:
    for language, body in (block for name in names for block in sections()[name]):
        if language == "python":
            in_a_process("-c", body)
            continue
        for line in commands_in(body):
            # Tracing a network changes a process for good.
            if FIRST.endswith(line) or "--workers" in line or "--format" in line:
                in_a_process("-m", "pure_nas_cli.main", *reduced(line))
            else:
                give(line, folder)
    assert (folder / "runs" / "digits" / "report.html").exists() == (names == ONE_RUN)


def test_every_command_of_the_program_is_on_the_page() -> None:
    named = {shlex.split(line)[3] for body in blocks("sh") for line in commands_in(body)}
    assert named == {*NAMES, "runs"}


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
