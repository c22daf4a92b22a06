"""Whether it was the kernel that killed a process, because memory ran out: Linux counts that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


class KernelKills:
    """What the kernel has killed for want of memory since this was made, here or in the whole machine.

    Args:
        counter: a file with a line "oom_kill N"; that of this process's control group, or of the machine, by default.
    """

    def __init__(self, counter: Path | None = None) -> None:
        files = [counter] if counter else _counters()
        self._counter = next((path for path in files if _count(path) is not None), None)
        self._told = self._count()

    def another(self) -> bool:
        """Whether there was one more since this last said yes; never where Linux does not tell."""
        if self._count() <= self._told:
            return False
        self._told += 1
        return True

    def _count(self) -> int:
        return (_count(self._counter) if self._counter else None) or 0


def _count(path: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None


def _counters() -> Iterator[Path]:
    """Files that count, the one that counts least beside this process first; not all are there."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield Path(f"/sys/fs/cgroup{group}/memory.events")
        elif "memory" in controllers.split(","):
            yield Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control")
    yield Path("/proc/vmstat")
