"""The user's home directory: what ~ stands for, and where files that outlive a run are kept."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from pure_nas.errors import DataError, UsageError, reason

_log = logging.getLogger("pure_nas.data")


def expanded(path: Path | str) -> Path:
    """A path with ~ written out.

    Raises:
        UsageError: nobody knows what ~ stands for.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"The ~ in {path} stands for no home directory.", hint="Write the path out.") from error


def cache_folder() -> Path:
    """`~/.cache/pure-nas`, or a folder for temporary files where there is no home that can be written; the log says so.

    Raises:
        DataError: that folder belongs to another user.
    """
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
            "datasets by PURE_NAS_DATA or --data-dir.",
            reason(error),
            instead,
        )
        return instead
    return folder
