"""Files in the folder `decoded` of the data directory, which save work at the next start."""

from __future__ import annotations

import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from filelock import FileLock, Timeout

from pure_nas.errors import reason
from pure_nas.files import digest_of_document, replacing

T = TypeVar("T")

_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.[a-z.]+\.[0-9a-f]{8,32}")
_LONGEST_WRITE_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


def key_of(facts: object) -> str:
    """Name, without its ending, of a file whose contents depend on `facts`, which JSON can hold."""
    return digest_of_document(facts)[:32]


def read_kept(path: Path, read: Callable[[Path], T], what: str) -> T | None:
    """What `read` returns for the file `what`; None if there is none, or if it is damaged, which is logged."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except _DAMAGE as error:
        _log.warning("%s %s cannot be used (%s); it is made again.", what, path, error)
        return None


def keep(path: Path, write: Callable[[IO[bytes]], object], what: str) -> bool:
    """Write the file `what` so that others see all of it or nothing; a failure is logged, and returns False."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a kill cut short may be gigabytes; what is young may be written at this moment.
        for stray in path.parent.glob(".*"):
            if _TEMPORARY.fullmatch(stray.name) and time.time() - stray.stat().st_mtime > _LONGEST_WRITE_SECONDS:
                stray.unlink(missing_ok=True)
        with replacing(path) as file:
            write(file)
    except OSError as error:
        _log.warning("%s cannot be kept in %s (%s); the next start makes it again.", what, path.parent, reason(error))
        return False
    return True


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold the lock file `lock`; if another process holds it, log `what` it does, such as "X is downloaded"."""
    waiting = FileLock(lock)
    try:
        held = waiting.acquire(blocking=False)
    except Timeout:
        _log.info("%s by another process, which this one waits for.", what)
        held = waiting.acquire()
    with held:
        yield
