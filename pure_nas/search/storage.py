"""Where the Optuna study is kept."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from pure_nas.environment import without_password
from pure_nas.errors import RunError, UsageError

logger = logging.getLogger(__name__)

_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "fuse.sshfs", "9p", "afs"}
)

_ROOM_NEEDED = 1_000_000
"""Bytes without which SQLite's complaints are about the disk, whatever it says."""

REBUILD = (
    "The trials are safe in their folders: move study.db (and study.db-wal, study.db-shm) away, or delete the study "
    "from its --storage, and give the same command again; the study is rebuilt from them."
)


def open_storage(database: Path, url: str | None) -> BaseStorage:
    """The storage of a run: SQLite at `database`, or whatever Optuna opens at `url`.

    SQLite writes ahead (WAL), so that a dashboard can read while a search writes. That does not work on network
    file systems; there it keeps a rollback journal, and the log says so.

    Raises:
        RunError: the database is damaged or cannot be written.
        UsageError: the URL cannot be opened.
    """
    if url is not None:
        try:
            return optuna.storages.get_storage(url)
        except (ValueError, ImportError, SQLAlchemyError, StorageInternalError, OSError) as error:
            raise UsageError(
                f'The storage "{without_password(url)}" cannot be opened: {first_line(error)}.',
                hint="Give an SQLAlchemy URL such as sqlite:///studies.db or postgresql://user@host/name, and install "
                "its driver.",
            ) from error
    journal = "DELETE" if file_system(database.parent) in _NETWORK_FILE_SYSTEMS else "WAL"
    if journal == "DELETE":
        logger.warning("%s lies on a network file system, where SQLite's write-ahead log does not work.", database)
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            connection.execute(f"PRAGMA journal_mode={journal}")
            connection.execute("PRAGMA schema_version")
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)
        return RDBStorage(f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": 60}})
    except (sqlite3.Error, SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        if database.parent.is_dir() and shutil.disk_usage(database.parent).free < _ROOM_NEEDED:
            raise RunError(
                f"The study {database} cannot be written: the disk is full.",
                hint="Free some space, then give the same command again.",
            ) from error
        raise RunError(
            f"The study {database} is damaged or cannot be opened: {first_line(error)}.", hint=REBUILD
        ) from error


def close_storage(storage: BaseStorage) -> None:
    """Let go of a database, so that SQLite moves its write-ahead log into the file."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`, as Linux names it; "unknown" elsewhere."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    target = path.resolve()
    found, kind = -1, "unknown"
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, mount, name = line.split(" ")[:3]
        point = Path(mount.replace("\\040", " "))
        if target.is_relative_to(point) and len(point.parts) >= found:
            found, kind = len(point.parts), name
    return kind


def first_line(error: Exception) -> str:
    """What an error says first: those of databases go on for pages."""
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
