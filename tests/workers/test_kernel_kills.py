"""What the kernel killed for want of memory is told once for each kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from pure_nas.workers.kernel_kills import KernelKills


@pytest.mark.parametrize(
    "text", ["low 0\noom 7\noom_kill {}\noom_group_kill 9\n", "oom_kill {}\n", "under_oom 0\noom_kill {}"]
)
def test_each_kill_since_the_beginning_is_told_once(text: str, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text(text.format(3))
    kills = KernelKills(counter)
    assert not kills.another()
    counter.write_text(text.format(5))
    assert [kills.another() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("text", [None, "", "oom_kill many\n"])
def test_where_nothing_is_counted_nothing_is_told(text: str | None, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    if text is not None:
        counter.write_text(text)
    kills = KernelKills(counter)
    assert not kills.another()


def test_this_machine_is_asked_without_harm() -> None:
    assert not KernelKills().another()
