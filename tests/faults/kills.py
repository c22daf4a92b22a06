"""Commands that are killed at random instants, and given again until they are done."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forked_commands import begun

Target = Literal["controller", "worker", "group"]
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_SECONDS_TO_VANISH = 20.0


@dataclass(frozen=True)
class Kill:
    """A signal, so long after the command has finished another epoch (at first: has begun)."""

    number: signal.Signals
    target: Target
    after: float
    at_once: bool  # while the command starts, before it has done anything


def kills(seed: int, count: int, *, workers: int, longest: float = 0.4) -> Iterator[Kill]:
    """So many, drawn at random."""
    rng = random.Random(seed)
    targets: list[Target] = ["controller", "group"] if workers == 1 else ["controller", "worker", "group"]
    for _ in range(count):
        target = rng.choice(targets)
        number = signal.SIGKILL if target == "worker" else rng.choice(_SIGNALS)
        at_once = rng.random() < 0.2
        yield Kill(number, target, rng.uniform(0, 0.1 if at_once else longest), at_once)


def until_done(command: Sequence[object], folder: Path, planned: Iterator[Kill]) -> int:
    """Give a command until it is done, with a kill each time while there are any; returns how many hit it.

    Whatever ends it must end its workers, and say what happened without a traceback.
    """
    hits = 0
    while True:
        process = begun(command)
        kill = next(planned, None)
        if kill is not None:
            if not kill.at_once:
                _wait_for_an_epoch(folder, process.pid)
            time.sleep(kill.after)
            hits += _strike(process.pid, kill)
        _, stderr = process.communicate()
        assert "Traceback" not in stderr, stderr
        assert _left(process.pid) == [], f"left by {kill}"
        if process.returncode == 0:
            return hits
        assert kill is not None, stderr
        # A second SIGINT or a kill may come while it ends by the first.
        assert process.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130, 143), (kill, stderr)


def _strike(controller: int, kill: Kill) -> bool:
    """Whether it found something to end."""
    with contextlib.suppress(ProcessLookupError):
        if kill.target == "group":
            os.killpg(controller, kill.number)
            return True
        if kill.target == "controller":
            os.kill(controller, kill.number)
            return True
        for worker in _session(controller):
            if worker != controller:
                os.kill(worker, kill.number)
                return True
    return False


def _session(leader: int) -> list[int]:
    """Processes of a session that have not ended."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, session = status.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(status.parent.name))
    return found


def _left(leader: int) -> list[int]:
    """Processes of a session that do not end by themselves."""
    _wait(lambda: not _session(leader), _SECONDS_TO_VANISH)
    return _session(leader)


def _wait_for_an_epoch(folder: Path, process: int) -> None:
    # Two: a checkpoint is written after the epoch, and a trial that two processes in a row died of, without one, fails.
    before = _epochs(folder)
    _wait(lambda: _epochs(folder) > before + 1 or _ended(process))


def _ended(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _epochs(folder: Path) -> int:
    """That were trained and written down, in all networks of a run."""
    total = 0
    for curve in folder.rglob("metrics.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            total += curve.read_bytes().count(b"\n")
    return total


def _wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
