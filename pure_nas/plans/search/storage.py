"""Where the Optuna study is kept, and what a fault of it is."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import time
import tomllib
from contextlib import closing
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pure_nas.errors import RunError, UsageError
from pure_nas.paths import expanded
from pure_nas.run.environment import without_password, without_passwords_of

logger = logging.getLogger(__name__)

_FAULTS = tomllib.loads(resources.files(__package__).joinpath("storage_faults.toml").read_text(encoding="utf-8"))
REBUILD: str = _FAULTS["rebuild"]
_UNUSABLE = (SQLAlchemyError, StorageInternalError, RuntimeError)  # what is raised where a storage cannot be used
_ROOM_NEEDED = 1_000_000  # bytes without which SQLite's complaints are about the disk, whatever it says
_LOCKED_SECONDS = 60.0  # how long SQLite waits for whoever holds a database
_RESTART_SECONDS = 60.0  # how long a database server that was there may be away: it is being started again


def fault_of(error: BaseException) -> tuple[str, str]:
    """What is behind an error of Optuna or SQLAlchemy, whose own texts hide it, on one line; and the way out."""
    chain = _chain(error)
    of_drivers = [type(each.orig).__module__ for each in chain if isinstance(each, DBAPIError)]
    last = chain[-1]
    if isinstance(last, ModuleNotFoundError) and last.name:
        package = _FAULTS["packages"].get(last.name, last.name)
        return f"its driver {last.name} is not installed", f"Install it: pip install '{package}'"
    cause = (str(last).splitlines() or [type(last).__name__])[0].strip().rstrip(".")  # databases go on for pages
    usual = REBUILD if all(name.startswith("sqlite3") for name in of_drivers) else _FAULTS["server"]
    hints = (hint for pattern, hint in _FAULTS["hints"].items() if re.search(pattern, cause, re.IGNORECASE))
    return cause, next(hints, usual)


def _chain(error: BaseException | None) -> list[BaseException]:
    if error is None:
        return []
    return [error, *_chain(error.orig if isinstance(error, DBAPIError) else error.__cause__)]


def open_storage(database: Path, url: str | None) -> RDBStorage:
    """What Optuna opens at `url`, else SQLite that writes ahead (WAL), so that a dashboard can read, at `database`."""
    if url is not None:
        return _open_url(url)
    database = database.absolute()
    journal = "DELETE" if file_system(database.parent) in _FAULTS["network_file_systems"] else "WAL"
    if journal == "DELETE":
        logger.warning("%s is on a network file system, where SQLite's write-ahead log does not work.", database)
    # By its path: whatever its folders are called, none of it is part of a URL.
    connect = partial(sqlite3.connect, database, timeout=_LOCKED_SECONDS, check_same_thread=False)
    try:
        with closing(connect()) as connection:
            connection.execute(f"PRAGMA journal_mode={journal}")
            connection.execute("PRAGMA schema_version")
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)
        return RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})
    except (sqlite3.Error, *_UNUSABLE) as error:
        if database.parent.is_dir() and shutil.disk_usage(database.parent).free < _ROOM_NEEDED:
            raise RunError(
                f"The study {database} cannot be written: the disk is full.",
                hint="Free some space, then run the same command again.",
            ) from error
        cause, hint = fault_of(error)
        damaged = "is damaged or cannot" if hint == REBUILD else "cannot"
        raise RunError(f"The study {database} {damaged} be opened: {cause}.", hint=hint) from error


def _open_url(url: str) -> RDBStorage:
    example = (
        "Give an SQLAlchemy URL such as sqlite:///studies.db or postgresql://user@host/name; in a password, write / as "
        "%2F, ? as %3F and @ as %40."
    )
    if not re.match(r"[\w+]+://", url):
        shown = url if url.count(":") < 2 and "@" not in url else f"{url.partition(':')[0]}:..."
        raise UsageError(f'The storage "{shown}" cannot be opened: it is not a URL.', hint=example)
    on_server = not url.startswith("sqlite")
    options: dict[str, Any] = {"pool_pre_ping": True} if on_server else {"connect_args": {"timeout": _LOCKED_SECONDS}}
    try:
        storage = RDBStorage(_completed(url), engine_kwargs=options)
    except (ValueError, LookupError, ImportError, OSError, *_UNUSABLE) as error:
        cause, hint = fault_of(error)
        cause, texts = without_passwords_of(url, cause), "\n".join(map(str, _chain(error)))
        told = error if without_passwords_of(url, texts) == texts else StorageInternalError(cause)
        raise UsageError(
            f'The storage "{without_password(url)}" cannot be opened: {cause}.',
            hint=example if hint == REBUILD else hint,
        ) from told
    if on_server:
        event.listen(storage.engine, "do_connect", _patient_connect)
    return storage


def _completed(url: str) -> str:
    """A URL as Optuna needs it: what @ and braces in passwords could be taken for ruled out, ~ written out."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    path, mark, query = rest[len(authority) :].partition("?")
    escaped = f"{user.replace('@', '%40')}{at}{host}{path}{mark}{query.replace('@', '%40')}"
    parsed = make_url(f"{scheme}://{escaped}")
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database.startswith("~"):
        parsed = parsed.set(database=str(expanded(parsed.database)))
    text = parsed.render_as_string(hide_password=False)
    return text.replace("{", "{{").replace("}", "}}").replace("{{SCHEMA_VERSION}}", "{SCHEMA_VERSION}")


def _patient_connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """Connect to a server that was there before, which may be about to start again."""
    deadline, told = time.monotonic() + _RESTART_SECONDS, False
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except dialect.loaded_dbapi.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                logger.warning("The storage does not respond (%s); retrying for a minute.", fault_of(error)[0])
            told = True
            time.sleep(1)


def close_storage(storage: RDBStorage) -> None:
    """Let go of a database, so that SQLite moves its write-ahead log into the file."""
    storage.remove_session()
    storage.engine.dispose()


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`, as Linux names it; "unknown" elsewhere."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    found = {}
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, mount, kind = line.split(" ")[:3]
        found[Path(mount.replace("\\040", " "))] = kind  # of several at one place, the last is seen
    holding = [point for point in found if path.resolve().is_relative_to(point)]
    return found[max(holding, key=lambda point: len(point.parts))] if holding else "unknown"
