"""What a run leaves on disk, the lock on it, and how its files are written.

run.toml            every setting, resolved             environment.json   versions, device, command line
study.db            the Optuna study (by default)       log.jsonl          one event a line
trials/0007/        architecture.json, recipe.json, metrics.jsonl, result.json, weights.safetensors,
                    checkpoint.pt, attempt.json (while the trial runs)
front.json, front.csv, report.html, figures/
"""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import tomli_w

from pure_nas.architecture import Architecture
from pure_nas.candidate import Candidate
from pure_nas.errors import RunError
from pure_nas.recipe import Recipe

EXPERIMENT = "experiment"
"""The `kind` in the run.toml of an experiment; that of a search has none."""
DAMAGED_HINT = (
    "Put a good copy back. Without one, move the file and study.db (with study.db-wal and study.db-shm) away and give "
    "the search command again: the trial is trained anew, and the study is rebuilt from the others."
)


_SECONDS_TO_LOCK = 0.5

_held: dict[Path, tuple[int, int] | None] = {}
"""Runs that this process has locked, and which folders they were then: another one in their place is never written."""


def write_whole(path: Path, data: bytes | str, *, new_folders: bool = True) -> None:
    """Write a file so that a reader sees the old or the new one, never a part, whatever happens meanwhile.

    Args:
        new_folders: whether to make its folder where there is none.

    Raises:
        RunError: the disk is full, the folder cannot be written, or the run was moved or removed.
    """
    _require_in_place(path)
    payload = data.encode() if isinstance(data, str) else data
    temporary: str | None = None
    try:
        if new_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise _unwritable(path, error, "Free some space or choose another folder") from error


_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""What `write_whole` calls a file until it is whole."""

_WRITTEN_LOCKED = frozenset(
    {"run.toml", "environment.json", "owner.json", "experiment.toml", "training.json", "retrain.json"}
    | {"architecture.json", "recipe.json", "metrics.jsonl", "attempt.json", "checkpoint.pt", "weights.safetensors"}
    | {"evaluation.json", "result.json"}
)
"""Files that only the holder of a run's lock writes."""


def _remove_strays(run: Path) -> None:
    """Remove what writes left that a kill cut short. Only the holder of the run's lock may: nobody else writes these.

    A file of the user, and what `report` may be writing at this moment, is left alone.
    """
    for folder in (run, *(run / "trials").glob("*"), *(run / "retrain").glob("*")):
        for path in folder.glob(".*"):
            match = _TEMPORARY.fullmatch(path.name)
            if match and match["name"] in _WRITTEN_LOCKED and path.is_file():
                # One that cannot be removed does no harm.
                with suppress(OSError):
                    path.unlink()


def _unwritable(path: Path, error: OSError, way_out: str) -> RunError:
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return _moved(path.parent)
    return RunError(
        f"{path} cannot be written: {error.strerror or error}.", hint=f"{way_out}, then give the same command again."
    )


def _require_in_place(path: Path) -> None:
    """Let nothing be written in the old place of a run that is elsewhere now.

    Raises:
        RunError: `path` is in a run that was moved or removed after this process locked it.
    """
    for run, folder in list(_held.items()):
        if path.is_relative_to(run) and _identity(run) != folder:
            raise _moved(run)


def _moved(folder: Path) -> RunError:
    return RunError(
        f"{folder} was moved or removed while this command wrote into it.",
        hint="Put the run back, or give its new folder (--study and --out for a search), with the same command; it "
        "goes on where it stopped.",
    )


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure, where the system can open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_json(path: Path, *, hint: str = "") -> Any:
    """The content of a JSON file.

    Args:
        hint: the way out where it is damaged.

    Raises:
        RunError: the file is missing, unreadable or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.", hint=hint) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file; a last line cut short by a crash is left out, and a missing file has none.

    Raises:
        RunError: the file cannot be read, or a line before the last is damaged.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"{line[:40]!r} is no record")
            records.append(record)
        except ValueError as error:
            if number == len(lines):
                break
            raise RunError(f"{path}, line {number}, is damaged: {error}.") from error
    return records


class TrialDirectory:
    """The folder of one trial.

    Attributes:
        damaged_hint: the way out where its result is damaged.
    """

    def __init__(self, path: Path, number: int, *, damaged_hint: str = DAMAGED_HINT) -> None:
        self.path = path
        self.number = number
        self.damaged_hint = damaged_hint
        self.metrics = path / "metrics.jsonl"
        self.weights = path / "weights.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.evaluation = path / "evaluation.json"
        self.attempt = path / "attempt.json"

    def write_candidate(self, candidate: Candidate) -> None:
        """Record what the trial trains."""
        write_whole(self.path / "recipe.json", candidate.recipe.to_json())
        write_whole(self.path / "architecture.json", candidate.architecture.to_json())

    def candidate(self) -> Candidate:
        """What the trial trains.

        Raises:
            ConfigError: a file is missing or damaged.
        """
        return Candidate(Architecture.load(self.path / "architecture.json"), Recipe.load(self.path / "recipe.json"))

    @property
    def has_candidate(self) -> bool:
        """Whether what the trial trains is on disk."""
        return (self.path / "architecture.json").exists()

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Record how the trial ended; from now on it is finished, whatever the study says, and needs no checkpoint."""
        write_whole(self.path / "result.json", json.dumps(result, indent=2) + "\n")
        self.checkpoint.unlink(missing_ok=True)
        self.attempt.unlink(missing_ok=True)

    def result(self) -> dict[str, Any] | None:
        """How the trial ended; None while it has not.

        Raises:
            RunError: the file is damaged.
        """
        path = self.path / "result.json"
        if not path.exists():
            return None
        result = read_json(path, hint=self.damaged_hint)
        if not isinstance(result, dict) or "state" not in result:
            raise RunError(f"{path} is damaged: it has no state.", hint=self.damaged_hint)
        return result

    def curve(self) -> list[dict[str, Any]]:
        """One record an epoch."""
        return read_json_lines(self.metrics)


