"""A trained network from its files: weights.safetensors, and architecture.json beside it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from pure_nas.architecture import Architecture
from pure_nas.errors import RunError
from pure_nas.nn import Network
from pure_nas.nn.weights import read_weights

ARCHITECTURE_FILE = "architecture.json"
_LONGEST_HEADER = 100_000_000
"""Bytes; what the format allows."""


def load_trained(weights: Path, architecture: Architecture | None = None) -> Network:
    """The network whose weights lie at `weights`, on the CPU.

    Args:
        architecture: what it is; where it is left out, the architecture.json beside the weights says it.

    Raises:
        RunError: a file is missing or damaged, or the weights belong to another architecture.
        ConfigError: architecture.json is damaged.
    """
    state = read_weights(weights)
    chosen = architecture or _architecture_beside(weights)
    wanted = digest_in(weights)
    if wanted is not None and wanted != chosen.digest:
        raise RunError(
            f"{weights} are weights of the architecture {wanted}, not of {chosen.digest}.",
            hint=f"Put the {ARCHITECTURE_FILE} of that network beside them.",
        )
    with torch.random.fork_rng(devices=[]):
        network = Network(chosen)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise RunError(
            f"{weights} do not fit their architecture: {_first_fault(error)}.",
            hint="They are damaged, or were written by another version of the package that adds a unit.",
        ) from error
    return network.to(memory_format=torch.channels_last)


def digest_in(weights: Path) -> str | None:
    """The digest of the architecture that a safetensors file says its weights belong to; None where it says none.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER else None
        metadata = header.get("__metadata__") or {} if isinstance(header, dict) else {}
        digest = metadata.get("architecture")
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"The weights {weights} are damaged: {error}.") from error
    return digest if isinstance(digest, str) else None


def _architecture_beside(weights: Path) -> Architecture:
    path = weights.parent / ARCHITECTURE_FILE
    if not path.is_file():
        digest = digest_in(weights)
        whose = f" of the architecture {digest}" if digest else ""
        raise RunError(
            f"{weights} holds weights{whose}, but there is no {ARCHITECTURE_FILE} beside it to say what that is.",
            hint=f"pure-nas writes {ARCHITECTURE_FILE} into the same folder: copy both.",
        )
    return Architecture.load(path)


def _first_fault(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return (lines[1] if len(lines) > 1 else lines[0]).rstrip(".")
