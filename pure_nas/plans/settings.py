"""The settings of a run: written when it begins, compared when it resumes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

from pure_nas.data.dataset import ImageSource
from pure_nas.data.sources.registry import dataset_names
from pure_nas.errors import RunError, UsageError
from pure_nas.files import write_whole
from pure_nas.paths import absolute, require_folder
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.environment import without_password
from pure_nas.validation import shown
from pure_nas.workers.worker_main import Load

_MAY_DIFFER = frozenset(
    {"study", "experiment", "trials", "seeds", "time_seconds", "device", "workers", "execution", "machine", "data_dir"}
    | {"until_flat", "keep_weights", "confirm"}
    | {"dataset", "dataset_replaced", "space"}
)
"""Settings that decide nothing. Of dataset and space they are names: images and axes are compared themselves."""
_DECIDE_IMAGES = frozenset(
    {"dataset", "seed", "image_size", "skip_corrupt", "limit", "validation", "split", "validation_curve"}
)
_ROUNDING = 1e-12
_CAME_LATER = frozenset({"early_stopping", "lag", "data.mean", "data.std", "data.stored_size", "data.decoded_size"})
"""What run.toml of an older run lacks, though nothing differs."""
_MOST_LISTED = 20
ANOTHER = "another --study or --out"
_LONGEST_NAME = 200
_WINDOWS = os.name == "nt"


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """On which images and on what device a command trains."""

    dataset: str  # a dataset's name, or the path of a folder of images
    data_dir: Path | None = None
    image_size: int | None = None
    skip_corrupt: bool = False  # leave images out that cannot be decoded, instead of refusing them
    device: str = "auto"
    seed: int = 0

    @property
    def load(self) -> Load:
        """Loads the images, here or in another process."""
        return ImageSource(self.dataset, self.data_dir, self.seed, self.image_size, self.skip_corrupt)


@contextmanager
def locked(run: RunDirectory, wanted: Mapping[str, Any], ours: Callable[[Path], bool]) -> Iterator[None]:
    """Hold a run that resumes with the settings `wanted`, or a folder in which it may begin; see `require_room`."""
    if not run.exists:
        require_room(run.path, ours, what=wanted.get("kind", "run"), hint=f"Choose {ANOTHER}.")
    with run.locked(instead=ANOTHER):
        if run.exists:
            require_same(run, wanted)
        yield


def require_same(run: RunDirectory, wanted: Mapping[str, Any]) -> None:
    """Check that a run may resume with the settings `wanted`."""
    stored = run.settings()
    if "schema" not in stored:
        raise run.of_another_version(stored)
    then, now = ("an experiment" if each.get("kind") == EXPERIMENT else "a search" for each in (stored, wanted))
    if then != now:
        raise RunError(f"{run.path} holds {then}, not {now}.", hint=f"Choose {ANOTHER}.")
    require_equal(run.path, stored, wanted)


def require_equal(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any], another: str = ANOTHER) -> None:
    """Check that what was begun in a folder with the settings `stored` may go on with those `wanted`."""
    old, new = flat(stored), flat(wanted)
    for settings in (old, new):
        if "storage" in settings:  # with a password or without: it is the same database
            settings["storage"] = without_password(str(settings["storage"])).replace(":***@", "@")
    differing = [
        key
        for key in dict.fromkeys((*new, *old))
        if _part(key) in wanted.keys() - _MAY_DIFFER  # others are of an older version
        and not _same(old.get(key), new.get(key))
        and (key in old or key not in _CAME_LATER)
    ]
    listed = _causes(differing, old, new)
    if not listed:
        return
    if any(key.startswith("data.") for key in listed) and {*map(_part, listed)} <= {"data", "trained"}:
        raise RunError(
            f'The images of "{wanted["dataset"]}" have changed since {path} was begun.',
            hint=f"Restore the old ones, or choose {another} for a new run.",
        )
    lines = [f"  {key}: {_shown(old.get(key))} in the run, {_shown(new.get(key))} now" for key in listed[:_MOST_LISTED]]
    more = [f"  and {len(listed) - _MOST_LISTED} more"] if len(listed) > _MOST_LISTED else []
    raise RunError(
        "\n".join([f"The run {path} was started with other settings:", *lines, *more]),
        hint=f"Use the same settings to resume it, or choose {another} for a new run.",
    )


def _same(old: object, new: object) -> bool:
    """Equal, or statistics of images that another processor rounded: the images have their fingerprint."""
    if isinstance(old, list) and isinstance(new, list) and all(type(each) is float for each in old + new):
        return len(old) == len(new) and all(map(partial(math.isclose, rel_tol=_ROUNDING), old, new))
    return old == new


def _causes(differing: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys that differ, without those that only follow from others, and with the names that others follow from."""
    found = [] if list(differing) == ["data.name"] else list(differing)  # a folder of equal images, called otherwise
    for name, effect in (("space", "search_space"), ("dataset", "data")):
        if effect in map(_part, found) and old.get(name) != new.get(name):
            found = [name, *(key for key in found if _part(key) != effect)]
    parts = {*map(_part, found)}
    follow = {"data"} if parts & _DECIDE_IMAGES else set()
    follow |= {"trained"} if parts - {"data", "trained"} else set()
    return [key for key in found if _part(key) not in follow]


def _part(key: str) -> str:
    return key.partition(".")[0]


def require_room(folder: Path, ours: Callable[[Path], bool], *, what: str, hint: str) -> None:
    """Check that a folder in which nothing has begun holds nothing that somebody else left there.

    What a command leaves that was stopped before it wrote its settings is `ours`.
    """
    require_folder(folder, hint=hint)
    try:
        found = list(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise RunError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    always = {"run.lock", "owner.json", "environment.json"}
    if any(not (path.name in always or path.name.startswith(".") or ours(path)) for path in found):
        raise RunError(f"{folder} holds files, but no {what}.", hint=hint)


def record_start(run: RunDirectory, settings: Mapping[str, Any], environment: Mapping[str, Any], **fields: Any) -> None:
    """Write run.toml, and where the run was begun."""
    if not run.exists:
        write_whole(run.path / "environment.json", json.dumps(environment, indent=2) + "\n")
    run.write_settings(settings)
    run.log(f"{settings.get('kind', 'search')} started", **fields, environment=environment)


def check_study_name(name: str) -> None:
    """Check that a run, and so its folder, may be called that."""
    faults = {
        "is empty": not name,
        "begins with a dot or has a slash": name.startswith(".") or "/" in name or "\\" in name,
        "has characters that cannot be printed": not name.isprintable(),
        f"is longer than {_LONGEST_NAME} bytes": len(name.encode(errors="replace")) > _LONGEST_NAME,
        "cannot be a folder's on Windows": _WINDOWS
        and (set(name) & set('<>:"|?*') or name[-1:] in (".", " ") or PureWindowsPath(name).is_reserved()),
    }
    if fault := next((fault for fault, found in faults.items() if found), None):
        raise UsageError(
            f"The study name {shown(name)} {fault}.",
            hint="It names the folder of the run: use, for example, first-try.",
        )


def placed(dataset: str) -> str:
    """A dataset's name, or the whole path of a folder of images: a run is taken up again from anywhere."""
    return dataset if dataset in dataset_names() else absolute(dataset)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, keys joined by dots; what is None is left out."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[prefix + key] = list(value) if isinstance(value, tuple) else value
    return found


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)
