"""Runs in a folder: what they are, how far they came, what they take and what of it nothing needs; moved or removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pure_nas.errors import PureNasError, RunError, UsageError, reason
from pure_nas.files import decoded
from pure_nas.paths import require_folder
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.search_results import load_results


@dataclass(frozen=True)
class ListedRun:
    """A run as it lies on disk.

    Attributes:
        kind: "search", or "experiment".
        state: "in use", "damaged", "killed", or why its last session ended.
        ended: trainings that have ended.
        bytes: of all its files.
        spare: files that no command needs: weights off the front, checkpoints of what has ended.
        changed: when something of it was last written.
    """

    path: Path
    kind: str
    dataset: str
    state: str
    ended: int
    bytes: int
    spare: tuple[Path, ...]
    changed: datetime

    @property
    def spare_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.spare if path.is_file())


def runs_in(folder: Path) -> Iterator[ListedRun]:
    """The runs in a folder, those of races among them, by name.

    Raises:
        RunError: there is no such folder.
    """
    require_folder(folder, hint="Name the folder that --out put runs into.")
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}.", hint="Name the folder that --out put runs into.")
    yield from map(listed, _directories(folder))


def run_or_runs(path: Path) -> list[RunDirectory]:
    """The run in a folder, or the runs in it, where it is of a race or of many.

    Raises:
        RunError: there is neither.
    """
    if not path.is_dir():
        return [RunDirectory.open(path)]
    run = RunDirectory(path)
    # One whose settings are lost has trials.
    return [run] if run.exists or (path / "trials").exists() else _directories(path) or [run]


def _directories(folder: Path) -> list[RunDirectory]:
    return [RunDirectory(each.parent) for each in sorted([*folder.glob("*/run.toml"), *folder.glob("*/*/run.toml")])]


def listed(run: RunDirectory) -> ListedRun:
    """A run, damaged or not."""
    files = [path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()]
    changed = max((path.stat().st_mtime for path in files), default=0.0)
    ended = sum((trial / "result.json").is_file() for trial in (run.path / "trials").glob("*"))
    settings: Mapping[str, Any] = {}
    damaged = False
    try:
        settings = run.settings()
    except RunError:
        damaged = True
    return ListedRun(
        path=run.path,
        kind=EXPERIMENT if settings.get("kind") == EXPERIMENT else "search",
        dataset=Path(str(settings.get("dataset", ""))).name,
        state="in use" if run.user() else "damaged" if damaged else _last_end(run),
        ended=ended,
        bytes=sum(path.stat().st_size for path in files),
        spare=() if damaged or settings.get("kind") == EXPERIMENT else tuple(_spare(run)),
        changed=datetime.fromtimestamp(changed, UTC),
    )


def _last_end(run: RunDirectory) -> str:
    """Why the last session ended, as the log has it."""
    last: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):
        for line in run.log_path.read_bytes().splitlines():
            found = decoded(line)
            last = found if str(found["event"]).endswith((" started", " stopped")) else last
    return str(last["reason"]) if str(last.get("event", "")).endswith(" stopped") else "killed"


def _spare(run: RunDirectory) -> Iterator[Path]:
    try:
        results = load_results(run)
    except PureNasError:
        return
    front = {trial.trained for group in results.groups for trial in group}
    for trial in map(run.trial, (each.number for each in results.trials)):
        yield from (path for path in (trial.checkpoint, trial.attempt) if path.is_file())
        if trial.number not in front and trial.weights.is_file():
            yield trial.weights


def remove_spare(run: RunDirectory) -> int:
    """Remove what no command needs; returns how many bytes that freed. Weights can be trained again."""
    with run.locked():
        found = listed(run).spare
        freed = sum(path.stat().st_size for path in found)
        for path in found:
            path.unlink()
        run.log("spare files removed", files=len(found), bytes=freed)
    return freed


def remove(run: RunDirectory) -> None:
    """Remove a run with all that it has found.

    Raises:
        RunError: it is in use, holds another run, or something of it cannot be removed.
    """
    _require_idle(run)
    if inside := next((each.parent for each in run.path.rglob("run.toml") if each.parent != run.path), None):
        raise RunError(f"{run.path} holds another run, {inside}.", hint="Move that away first: pure-nas runs move.")
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise RunError(f"{error.filename or run.path} cannot be removed: {reason(error)}.") from error


def move(run: RunDirectory, target: Path) -> Path:
    """Move a run to a new name, or into a folder that exists; returns where it is.

    Raises:
        UsageError: there is something, or it would be inside of another run.
        RunError: it is in use, or cannot be moved.
    """
    _require_idle(run)
    place = target / run.path.name if target.is_dir() else target
    if place.exists():
        raise UsageError(f"{place} exists.", hint="Choose another name.")
    if place.resolve().is_relative_to(run.path.resolve()):
        raise UsageError(f"{run.path} cannot be moved into itself.")
    if above := next((each for each in place.resolve().parents if RunDirectory(each).exists), None):
        raise UsageError(f"{place} would be inside of the run {above}.", hint="Choose a folder that is no run.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(run.path, place)
        except OSError:  # another file system
            partial = place.with_name(f".{place.name}.part")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(run.path, partial, symlinks=True)
            os.rename(partial, place)
            shutil.rmtree(run.path)
    except OSError as error:
        raise RunError(f"{run.path} cannot be moved to {place}: {reason(error)}.") from error
    return place


def _require_idle(run: RunDirectory) -> None:
    if user := run.user():
        raise RunError(f"{run.path} is in use {user}.", hint="Wait for it, or stop it.")
