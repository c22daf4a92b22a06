"""What a fault of the study's storage is, and the way out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

REBUILD = (
    "The trials are safe in their folders: move study.db (and study.db-wal, study.db-shm) away, or delete the study "
    "from its --storage, and give the same command again; the study is rebuilt from them."
)
_AGAIN = "then give the same command again; trials that ended are safe in their folders."
_FULL = f"Free some space, {_AGAIN}"
_SERVER = f"Start the database server again or check the network, {_AGAIN}"
_OUTDATED = (
    "Another version of Optuna made the tables of this storage. Use another --storage or database, install that "
    "version, or bring them to this one: optuna storage upgrade --storage URL. " + REBUILD
)
_HINTS = (
    (r"is full|no space left|quota|could not (extend|write)", _FULL),
    (r"disk i/o error", f"Check the disk: its free space, its quota and its permissions, {_AGAIN}"),
    (r"locked", f"Close what holds the database, such as a dashboard or another search, {_AGAIN}"),
    (r"read-?only|permission denied|unable to open", f"See that its folder exists and can be written, {_AGAIN}"),
    (r"connection option|bad value for", "Check what is behind the ? of --storage."),
    (r"password|authentication|access denied|no pg_hba", "Check the user and the password of --storage."),
    (r"compatible with the table schema|no such column|undefinedcolumn", _OUTDATED),
)
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""What to install for the drivers that SQLAlchemy takes by itself."""


@dataclass(frozen=True)
class Fault:
    """Why a storage failed, on one line, and the way out."""

    cause: str
    hint: str


def fault_of(error: BaseException) -> Fault:
    """What is behind an error of Optuna or SQLAlchemy, whose own texts hide it."""
    on_server = False
    while True:
        if isinstance(error, DBAPIError):
            on_server |= not type(error.orig).__module__.startswith("sqlite3")
            inner: BaseException | None = error.orig
        else:
            inner = error.__cause__
        if inner is None:
            break
        error = inner
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = _PACKAGES.get(error.name, error.name)
        return Fault(f"its driver {error.name} is not installed", f"Install it: pip install '{package}'")
    cause = (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")  # databases go on for pages
    usual = _SERVER if on_server else REBUILD
    return Fault(cause, next((hint for pattern, hint in _HINTS if re.search(pattern, cause, re.IGNORECASE)), usual))
