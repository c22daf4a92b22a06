"""Files that are written whole or not at all, and read strictly; what cannot be, or is damaged, is a `RunError`."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from pure_nas.errors import RunError, reason
from pure_nas.validation import fault_lines

REFUSALS = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY})
"""How file systems say that they cannot do something."""
TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")  # what `replacing` calls a file until it is whole

_held: dict[Path, tuple[int, int] | None] = {}  # folders that this process holds, and which they were then


def write_whole(path: Path, data: bytes | str, *, new_folders: bool = True) -> None:
    """Write a file so that a reader sees the old or the new one, never a part, whatever happens meanwhile."""
    with _writing(path, "Free some space or choose another folder"):
        if new_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of the one at `path` when it is whole and on disk."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        # Opened like any new file, so that its rights are what the umask and the folder say.
        with temporary.open("xb") as file:
            yield file
            flush_to_disk(file)
        os.replace(temporary, path)
        # The rename, too, shall survive a power failure, where the system can do that: network folders may not.
        with suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def flush_to_disk(file: IO[bytes]) -> None:
    """Make what was written to a file survive a power failure, where its file system can do that."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in REFUSALS:
            raise


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one record to a .jsonl file."""
    with _writing(path, "Free some space"), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


@contextmanager
def _writing(path: Path, way_out: str) -> Iterator[None]:
    require_in_place(path)
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.parent.exists():
            raise _moved(path.parent) from error
        hint = f"{way_out}, then run the same command again."
        raise RunError(f"{path} cannot be written: {reason(error)}.", hint=hint) from error


@contextmanager
def held(folder: Path) -> Iterator[Callable[[], bool]]:
    """Let nothing be written below `folder` once it was moved, removed or replaced; yields a test of that."""
    _held[folder] = identity = _identity(folder)
    try:
        yield lambda: _identity(folder) == identity
    finally:
        del _held[folder]


def require_in_place(path: Path) -> None:
    """Check that no folder that is held, in which `path` is, was moved or removed."""
    for run, folder in list(_held.items()):
        if path.is_relative_to(run) and _identity(run) != folder:
            raise _moved(run)


def _moved(folder: Path) -> RunError:
    return RunError(
        f"{folder} was moved or removed while this command wrote into it.",
        hint="Move it back, or name its new folder (--study and --out, or --output) in the same command.",
    )


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name; None where there is none."""
    with suppress(OSError):
        found = folder.stat()
        return found.st_dev, found.st_ino
    return None


def without_nan(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, model: Any = Any, *, hint: str = "") -> Any:
    """The content of a JSON file, once it is known to be a `model`, see `check`."""
    try:
        content = decoded(bytes_of(path))
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.", hint=hint) from error
    check(model, content, path, hint=hint)
    return content


def read_json_lines(path: Path, model: Any = dict[str, Any], *, hint: str = "") -> list[dict[str, Any]]:
    """The records of a .jsonl file; a last line cut short by a crash is left out, and a missing file has none."""
    lines = bytes_of(path).splitlines() if path.exists() else []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = decoded(line, nan_is_null=True)
        except ValueError as error:
            if number == len(lines):
                break
            raise RunError(f"{path}, line {number}, is damaged: {error}.", hint=hint) from error
        check(model, record, f"{path}, line {number},", hint=hint)
        records.append(record)
    return records


def bytes_of(path: Path) -> bytes:
    """The content of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason(error)}.") from error


def check(model: Any, content: Any, file: Path | str, *, hint: str = "") -> Any:
    """The content of a file as `model`, which is anything that pydantic validates; an error lists every error."""
    try:
        return TypeAdapter(model).validate_python(content)
    except ValidationError as error:
        raise RunError(f"{file} is damaged: {'; '.join(fault_lines(error, model))}.", hint=hint) from error


def decoded(data: bytes, *, nan_is_null: bool = False) -> Any:
    """What JSON says, or a `ValueError`, as of NaN, unless it is null with `nan_is_null`: older records have it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8 text") from error
    if not text.strip():
        raise ValueError("it is empty")
    constant = (lambda _: None) if nan_is_null else _finite
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    require_flat(content)
    return content


def require_flat(content: Any, deepest: int = 40) -> None:
    """Check that a document is not nested beyond what can be walked through: that is a `ValueError`."""
    if not deepest:
        raise ValueError("it is nested too deeply")
    within = list(content.values()) if isinstance(content, Mapping) else content
    for inner in within if isinstance(within, list) else ():
        require_flat(inner, deepest - 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"{json.dumps(twice[:60])} appears twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a number")
    return value


def digest_of(data: bytes) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_document(content: Any) -> str:
    """SHA-256 of what a JSON document says, however it is laid out."""
    return digest_of(json.dumps(content, sort_keys=True).encode())
