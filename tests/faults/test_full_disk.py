"""A disk that fills up at every point of a search, and files that may not grow: `-m faults` for 20 sizes."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_commands import ended
from studies import Study, contents, invoke

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results

KILOBYTE = 1024
Size = Callable[[int], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Size]]:
    """A small disk, whose size in kilobytes can be changed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a disk")

    def resize(kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)

    yield folder, resize
    subprocess.run(["umount", "-l", str(folder)], check=True)


def values(run: Path) -> dict[int, Any]:
    return {each.number: (each.state, each.objectives) for each in load_results(RunDirectory(run)).trials}


@pytest.mark.parametrize("sizes", [3, pytest.param(20, marks=pytest.mark.faults)])
def test_every_file_may_be_the_one_that_does_not_fit(
    finished: Study, new_study: Study, disk: tuple[Path, Size], sizes: int
) -> None:
    folder, resize = disk
    needed = sum(map(len, contents(finished.run).values())) // KILOBYTE
    command: list[object] = [*new_study.arguments, "--out", folder]
    refused = 0
    for size in [64 + step * (2 * needed - 64) // sizes for step in range(sizes)]:
        resize(size)
        code, stderr = ended(command)
        assert code in (0, 1), (size, stderr)
        if code:
            refused += 1
            assert any(word in stderr for word in ("disk is full", "No space left")), (size, stderr)
    assert refused >= sizes // 3
    resize(100 * needed)
    assert ended(command)[0] == 0
    assert values(folder / "new") == values(finished.run)
    invoke("doctor", folder / "new").done()


@pytest.mark.parametrize("limit", [4, 60, *(pytest.param(size, marks=pytest.mark.faults) for size in (1, 16, 200))])
def test_files_that_may_not_grow(finished: Study, new_study: Study, limit: int) -> None:
    """Kilobytes of a file: RLIMIT_FSIZE, as some clusters set it."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit * KILOBYTE, limit * KILOBYTE))

    command: list[object] = [*new_study.arguments]
    code, stderr = ended(command, limited)
    assert code in (0, 1), stderr
    assert ended(command)[0] == 0
    assert values(new_study.run) == values(finished.run)
