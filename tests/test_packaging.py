"""The wheel of pure-nas holds every module and every search space, and works unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_every_file_of_both_packages_the_shipped_spaces_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        path.relative_to(folder).as_posix()
        for package, folder in FOLDERS.items()
        for path in (folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(files) > 100
    assert names == files | {f"pure_nas/search_spaces/{path.name}" for path in SPACES}


def test_spaces_load_from_the_unpacked_wheel(wheel: Path, tmp_path: Path) -> None:
    unpacked, elsewhere = tmp_path / "unpacked", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        check=True,
        capture_output=True,
        text=True,
    )
    library, program, *spaces = done.stdout.splitlines()
    assert Path(library).is_relative_to(unpacked)
    assert Path(program).is_relative_to(unpacked)
    assert [line.split()[0] for line in spaces] == [path.stem for path in SPACES]
