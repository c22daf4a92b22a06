"""How long a study has been searched."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from itertools import pairwise

from pure_nas.errors import RunError, reason
from pure_nas.files import decoded
from pure_nas.run.directory import RunDirectory

logger = logging.getLogger(__name__)

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
    if not run.log_path.exists():
        return 0.0
    try:
        lines = run.log_path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(
            f"The log {run.log_path} cannot be read: {reason(error)}.", hint="Move it away: the search begins another."
        ) from error
    events = [event for line in lines if (event := _event(line))]
    # A kill cuts the last line short, and the next session writes on.
    if len(events) < len(lines) - 1:
        logger.warning(
            "%d lines of %s are damaged and are passed over: the time of earlier sessions may be counted short.",
            len(lines) - len(events),
            run.log_path,
        )
    return sum(
        max((after - before).total_seconds(), 0.0) for (_, before), (name, after) in pairwise(events) if name != STARTED
    )


def _event(line: bytes) -> tuple[str, datetime] | None:
    """Name and time of an event; None for a line that a kill or a full disk cut short."""
    try:
        record = decoded(line)
        time = datetime.fromisoformat(record["time"])
        return None if time.tzinfo is None else (str(record["event"]), time)
    except (ValueError, KeyError, TypeError):
        return None
