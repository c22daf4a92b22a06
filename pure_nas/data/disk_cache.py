"""What follows from images and is kept on disk for the next start: decoded pixels, and lists of files.

A file is named after the facts that its contents follow from. One that is damaged is made again; where the folder
cannot be written, a warning is logged and work goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar
from uuid import uuid4

from filelock import FileLock, Timeout

from pure_nas.errors import reason
from pure_nas.files import flush_to_disk

T = TypeVar("T")

_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.[a-z.]+\.[0-9a-f]{32}")
_LONGEST_WRITE_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


def digest_of(value: object) -> str:
    """sha256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def key_of(facts: object) -> str:
    """The name, without its ending, of what follows from `facts`, which JSON can hold."""
    return digest_of(facts)[:32]


def read_kept(path: Path, read: Callable[[Path], T], what: str, *, again: str = "it is made") -> T | None:
    """What `read` makes of a file; None where there is none, or where `read` finds it damaged, which is logged.

    Args:
        what: the file, for people.
        again: what happens where it is damaged.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except _DAMAGE as error:
        _log.warning("%s cannot be used (%s); %s again.", what, error, again)
        return None


def keep(path: Path, write: Callable[[IO[bytes]], object], what: str, *, again: str = "makes it") -> bool:
    """Write a file so that others see all of it or nothing; returns whether that was possible.

    Args:
        what: what it holds, for people.
        again: what the next start does where it was not.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_strays(path.parent)
        try:
            with temporary.open("xb") as file:
                write(file)
                flush_to_disk(file)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.warning("%s cannot be kept in %s (%s); the next start %s again.", what, path.parent, reason(error), again)
        return False
    return True


def _remove_strays(folder: Path) -> None:
    """Remove what a kill cut short, which may be gigabytes; what is young may be written at this moment."""
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime > _LONGEST_WRITE_SECONDS:
            path.unlink(missing_ok=True)


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold the file `lock`; where another process holds it, say first what is waited for.

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
