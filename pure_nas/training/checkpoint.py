"""Saving a training run so that a stopped one can go on."""

from __future__ import annotations

import copy
import hashlib
import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from pure_nas.files import write_whole
from pure_nas.training.training import Training

logger = logging.getLogger(__name__)

_SCHEMA = 2
_CHECKSUM_BYTES = hashlib.sha256().digest_size


def save_checkpoint(path: Path, training: Training, digest: str) -> None:
    """Write the state of `training` to `path`, behind its checksum: PyTorch reads damaged weights without a word.

    A checkpoint with another `digest`, which says what is trained, is never restored.
    """
    buffer = io.BytesIO()
    torch.save({"schema": _SCHEMA, "digest": digest, "state": training.state_dict()}, buffer)
    content = buffer.getvalue()
    write_whole(path, hashlib.sha256(content).digest() + content, new_folders=False)


def restore_checkpoint(path: Path, training: Training, digest: str, *, known_epochs: int | None = None) -> bool:
    """Continue `training` from the checkpoint at `path`; False if there is none of use, which the log explains.

    Args:
        known_epochs: how many epochs there is a record of; a checkpoint after more of them is of no use.
    """
    if not path.exists():
        return False
    problem = _problem(path, training, digest, known_epochs)
    if problem:
        logger.warning("The checkpoint %s %s; training starts anew.", path, problem)
    return not problem


def _problem(path: Path, training: Training, digest: str, known_epochs: int | None) -> str:
    """Load the checkpoint, or say why it is of no use and leave `training` as it was."""
    try:
        data = path.read_bytes()
        checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if hashlib.sha256(content).digest() != checksum:
            return "is damaged (its checksum is wrong)"
        stored: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        return f"is damaged ({error})"
    if (stored["schema"], stored["digest"]) != (_SCHEMA, digest):
        return "belongs to something else"
    if known_epochs is not None and stored["state"]["epoch"] > known_epochs:
        return "is of epochs that lack a record"
    before = copy.deepcopy(training.state_dict())
    try:
        training.load_state_dict(stored["state"])
    except (KeyError, ValueError, RuntimeError) as error:
        training.load_state_dict(before)
        return f"does not fit ({error})"
    return ""
