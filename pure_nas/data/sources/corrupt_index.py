"""Which images of a large set are damaged, found out once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pure_nas.data.decode import CorruptImageError
from pure_nas.data.pillow_warnings import counted
from pure_nas.data.pixel_source import EncodedImages
from pure_nas.data.streamed import usual_workers
from pure_nas.files import replacing

_SCHEMA = 1
_CHUNK = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorruptIndex:
    """Lists of damaged images in one folder, one list a set.

    Attributes:
        folder: where they are; made when the first is written.
    """

    folder: Path

    def find(self, images: EncodedImages, positions: NDArray[np.int64], digest: str, *, what: str) -> dict[int, str]:
        """What is wrong with each damaged image among those at `positions`.

        All are decoded the first time. Later those that were damaged are looked at again, so that one that was
        restored comes back; one that was damaged since is not noticed here.

        Args:
            digest: changes with the set.
            what: the images, for people.

        Raises:
            DataError: an image cannot be read.
        """
        facts = [_SCHEMA, digest, hashlib.sha256(np.ascontiguousarray(positions).data).hexdigest()]
        path = self.folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.corrupt.json"
        known = self._read(path)
        with counted():
            if known is not None:
                return _damaged(images, known)
            _log.info("%s are decoded once, to find those that are damaged.", what)
            found = _damaged(images, positions.tolist(), tell=what)
        self._write(path, found)
        return found

    def _read(self, path: Path) -> list[int] | None:
        try:
            return [int(position) for position in json.loads(path.read_text(encoding="utf-8"))["corrupt"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("The list of damaged images %s cannot be used (%s); it is made again.", path, error)
            return None

    def _write(self, path: Path, found: dict[int, str]) -> None:
        text = json.dumps({"schema": _SCHEMA, "corrupt": {str(position): why for position, why in found.items()}})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(f"{text}\n".encode())
        except OSError as error:
            _log.warning("The list of damaged images cannot be kept in %s (%s).", self.folder, error)


def _damaged(images: EncodedImages, positions: Sequence[int], *, tell: str = "") -> dict[int, str]:
    """What is wrong with each damaged image, by position; they are decoded in threads."""

    def look(chunk: Sequence[int]) -> dict[int, str]:
        return {position: fault for position in chunk if (fault := _fault(images, position))}

    found: dict[int, str] = {}
    pool = ThreadPoolExecutor(max_workers=max(1, usual_workers()))
    try:
        chunks = [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]
        for number, some in enumerate(pool.map(look, chunks), 1):
            found |= some
            if tell and number * 10 // len(chunks) > (number - 1) * 10 // len(chunks):
                _log.info("%s: %d %%, %d damaged.", tell, number * 100 // len(chunks), len(found))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def _fault(images: EncodedImages, position: int) -> str:
    try:
        images.decoded(position)
    except CorruptImageError as error:
        return str(error) or "damaged"
    return ""
