"""Getting a dataset's official files; pooch resumes no broken download and lets two processes fetch one file."""

from __future__ import annotations

import hashlib
import http.client
import logging
import tarfile
import urllib.request
import zlib
from collections.abc import Callable
from errno import EACCES, EDQUOT, EEXIST, EIO, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError

from pure_nas.data.disk_cache import alone
from pure_nas.data.sources.registry import DatasetSpec, Download, Part
from pure_nas.errors import DataError, reason
from pure_nas.quantities import show_bytes

TIMEOUT_SECONDS = 30.0
_PIECE = 2**20
_log = logging.getLogger(__name__)

DAMAGE = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, EOFError, OSError)
"""What readers raise on files that are not what they should be."""

_DOWNLOAD_FAILURES = (*DAMAGE, http.client.HTTPException, tarfile.TarError, zlib.error)
_STORAGE_ERRORS = {EACCES, EDQUOT, EEXIST, EIO, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS}


def fetch(spec: DatasetSpec, data_dir: Path, part: Part) -> Path:
    """The only file of a part, downloaded if it is not there; a `DataError` if that fails, or it is another file."""
    (path,) = (data_dir / name for name in (spec.files or {})[part])
    (download,) = (spec.downloads or {})[part]
    fetch_missing(spec, data_dir, part, lambda missing: _download(download, missing[0]))
    return path


def fetch_missing(spec: DatasetSpec, data_dir: Path, part: Part, get: Callable[[tuple[Path, ...]], None]) -> None:
    """Let `get` put the missing files of a part in place, one process at a time, or raise `DataError`."""

    def not_stored(why: str, way_out: str) -> DataError:
        return DataError(
            f"{spec.name} cannot be stored in {data_dir}: {why}.",
            hint=f"{way_out}, or choose another data directory: --data-dir or PURE_NAS_DATA.",
        )

    missing = spec.missing(data_dir, part)
    if not missing:
        return
    for path in missing:
        files = [folder for folder in path.parents if folder.is_file()]
        if path.is_dir() or files:
            obstacle = f"{path} is a folder, not a file" if path.is_dir() else f"{files[0]} is a file, not a folder"
            raise not_stored(obstacle, "Move it away")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with alone(data_dir / f".{spec.name}.lock", f"{spec.name} is downloaded"):
            # Another process may have fetched them while this one waited.
            missing = spec.missing(data_dir, part)
            if missing:
                get(missing)
    except _DOWNLOAD_FAILURES as error:
        if isinstance(error, OSError) and not isinstance(error, URLError) and error.errno in _STORAGE_ERRORS:
            raise not_stored(reason(error), "Free some space there") from error
        raise DataError(
            f"{spec.name} is not in {data_dir} and cannot be downloaded: {reason(error)}.",
            hint=f"Without a network, {by_hand(spec, data_dir, part)}",
        ) from error


def by_hand(spec: DatasetSpec, data_dir: Path, part: Part) -> str:
    """How to put the files of a part in place by hand."""
    steps = []
    for download in (spec.downloads or {})[part]:
        target = data_dir / download.folder / download.name
        damaged = "; the file there now is damaged or incomplete" if target.is_file() else ""
        steps.append(f"{target} (from {download.url}{damaged})")
    return f"put in place: {', '.join(steps)}"


def is_published(path: Path, checksum: str) -> bool:
    """Whether a file has the checksum of a `Download`; an empty checksum fits any file."""
    algorithm, _, expected = checksum.partition(":")
    if not expected:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected


def _download(download: Download, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    total = _receive(download.url, unfinished)
    have = unfinished.stat().st_size
    if total is not None and have < total:
        raise URLError(f"the connection ended after {have:,} of {total:,} bytes; the same command resumes it")
    if not is_published(unfinished, download.checksum):
        unfinished.unlink()
        raise URLError(f"the file at {download.url} does not have the published {download.checksum.partition(':')[0]}")
    unfinished.replace(path)


def _receive(url: str, path: Path) -> int | None:
    """Append what is missing of a file; returns its full size if the server tells it."""
    start = path.stat().st_size if path.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return None  # nothing was missing
        raise
    with answer, path.open("ab" if answer.status == HTTPStatus.PARTIAL_CONTENT else "wb") as file:
        length, done = answer.headers.get("Content-Length"), file.tell()
        total = done + int(length) if length is not None else None
        _log.info("Downloading %s to %s%s.", url, path.parent, f", {show_bytes(total)}" if total else "")
        while piece := answer.read(_PIECE):
            file.write(piece)
            before, done = done, done + len(piece)
            if total and done * 10 // total > before * 10 // total:
                _log.info("%d %% of %s.", done * 100 // total, show_bytes(total))
    return total
