"""Decoded folders on disk, so that the second start does not decode again.

An entry is `<key>.json` and, where pixels are held, `<key>.npy`. Its key follows from the names, sizes and times
of change of the files. An entry is checked whole before it is used; one that is damaged is made again. Where
the cache cannot be written, a warning is logged and work goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pure_nas.data import decoded
from pure_nas.data.decoded import DecodedImages, decode_listing, pixel_digest
from pure_nas.data.listing import Listing
from pure_nas.errors import reason
from pure_nas.files import replacing

_FORMAT = 3
"""Changes with how files are decoded."""
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(npy|json)\.[0-9a-f]{8,32}")
_LONGEST_WRITE_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedCache:
    """The entries in one folder.

    Attributes:
        folder: where they are; made when the first is written.
    """

    folder: Path

    def decode(self, listing: Listing, image_size: int | None, in_chans: int | None) -> DecodedImages:
        """`decode_listing`, from the cache where it holds the result."""
        key = _key(listing, image_size, in_chans)
        held = self._read(key)
        if held is not None:
            return held
        images = decode_listing(listing, image_size, in_chans)
        self._write(key, images)
        return images

    def _read(self, key: str) -> DecodedImages | None:
        path = self.folder / f"{key}.json"
        try:
            return self._checked(key, path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError) as error:
            _log.warning("The decoded images in %s cannot be used (%s); they are decoded again.", path, error)
            return None

    def _checked(self, key: str, text: str) -> DecodedImages:
        """An entry, or an exception where anything about it is not as it was written."""
        entry = json.loads(text)
        body = entry["body"]
        if entry["sha256"] != _digest(body):
            raise ValueError("its checksum differs")
        pixels = np.load(self.folder / f"{key}.npy", allow_pickle=False) if body["resident"] else None
        if pixels is not None and (pixels.dtype != np.uint8 or pixel_digest(pixels) != body["digest"]):
            raise ValueError("the checksum of its pixels differs")
        corrupt = {int(position): reason for position, reason in body["corrupt"].items()}
        return DecodedImages(body["image_size"], body["in_chans"], body["digest"], corrupt, pixels)

    def _write(self, key: str, images: DecodedImages) -> None:
        body = {
            "image_size": images.image_size,
            "in_chans": images.in_chans,
            "digest": images.digest,
            "corrupt": {str(position): reason for position, reason in images.corrupt.items()},
            "resident": images.pixels is not None,
        }
        text = json.dumps({"sha256": _digest(body), "body": body})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_strays()
            if images.pixels is not None:
                with replacing(self.folder / f"{key}.npy") as file:
                    np.save(file, images.pixels)
            with replacing(self.folder / f"{key}.json") as file:
                file.write(text.encode())
        except OSError as error:
            _log.warning(
                "Decoded images cannot be kept in %s (%s); the next start decodes them again.",
                self.folder,
                reason(error),
            )

    def _remove_strays(self) -> None:
        """Remove what a kill cut short, which may be gigabytes; what is young may be written at this moment."""
        for path in self.folder.glob(".*"):
            if _TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime > _LONGEST_WRITE_SECONDS:
                path.unlink(missing_ok=True)


def _key(listing: Listing, image_size: int | None, in_chans: int | None) -> str:
    facts = [_FORMAT, str(listing.root.resolve()), image_size, in_chans, decoded.RESIDENT_BYTES]
    files = [[name, each.size, each.changed] for name, each in zip(listing.names(), listing.files, strict=True)]
    return _digest([facts, files])[:32]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
