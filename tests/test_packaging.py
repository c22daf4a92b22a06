"""The wheel of pure-nas holds every module and every search space, and works unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPACES = sorted((ROOT / "search_spaces").glob("*.toml"))
FOLDERS = {"pure_nas": ROOT, "pure_nas_cli": ROOT / "cli"}

SCRIPT = """
import pure_nas
import pure_nas_cli
from pure_nas.space.catalogue import SPACES, load_space

print(pure_nas.__file__)
print(pure_nas_cli.__file__)
for name in SPACES.places:
    print(name, load_space(name).count())
"""


@pytest.fixture(scope="module")
def unpacked(unpacked_wheel: Callable[[Path], Path]) -> Path:
    return unpacked_wheel(ROOT)


def test_wheel_holds_every_file_of_both_packages_the_shipped_spaces_and_nothing_else(unpacked: Path) -> None:
    paths = [path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()]
    names = {path.as_posix() for path in paths if not path.parts[0].endswith(".dist-info")}
    files = {
        path.relative_to(folder).as_posix()
        for package, folder in FOLDERS.items()
        for path in (folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(files) > 100
    assert names == files | {f"pure_nas/search_spaces/{path.name}" for path in SPACES}


def test_spaces_load_from_the_unpacked_wheel(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    library, program, *spaces = done.stdout.splitlines()
    assert Path(library).is_relative_to(unpacked)
    assert Path(program).is_relative_to(unpacked)
    assert [line.split()[0] for line in spaces] == [path.stem for path in SPACES]
