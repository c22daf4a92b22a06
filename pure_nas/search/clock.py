"""How long a study has been searched."""

from __future__ import annotations

import json
import time
from datetime import datetime
from itertools import pairwise

from pure_nas.run_directory import RunDirectory

STARTED = "search started"
"""The event with which a session begins in the log."""


class Clock:
    """Time by the clock on the wall, over every session of a run; it runs from when it is made.

    Earlier sessions lasted from their first to their last event in the run's log, so that one that was killed counts
    up to the last that is known of it.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._earlier = _logged_seconds(run)
        self._began = time.monotonic()

    @property
    def session_seconds(self) -> float:
        """In this session."""
        return time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """In total."""
        return self._earlier + self.session_seconds


def _logged_seconds(run: RunDirectory) -> float:
    path = run.path / "log.jsonl"
    if not path.exists():
        return 0.0
    events = [event for line in path.read_text("utf-8", "replace").splitlines() if (event := _event(line))]
    return sum(
        max((after - before).total_seconds(), 0.0) for (_, before), (name, after) in pairwise(events) if name != STARTED
    )


def _event(line: str) -> tuple[str, datetime] | None:
    """Name and time of an event; None for a line that a kill or a full disk cut short."""
    try:
        record = json.loads(line)
        return str(record["event"]), datetime.fromisoformat(record["time"])
    except (ValueError, KeyError, TypeError):
        return None
