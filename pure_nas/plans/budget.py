"""How long a run has trained, and how long it may."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pure_nas.errors import RunError, reason
from pure_nas.files import decoded, read_json, write_whole
from pure_nas.run.directory import RunDirectory
from pure_nas.run.schema import SCHEMA, State

logger = logging.getLogger(__name__)

STARTED = "search started"  # the event with which a session of a search begins in the log
_OF_SEARCHES = ("search ", "trial ", "worker", "weights ", "confirmation ")
"""How the events of a search begin; a retraining in the same folder has others."""


class Budget:
    """The time that a command may take, by the clock on the wall, from when it is made; None is unbounded.

    That of a `run` is summed over sessions, in state.json. With `breaks_off` trainings stop between two epochs when
    it is used up, and resume in another session.
    """

    def __init__(
        self, seconds: float | None = None, *, run: RunDirectory | None = None, breaks_off: bool = False
    ) -> None:
        self.limit = seconds
        self.breaks_off = breaks_off and seconds is not None
        self._path = None if run is None else run.path / "state.json"
        self._earlier = 0.0 if run is None else _seconds_used(run)
        self._began = time.monotonic()

    @property
    def session_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """Over all sessions."""
        return self._earlier + self.session_seconds

    @property
    def left(self) -> float | None:
        return None if self.limit is None else max(self.limit - self.seconds, 0.0)

    def forbids(self, expected: float = 0.0, share: float = 1.0) -> bool:
        """Whether something that is expected to take so many seconds would end after a share of the time."""
        return self.limit is not None and self.seconds + expected > share * self.limit

    def keep(self) -> None:
        """Write the time used so far, so that a session that is killed counts up to here."""
        if self._path is not None and self._path.parent.is_dir():
            write_whole(self._path, json.dumps({"schema": SCHEMA, "seconds": round(self.seconds, 3)}) + "\n")


def _seconds_used(run: RunDirectory) -> float:
    """By earlier sessions. Those of a run that has no state.json lasted from first to last event in its log."""
    path = run.path / "state.json"
    if path.exists():
        content = read_json(path, State, hint="Restore a good copy, or remove it: the time is then read from the log.")
        return float(content["seconds"])
    return max((seconds for seconds, _ in _timeline(run)), default=0.0)


def seconds_when_ended(run: RunDirectory) -> dict[int, float]:
    """How long a search had searched, over all sessions, when each trial ended; without those that its log lacks."""
    ended = ((event.get("number"), seconds) for seconds, event in _timeline(run) if event["event"] == "trial ended")
    return {number: seconds for number, seconds in ended if isinstance(number, int)}


def _timeline(run: RunDirectory) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """The events of the log, each after how many seconds of a search it was."""
    if not run.log_path.exists():
        return
    try:
        lines = run.log_path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(
            f"The log {run.log_path} cannot be read: {reason(error)}.", hint="Move it away to start a new one."
        ) from error
    events = [event for line in lines if (event := _event(line))]
    # A kill cuts the last line short, and the next session writes on.
    if len(events) < len(lines) - 1:
        logger.warning(
            "%d damaged lines of %s are ignored: the time of earlier sessions may be underestimated.",
            len(lines) - len(events),
            run.log_path,
        )
    seconds = 0.0
    for before, event in zip([None, *events], events, strict=False):
        searching = all(each is not None and each["event"].startswith(_OF_SEARCHES) for each in (before, event))
        if before is not None and searching and event["event"] != STARTED:
            seconds += max((event["time"] - before["time"]).total_seconds(), 0.0)
        yield seconds, event


def _event(line: bytes) -> Mapping[str, Any] | None:
    """An event with its time; None for a line that a kill or a full disk cut short."""
    try:
        record = decoded(line)
        time = datetime.fromisoformat(record["time"])
        return None if time.tzinfo is None else {**record, "event": str(record["event"]), "time": time}
    except (ValueError, KeyError, TypeError):
        return None
