"""Saving a training run so that a stopped one can go on."""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from pure_nas.run_directory import write_whole
from pure_nas.training.training import Training

logger = logging.getLogger(__name__)

_SCHEMA = 1


def save_checkpoint(path: Path, training: Training, digest: str) -> None:
    """Write the state of `training` to `path`.

    Args:
        digest: what is trained; a checkpoint of something else is never taken up.

    Raises:
        RunError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"schema": _SCHEMA, "digest": digest, "state": training.state_dict()}, buffer)
    write_whole(path, buffer.getvalue())


def restore_checkpoint(path: Path, training: Training, digest: str) -> bool:
    """Take `training` up where the checkpoint at `path` left it; False where there is none of use.

    A damaged checkpoint, or one of another candidate, is reported in the log and left aside: training starts anew.
    """
    if not path.exists():
        return False
    try:
        stored: dict[str, Any] = torch.load(path, map_location=training.device, weights_only=True)
        if (stored["schema"], stored["digest"]) != (_SCHEMA, digest):
            logger.warning("The checkpoint %s belongs to something else; training starts anew.", path)
            return False
        training.load_state_dict(stored["state"])
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        logger.warning("The checkpoint %s is damaged (%s); training starts anew.", path, error)
        return False
    return True
