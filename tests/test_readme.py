"""The README is true to the letter: its commands run, at a reduced size, in the order in which it gives them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIRST = "pip install uv && uv run pure-nas search --dataset digits"
REDUCED = {
    "search": ["--epochs", "1", "--device", "cpu"],
    "retrain": ["--epochs", "1", "--device", "cpu"],
    "train": ["--device", "cpu"],
    "experiment": ["--seeds", "1", "--device", "cpu"],
}


def blocks(language: str) -> list[str]:
    return [body for name, body in FENCE.findall(README.read_text(encoding="utf-8")) if name == language]


def commands() -> list[str]:
    """Every pure-nas command line of the README."""
    lines = [line.strip() for body in blocks("sh") for line in body.splitlines()]
    return [line.removeprefix("pip install uv && ") for line in lines if "pure-nas" in line]


def reduced(line: str) -> list[str]:
    """The same command, ending in seconds."""
    words = shlex.split(line.partition(" > ")[0])
    assert words[:3] == ["uv", "run", "pure-nas"]
    arguments = words[3:]
    for option, value in (("--trials", "4"), ("--epochs", "1"), ("--seeds", "1"), ("--trial", None)):
        if option in arguments and value is not None:
            arguments[arguments.index(option) + 1] = value
    extra = list(REDUCED.get(arguments[0], []))
    if "--epochs" in arguments and "--epochs" in extra:
        extra = extra[2:]
    if arguments[0] == "search" and "--trials" not in arguments:
        extra += ["--trials", "2" if "--dry-run" not in arguments else "1"]
    return [sys.executable, "-m", "pure_nas_cli.main", *arguments, *extra]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """A fresh folder in which path/to/photos is a folder of images."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(image_folder, path / "path" / "to" / "photos")
    return path


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ)
    )


def test_the_two_commands_are_the_ones_promised() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip() == FIRST
    assert second.strip() == "uv run pytest"


def test_every_command_runs_in_order_and_the_python_code_after_it(folder: Path) -> None:
    needs_download = [line for line in commands() if "--dataset cifar10" in line]
    for line in commands():
        done = run(reduced(line), folder)
        if line in needs_download:
            fetched = done.returncode == 0 and "estimated time" in done.stderr
            assert fetched or (done.returncode == 1 and "cifar-10-python.tar.gz" in done.stderr), done.stderr
            continue
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if " > " in line:
            (folder / line.partition(" > ")[2].strip()).write_text(done.stdout, encoding="utf-8")
    for index, code in enumerate(blocks("python")):
        script = folder / f"snippet_{index}.py"
        script.write_text(code, encoding="utf-8")
        done = run([sys.executable, str(script)], folder)
        assert done.returncode == 0, f"{code}\n{done.stderr}"
    assert (folder / "runs" / "digits" / "report.html").exists()


def test_every_command_of_the_program_is_on_the_page() -> None:
    named = {shlex.split(line)[3] for line in commands()}
    assert named == {
        "search",
        "report",
        "export",
        "retrain",
        "evaluate",
        "experiment",
        "train",
        "describe",
        "spaces",
        "datasets",
    }


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if not (README.parent / link).exists()]
    assert missing == []
