"""Paths as users give them: what ~ stands for, and where files are kept that outlive a run."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from pure_nas.errors import DataError, RunError, UsageError, reason

AnyPath = str | os.PathLike[str]

_log = logging.getLogger(__name__)


def expanded(path: Path | str) -> Path:
    """A path as it was given, with ~ written out; one that is not UTF-8, which a run's files are, is a `UsageError`."""
    require_utf8(str(path), "The path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"The ~ in {path} stands for no home directory.", hint="Write the path out.") from error


def path_of(path: AnyPath | None) -> Path | None:
    """A path that may be left out, with ~ written out."""
    return None if path is None else expanded(os.fspath(path))


def require_folder(path: Path, *, hint: str) -> None:
    """Check that no file is where a folder is to be, or one above it; else it is a `RunError`."""
    if file := next((place for place in (path, *path.parents) if place.is_file()), None):
        raise RunError(f"{file} is a file, not a folder.", hint=hint)


def absolute(path: Path | str) -> str:
    """A path that means the same from every folder: a run is resumed from anywhere."""
    return str(expanded(path).resolve())


def require_utf8(name: str, subject: str) -> None:
    """Check that a name on disk can be written into files; else it is a `UsageError`."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        readable = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"{subject} {readable} is not UTF-8.",
            hint="Rename it; where the system's language is the reason (LC_ALL=C), set PYTHONUTF8=1.",
        ) from error


def cache_folder() -> Path:
    """`~/.cache/pure-nas`, or a temporary folder where there is no home that can be written; the log says so."""
    try:
        folder = Path.home() / ".cache" / "pure-nas"
        folder.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError) as error:
        instead = Path(tempfile.gettempdir()) / f"pure-nas-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
        instead.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and instead.stat().st_uid != os.getuid():
            raise DataError(f"{instead} belongs to another user.", hint="Set PURE_NAS_DATA or HOME.") from error
        _log.warning(
            "There is no home directory to keep files in (%s): they are kept in %s. Name another place by HOME, or for "
            "datasets by PURE_NAS_DATA or --data-dir (data_dir).",
            reason(error),
            instead,
        )
        return instead
    return folder
