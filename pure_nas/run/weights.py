"""Weights of a network as a safetensors file: written, read again, and given to a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from pure_nas.errors import RunError, UsageError, reason
from pure_nas.files import decoded, digest_of
from pure_nas.nn import Network
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE, TrialDirectory
from pure_nas.space.architecture import Architecture

_CHECKSUM = "sha256"
"""The name, among a file's metadata, of the digest of its tensors."""
_TORCH_SAVE = (b"PK\x03\x04", b"\x80\x02")
"""How files of torch.save begin, now and before 1.6."""
_TRAIN_AGAIN = (
    "Put a good copy back, or train them again: those of a search by its command with --restore-weights, others by the "
    "command that trained them (retrain, train or experiment) once their folder is moved away."
)


def weights_bytes(architecture: Architecture, state_dict: Mapping[str, Tensor] | None) -> bytes:
    """A safetensors file of the weights, the same bytes for the same weights.

    It has a checksum of its tensors, and its metadata in order, which safetensors leaves to chance.

    Raises:
        UsageError: weights are missing or do not fit the architecture.
    """
    if state_dict is None:
        raise UsageError("This format needs the weights of a trained network.", hint='The format "json" does without.')
    fault = _misfit(_blank(architecture).state_dict(), state_dict)
    if fault:
        raise UsageError(f"The weights do not fit the architecture {architecture.digest}: {fault}.")
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    data: bytes = safetensors.torch.save(state, {"format": "pt", "architecture": architecture.digest})
    tensors = _tensors_in(data)
    header = decoded(data[8 : len(data) - len(tensors)])
    header["__metadata__"] = dict(sorted({**header["__metadata__"], _CHECKSUM: digest_of(tensors)}.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # The format aligns tensors to eight bytes.
    return len(text).to_bytes(8, "little") + text + tensors


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """The weights in a safetensors file, once they are known to be those that were written.

    That is known of weights beside the result.json of their training, which keeps their digest, and of others by the
    checksum in the file itself; files of older versions have neither.

    Returns:
        The weights, and the digest of the architecture that they are of; None where the file does not say it.

    Raises:
        RunError: the file is missing or damaged, or is not the one that the training beside it ended with.
    """
    return _read(expanded(path))[0]


def _read(path: Path) -> tuple[Mapping[str, Tensor], str | None]:
    """The weights in a file, and the digest of the architecture that it says they belong to, if it says so."""
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
        if _CHECKSUM in metadata and metadata[_CHECKSUM] != digest_of(_tensors_in(data)):
            raise ValueError("their checksum is wrong")
        weights: Mapping[str, Tensor] = safetensors.torch.load(data)
    except (ValueError, SafetensorError) as error:
        raise RunError(f"The weights {path} are damaged: {reason(error)}.", hint=_TRAIN_AGAIN) from error
    digest = metadata.get("architecture")
    return weights, digest if isinstance(digest, str) else None


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


def load_trained(weights: Path, architecture: Architecture | None = None, *, name: str = "") -> Network:
    """The network whose weights are at `weights`, on the CPU.

    Args:
        architecture: what it is; where it is left out, the architecture.json beside the weights says it.
        name: what messages call the architecture.

    Raises:
        RunError: a file is missing, damaged or no safetensors file, or the weights belong to another architecture.
        ConfigError: architecture.json is damaged.
    """
    weights = expanded(weights)
    _require_safetensors(weights)
    state, wanted = _read(weights)
    beside = weights.parent / ARCHITECTURE_FILE
    if architecture is None and not beside.is_file():
        whose = f" of the architecture {wanted}" if wanted else ""
        raise RunError(
            f"{weights} holds weights{whose}, but there is no {ARCHITECTURE_FILE} beside it to say what that is.",
            hint=f"pure-nas writes {ARCHITECTURE_FILE} into the same folder: copy both.",
        )
    chosen = architecture or Architecture.load(beside)
    called = f"{name} ({chosen.digest})" if name else chosen.digest
    if wanted is not None and wanted != chosen.digest:
        which = f"; {beside} says which" if beside.is_file() else ""
        raise RunError(
            f"{weights} are weights of the architecture {wanted}, not of {called}.",
            hint=f"Name the network that they are of{which}."
            if architecture
            else f"Put the {ARCHITECTURE_FILE} of that network beside them.",
        )
    network = _blank(chosen)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise RunError(
            f"{weights} do not fit {called if name else 'their architecture'}: "
            f"{_misfit(network.state_dict(), state) or error}.",
            hint="Are they of another architecture? If not, they are damaged, or were written by another version of "
            "the package that adds a unit.",
        ) from error
    return network.to(memory_format=torch.channels_last)


def _blank(architecture: Architecture) -> Network:
    with global_random_state():
        return Network(architecture)


def _require_safetensors(weights: Path) -> None:
    """Check that a file is not what torch.save writes, which is never opened: it may run code."""
    try:
        with weights.open("rb") as file:
            start = file.read(4)
    except OSError:
        return  # whoever reads it says what is wrong
    if start.startswith(_TORCH_SAVE):
        converted = weights.with_suffix(".safetensors")
        raise RunError(
            f"{weights} is no safetensors file, but one of torch.save.",
            hint='Convert it, if it holds a state_dict: python -c "import torch, safetensors.torch; '
            f"safetensors.torch.save_file(torch.load('{weights}', map_location='cpu', weights_only=True), "
            f"'{converted}')\"",
        )


def _misfit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """The first weight that is missing, odd or of another shape, and how many more there are; empty for none."""
    wanted, found = ({name: tuple(value.shape) for name, value in each.items()} for each in (expected, given))
    odd = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if not odd:
        return ""
    first, more = odd[0], f", and {len(odd) - 1:,} more differ" if len(odd) > 1 else ""
    there, here = found.get(first), wanted.get(first)
    if there is None:
        return f"{first} is missing{more}"
    return f"{first} has the shape {there}, not {here}{more}" if here else f"{first} is not part of the network{more}"
