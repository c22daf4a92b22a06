"""The folder of a run, the folders of its trials, and the lock on it; docs/design.md lists their files."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import tomli_w

from pure_nas.errors import RunError, reason
from pure_nas.files import (
    REFUSALS,
    TEMPORARY,
    append_line,
    bytes_of,
    check,
    decoded,
    digest_of,
    digest_of_document,
    held,
    read_json,
    read_json_lines,
    require_flat,
    write_whole,
)
from pure_nas.paths import expanded, require_folder
from pure_nas.run.schema import SCHEMA, Epoch, Result, Settings, Stops
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.validation import faults_explained, shown

logger = logging.getLogger(__name__)

EXPERIMENT = "experiment"  # the `kind` in the run.toml of an experiment; that of a search has none
DAMAGED_HINT = (
    "Restore a good copy. Without one, move the trial's result.json, and study.db (with study.db-wal and "
    "study.db-shm), away and run the search command again: the trial is trained again, and the study is rebuilt from "
    "the others."
)
SETTINGS_HINT = "Restore a good copy, or choose another folder for a new run."
_CURVE_HINT = "Restore a good copy, or remove it and checkpoint.pt: the network is trained from the start again."
ARCHITECTURE_FILE = "architecture.json"
WEIGHTS_FILE = "weights.safetensors"
_SECONDS_TO_LOCK = 0.5
_WRITTEN_LOCKED = frozenset(  # files that only the holder of a run's lock writes
    {"run.toml", "environment.json", "owner.json", "experiment.toml", "training.json", "retrain.json"}
    | {"confirmations.json"}
    | {ARCHITECTURE_FILE, "recipe.json", "metrics.jsonl", "attempt.json", "stops.json", "checkpoint.pt", WEIGHTS_FILE}
    | {"evaluation.json", "hits.json", "result.json", "warm_start.json"}
)


class Stopping(NamedTuple):
    """By epoch, the error above which a trial ends; an audit takes no notice of it."""

    errors: Mapping[int, float]
    audit: bool


class TrialDirectory:
    """The folder of one trial; `damaged_hint` is the way out where its result is damaged."""

    def __init__(self, path: Path, number: int, *, damaged_hint: str = DAMAGED_HINT) -> None:
        self.path = path
        self.number = number
        self.architecture = path / ARCHITECTURE_FILE
        self.recipe = path / "recipe.json"
        self.damaged_hint = damaged_hint
        self.ended = path / "result.json"
        self.metrics = path / "metrics.jsonl"
        self.weights = path / WEIGHTS_FILE
        self.checkpoint = path / "checkpoint.pt"
        self.evaluation = path / "evaluation.json"
        self.hits = path / "hits.json"
        self.attempt = path / "attempt.json"
        self.stops_path = path / "stops.json"

    def write_candidate(self, candidate: Candidate) -> None:
        write_whole(self.recipe, candidate.recipe.to_json())
        write_whole(self.architecture, candidate.architecture.to_json())

    def candidate(self) -> Candidate:
        """What the trial trains; a file that is missing or damaged is a `ConfigError`."""
        return Candidate(Architecture.load(self.architecture), Recipe.load(self.recipe))

    @property
    def has_candidate(self) -> bool:
        return self.architecture.exists()

    def write_stops(self, known: int, errors: Mapping[int, float], *, audit: bool) -> None:
        """Record when the trial will end early, and from how many earlier trials that was decided."""
        by_epoch = {str(epoch): error for epoch, error in errors.items()}
        document = {"schema": SCHEMA, "known": known, "errors": by_epoch, "audit": audit}
        write_whole(self.stops_path, json.dumps(document, indent=2) + "\n")

    def stops(self) -> Stopping | None:
        """When the trial ends early; None where that was not decided."""
        if not self.stops_path.exists():
            return None
        found = read_json(self.stops_path, Stops, hint=self.damaged_hint)
        return Stopping({int(epoch): error for epoch, error in found["errors"].items()}, found["audit"])

    def finish(self, result: Mapping[str, Any]) -> None:
        """Record how the trial ended, with digests of what it has left: files that change later are noticed."""
        files = (self.metrics, self.evaluation, self.hits, self.stops_path, self.weights)
        digests = {path.name: digest_of(bytes_of(path)) for path in files if path.exists()}
        digests["candidate"] = self.candidate().digest
        own = digest_of_document({**result, "digests": digests})
        self.write_result({**result, "digests": {**digests, self.ended.name: own}})

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_whole(self.ended, json.dumps(result, indent=2) + "\n")
        if not self.checkpoint.is_dir():  # A folder in its place is not ours.
            self.checkpoint.unlink(missing_ok=True)
        self.attempt.unlink(missing_ok=True)

    def result(self) -> dict[str, Any] | None:
        """How the trial ended; None while it has not. That a file of it was changed since is a `RunError`, as far as
        digests tell: results of older versions have none."""
        if not self.ended.exists():
            return None
        result: dict[str, Any] = read_json(self.ended, Result, hint=self.damaged_hint)
        if result.get("digests") is not None and (changed := self._change(result, result["digests"])):
            raise RunError(changed, hint=self.damaged_hint)
        return result

    def _change(self, result: Mapping[str, Any], digests: Mapping[str, str]) -> str:
        others = {name: digest for name, digest in digests.items() if name != self.ended.name}
        if digest_of_document({**result, "digests": others}) != digests.get(self.ended.name):
            return f"{self.ended} was changed after the trial had ended."
        if self.candidate().digest != digests.get("candidate"):
            return (
                f"{self.path} holds the result of another network or recipe than its architecture.json and recipe.json "
                "say: one of the files was changed, or belongs to another trial."
            )
        files = (self.metrics, self.evaluation, self.hits, self.stops_path)
        for path in (each for each in files if each.name in digests):
            if not path.exists():
                return f"{path} is missing."
            if digest_of(bytes_of(path)) != digests[path.name]:
                return f"{path} was changed after the trial had ended, or belongs to another trial."
        return ""

    def number_in(self, result: Mapping[str, Any], table: str, key: str) -> float:
        found = (result.get(table) or {}).get(key)
        if found is None:
            missing = table if result.get(table) is None else f"{table}.{key}"
            raise RunError(f"{self.ended} is damaged: it has no valid '{missing}'.", hint=self.damaged_hint)
        return float(found)

    @property
    def weights_digest(self) -> str | None:
        """SHA-256 of the weights that the trial ended with; None where its result does not say, or there is none."""
        return ((self.result() or {}).get("digests") or {}).get(self.weights.name)

    @property
    def has_its_weights(self) -> bool:
        """Whether the weights are there and, as far as the result tells, are those that the trial ended with."""
        kept = self.weights_digest
        return self.weights.is_file() and kept in (None, digest_of(bytes_of(self.weights)))

    def curve(self) -> list[dict[str, Any]]:
        hint = self.damaged_hint if self.ended.exists() else _CURVE_HINT
        records = read_json_lines(self.metrics, Epoch, hint=hint)
        for place, epoch in enumerate((record["epoch"] for record in records), start=1):
            if epoch != place:
                raise RunError(f"{self.metrics}, line {place}, is damaged: it is of epoch {epoch}.", hint=hint)
        return records


class RunDirectory:
    """The folder of one run, which need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path = expanded(path)
        self.settings_path = path / "run.toml"
        self.study_path = path / "study.db"
        self.warm_start_path = path / "warm_start.json"
        self.log_path = path / "log.jsonl"
        self.report_path = path / "report.html"
        self.figures = path / "figures"

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        run, hint = cls(path), "Name the folder of a run, which is in runs or where --out put it."
        if run.exists:
            return run
        require_folder(run.path, hint=hint)
        if not run.path.is_dir():
            raise RunError(f"There is no run at {run.path}.", hint=hint)
        if (run.path / ARCHITECTURE_FILE).is_file():
            hint = "It holds one network: use it with pure-nas evaluate or pure-nas export."
        raise RunError(f"{run.path} is not a run (it has no run.toml).", hint=hint)

    @property
    def is_experiment(self) -> bool:
        """Whether it is an experiment's, and no search's; a damaged run.toml is an error."""
        return self.settings().get("kind") == EXPERIMENT

    @property
    def exists(self) -> bool:
        return self.settings_path.is_file()

    def trial(self, number: int) -> TrialDirectory:
        return TrialDirectory(self.path / "trials" / f"{number:04d}", number)

    def trials(self) -> Iterator[TrialDirectory]:
        folder = self.path / "trials"
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        yield from map(self.trial, sorted(int(name) for name in names if name.isdecimal()))

    @property
    def trained_folders(self) -> list[Path]:
        return sorted(weights.parent for weights in (self.path / "trials").glob(f"*/{WEIGHTS_FILE}"))

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        written = _without_none(settings)
        with faults_explained(Settings, f"What {self.settings_path} would say"):
            Settings.model_validate(written)
        write_whole(self.settings_path, tomli_w.dumps(written))

    def settings(self) -> dict[str, Any]:
        data = bytes_of(self.settings_path)
        try:
            settings = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
            require_flat(settings)
        except (RecursionError, ValueError) as error:
            fault = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise RunError(f"{self.settings_path} is damaged: {fault}.", hint=SETTINGS_HINT) from error
        if settings.get("schema", SCHEMA) != SCHEMA:
            raise self.of_another_version(settings)
        check(Settings, settings, self.settings_path, hint=SETTINGS_HINT)
        return settings

    def of_another_version(self, settings: Mapping[str, Any]) -> RunError:
        return RunError(
            f"{self.settings_path} has schema {shown(settings.get('schema'))}; this version of pure-nas reads {SCHEMA}."
        )

    def log(self, event: str, **fields: Any) -> None:
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        append_line(self.log_path, record)

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
    def locked(self, *, instead: str = "another run") -> Iterator[None]:
        """Hold the run, so that a second process leaves it alone; `instead` is what else to choose."""
        owner, lock = self.path / "owner.json", filelock.FileLock(self.path / "run.lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # `user` holds the lock for a moment as it looks.
            lock.acquire(timeout=_SECONDS_TO_LOCK, poll_interval=0.02)
        except filelock.Timeout as error:
            raise RunError(
                f"The run {self.path} is in use{_described(owner)}.",
                hint=f"Wait for it, stop it, or choose {instead}.",
            ) from error
        except OSError as error:
            if error.errno not in REFUSALS | {errno.ENOLCK}:
                raise RunError(f"The directory {self.path} cannot be created or locked: {reason(error)}.") from error
            logger.warning(
                "%s is on a file system without locks: make sure that only one search at a time uses it.", self.path
            )
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
        try:
            with held(self.path) as in_place:
                write_whole(owner, json.dumps(record) + "\n")
                try:
                    _remove_strays(self.path)
                    yield
                finally:
                    if in_place():
                        owner.unlink(missing_ok=True)
        finally:
            lock.release()


def _remove_strays(run: Path) -> None:
    """Remove what writes left that a kill cut short; only the holder of the lock writes these files."""
    within = ("trials/*", "trials/*/seeds/*", "retrain/*", "restored/*")
    for folder in (run, *chain.from_iterable(map(run.glob, within))):
        for path in folder.glob(".*"):
            match = TEMPORARY.fullmatch(path.name)
            if match and match["name"] in _WRITTEN_LOCKED and path.is_file():
                # One that cannot be removed does no harm.
                with suppress(OSError):
                    path.unlink()


def _described(owner: Path) -> str:
    try:
        record = decoded(owner.read_bytes())
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
