"""Weights of a network as a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from pure_nas.errors import RunError, UsageError, reason
from pure_nas.files import decoded, digest_of
from pure_nas.nn.network import Network
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import WEIGHTS_FILE, TrialDirectory
from pure_nas.space.architecture import Architecture

_CHECKSUM = "sha256"
"""The name, among a file's metadata, of the digest of its tensors."""
_TRAIN_AGAIN = (
    "Put a good copy back, or train them again: those of a search by its command with --restore-weights, others by the "
    "command that trained them (retrain, train or experiment) once their folder is moved away."
)


def weights_bytes(architecture: Architecture, state_dict: Mapping[str, Tensor] | None) -> bytes:
    """A safetensors file of the weights, the same bytes for the same weights.

    Raises:
        UsageError: weights are missing or do not fit the architecture.
    """
    if state_dict is None:
        raise UsageError("This format needs the weights of a trained network.", hint='The format "json" does without.')
    _check_fit(architecture, state_dict)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    data: bytes = safetensors.torch.save(tensors, {"format": "pt", "architecture": architecture.digest})
    return _with_checksum(data)


def _with_checksum(data: bytes) -> bytes:
    """The same safetensors file with a checksum of its tensors, and its metadata in order, not left to chance."""
    tensors = _tensors_in(data)
    header = decoded(data[8 : len(data) - len(tensors)])
    header["__metadata__"] = dict(sorted({**header["__metadata__"], _CHECKSUM: digest_of(tensors)}.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # The format aligns tensors to eight bytes.
    return len(text).to_bytes(8, "little") + text + tensors


def _check_fit(architecture: Architecture, state_dict: Mapping[str, Tensor]) -> None:
    with global_random_state():
        expected = {name: tuple(value.shape) for name, value in Network(architecture).state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state_dict.items()}
    if given == expected:
        return
    odd = next(name for name in {**expected, **given} if expected.get(name) != given.get(name))
    raise UsageError(
        f"The weights do not fit the architecture {architecture.digest}: {odd} is {given.get(odd, 'missing')} in the "
        f"weights and {expected.get(odd, 'missing')} in the network."
    )


def read_weights(path: Path) -> tuple[Mapping[str, Tensor], str | None]:
    """The weights in a safetensors file, once they are known to be those that were written.

    That is known of weights beside the result.json of their training, which keeps their digest, and of others by the
    checksum in the file itself; files of older versions have neither.

    Returns:
        The weights, and the digest of the architecture that they are of; None where the file does not say it.

    Raises:
        RunError: the file is missing or damaged, or is not the one that the training beside it ended with.
    """
    path = expanded(path)
    beside = TrialDirectory(path.parent, 0)
    kept = beside.weights_digest if path.name == WEIGHTS_FILE else None
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RunError(f"The weights {path} are missing.", hint=_TRAIN_AGAIN) from error
    except OSError as error:
        raise RunError(f"The weights {path} cannot be read: {reason(error)}.", hint=_TRAIN_AGAIN) from error
    if kept is not None and digest_of(data) != kept:
        raise RunError(
            f"The weights {path} are damaged, or belong to another training than the {beside.ended.name} beside them.",
            hint=_TRAIN_AGAIN,
        )
    try:
        metadata = _metadata_in(data)
        checksum = metadata.get(_CHECKSUM)
        if checksum is not None and checksum != digest_of(_tensors_in(data)):
            raise ValueError("their checksum is wrong")
        weights: Mapping[str, Tensor] = safetensors.torch.load(data)
    except (ValueError, SafetensorError) as error:
        raise RunError(f"The weights {path} are damaged: {reason(error)}.", hint=_TRAIN_AGAIN) from error
    return weights, metadata.get("architecture")


def _metadata_in(data: bytes) -> Mapping[str, str]:
    length = int.from_bytes(data[:8], "little")
    header = decoded(data[8 : 8 + length]) if length <= len(data) else None
    if not isinstance(header, dict):
        raise ValueError("they have no header")
    metadata = header.get("__metadata__") or {}
    if not isinstance(metadata, dict):
        raise ValueError("their header has no valid metadata")
    return metadata


def _tensors_in(data: bytes) -> bytes:
    """What follows the header of a safetensors file."""
    return data[8 + int.from_bytes(data[:8], "little") :]