class RunDirectory:
    """The folder of one run.

    Raises:
        RunError: `open` finds no run there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_path = path / "run.toml"
        self.study_path = path / "study.db"
        self.report_path = path / "report.html"
        self.figures = path / "figures"

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The run at `path`, which must exist."""
        run = cls(path)
        if path.is_file():
            raise RunError(
                f"{path} is a file, not the folder of a run.", hint="Name a folder that a search has written."
            )
        if not path.is_dir():
            raise RunError(f"There is no run at {path}.", hint="Runs lie under runs/<study>, or where --out put them.")
        if not run.settings_path.is_file():
            raise RunError(f"{path} is no run: it has no run.toml.", hint="Name a folder that a search has written.")
        return run

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return self.settings_path.is_file()

    def trial(self, number: int) -> TrialDirectory:
        """The folder of trial `number`, which need not exist."""
        return TrialDirectory(self.path / "trials" / f"{number:04d}", number)

    def trials(self) -> Iterator[TrialDirectory]:
        """Every trial on disk, by number."""
        folder = self.path / "trials"
        names = (entry.name for entry in folder.iterdir() if entry.name.isdecimal()) if folder.is_dir() else ()
        yield from (self.trial(number) for number in sorted(int(name) for name in names))

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Record every setting of the run, resolved. Values that are None are left out."""
        write_whole(self.settings_path, tomli_w.dumps(_without_none(settings)))

    def settings(self) -> dict[str, Any]:
        """Every setting of the run.

        Raises:
            RunError: run.toml is missing or damaged.
        """
        try:
            return tomllib.loads(self.settings_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunError(f"{self.settings_path} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RunError(f"{self.settings_path} is damaged: {error}.") from error

    def require_in_place(self) -> None:
        """Check that the run is where it was when it was locked.

        Raises:
            RunError: it was moved or removed.
        """
        _require_in_place(self.path)

    def log(self, event: str, **fields: Any) -> None:
        """Append one event to log.jsonl."""
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        append_line(self.path / "log.jsonl", record)

    def user(self) -> str:
        """Who holds the run now, as a clause such as "by process 7 on host since ..."; empty where nobody does."""
        path = self.path / "run.lock"
        if not path.exists():
            return ""
        try:
            with filelock.FileLock(path, blocking=False):
                return ""
        except filelock.Timeout:
            return _described(self.path / "owner.json").strip()
        except OSError:  # It cannot be told where nothing may be written.
            return ""

    @contextmanager
    def locked(self, *, instead: str = "--study") -> Iterator[None]:
        """Hold the run, so that a second process leaves it alone. The system lets go of the lock of a dead process.

        Args:
            instead: the option that chooses another run.

        Raises:
            RunError: another process holds it; the message says which.
        """
        owner = self.path / "owner.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"The run directory {self.path} cannot be made: {error.strerror}.") from error
        lock = filelock.FileLock(self.path / "run.lock")
        try:
            # `user` holds the lock for a moment as it looks.
            lock.acquire(timeout=_SECONDS_TO_LOCK, poll_interval=0.02)
        except filelock.Timeout as error:
            raise RunError(
                f"The run {self.path} is in use{_described(owner)}.",
                hint=f"Wait for it, stop it, or choose another {instead}.",
            ) from error
        except OSError as error:
            raise RunError(f"The run directory {self.path} cannot be locked: {error.strerror}.") from error
        _held[self.path] = folder = _identity(self.path)
        try:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            record = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
            write_whole(owner, json.dumps(record) + "\n")
            _remove_strays(self.path)
            yield
        finally:
            del _held[self.path]
            if _identity(self.path) == folder:
                owner.unlink(missing_ok=True)
            lock.release()


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one record to a .jsonl file.

    Raises:
        RunError: the disk is full, the file cannot be written, or its folder was moved or removed.
    """
    _require_in_place(path)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise _unwritable(path, error, "Free some space") from error


def _described(owner: Path) -> str:
    try:
        record = json.loads(owner.read_bytes())
        since = record.get("since")
        when = f" since {datetime.fromisoformat(since).astimezone():%Y-%m-%d %H:%M}" if since else ""
        return f" by process {record['pid']} on {record['host']}{when}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return " by another process"


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value
