"""The settings of a run: written when it begins, compared when it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pure_nas.data import dataset_names
from pure_nas.errors import RunError
from pure_nas.files import write_whole
from pure_nas.paths import absolute
from pure_nas.run.directory import RunDirectory
from pure_nas.run.environment import without_password

CAME_LATER = frozenset({"data.mean", "data.std", "data.stored_size", "data.decoded_size"})
"""What run.toml of an older run lacks, though nothing differs."""
_MOST_LISTED = 20


def require_same(
    run: RunDirectory,
    wanted: Mapping[str, Any],
    *,
    may_differ: frozenset[str],
    causes: Callable[[Sequence[str], Mapping[str, Any], Mapping[str, Any]], Sequence[str]],
    hint: str,
) -> None:
    """Check that a run may go on with the settings `wanted`.

    Args:
        may_differ: first parts of the keys that decide nothing.
        causes: given the keys that differ and both settings, those that the others do not only follow from.
        hint: the way out.

    Raises:
        RunError: something that decides differs; the message lists what.
    """
    stored = run.settings()
    if "schema" not in stored:
        raise run.of_another_version(stored)
    old, new = flat(stored), flat(wanted)
    for settings in (old, new):
        if "storage" in settings:  # with a password or without: it is the same database
            settings["storage"] = without_password(str(settings["storage"])).replace(":***@", "@")
    no_longer = {key for key in old if key.split(".")[0] not in wanted}
    differing = [
        key
        for key in dict.fromkeys((*new, *old))
        if key.split(".")[0] not in may_differ
        and old.get(key) != new.get(key)
        and key not in no_longer
        and (key in old or key not in CAME_LATER)
    ]
    listed = causes(differing, old, new)
    if not listed:
        return
    lines = [f"  {key}: {_shown(old.get(key))} in the run, {_shown(new.get(key))} now" for key in listed[:_MOST_LISTED]]
    more = [f"  and {len(listed) - _MOST_LISTED} more"] if len(listed) > _MOST_LISTED else []
    raise RunError("\n".join([f"The run {run.path} was started with other settings:", *lines, *more]), hint=hint)


def require_room(folder: Path, ours: Callable[[Path], bool], *, what: str, hint: str) -> None:
    """Check that a folder in which nothing has begun holds nothing that somebody else left there.

    Args:
        ours: whether a file is what a command leaves that was stopped before it wrote its settings.

    Raises:
        RunError: it is a file, cannot be read, or holds something else.
    """
    if folder.is_file():
        raise RunError(f"{folder} is a file, not the folder of a run.", hint=hint)
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
