"""Work that one process does while others wait for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold the file `lock`; where another process holds it, says first what is waited for.

    Args:
        lock: made where it is absent.
        what: happens meanwhile, such as "the images are unpacked".
    """
    waiting = FileLock(lock)
    try:
        held = waiting.acquire(blocking=False)
    except Timeout:
        _log.info("%s by another process, which this one waits for.", what)
        held = waiting.acquire()
    with held:
        yield
