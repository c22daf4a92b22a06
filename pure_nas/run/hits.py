"""Which images a network classified correctly, so that two networks can be compared image by image."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pure_nas.errors import RunError
from pure_nas.files import read_json, write_whole
from pure_nas.run import schema
from pure_nas.run.directory import TrialDirectory


@dataclass(frozen=True)
class Hits:
    """One network on one split of a dataset."""

    split: Literal["validation", "test"]
    fingerprint: str  # of the dataset, which changes with its images, their split and their order
    right: NDArray[np.bool_] = field(compare=False, repr=False)  # (N,)

    def same_images(self, other: Hits) -> bool:
        return self == other and len(self.right) == len(other.right)


def write_hits(folder: TrialDirectory, hits: Hits) -> None:
    """Keep them with a training, as hits.json."""
    document = {
        "schema": schema.SCHEMA,
        "split": hits.split,
        "fingerprint": hits.fingerprint,
        "images": len(hits.right),
        "bits": base64.b64encode(np.packbits(hits.right).tobytes()).decode(),
    }
    write_whole(folder.hits, json.dumps(document, indent=2) + "\n", new_folders=False)


def read_hits(folder: TrialDirectory) -> Hits | None:
    """None where nothing was kept: it has not ended or was not complete, or an older version trained it."""
    if not folder.hits.exists():
        return None
    found = read_json(folder.hits, schema.Hits, hint=folder.damaged_hint)
    try:
        bits = base64.b64decode(found["bits"], validate=True)
    except binascii.Error:
        bits = b""
    if len(bits) != -(-found["images"] // 8):
        raise RunError(
            f"{folder.hits} is damaged: its bits are not those of {found['images']} images.", hint=folder.damaged_hint
        )
    right = np.unpackbits(np.frombuffer(bits, np.uint8), count=found["images"]).astype(bool)
    return Hits(found["split"], found["fingerprint"], right)
