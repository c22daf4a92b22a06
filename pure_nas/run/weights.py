"""Weights of a network as a safetensors file: written, read again, and loaded into a network."""

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
from pure_nas.nn.network import Network
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE, TrialDirectory
from pure_nas.space.architecture import Architecture

_CHECKSUM = "sha256"  # the name, among a file's metadata, of the digest of its tensors
_TORCH_SAVE = (b"PK\x03\x04", b"\x80\x02")  # how files of torch.save begin, now and before 1.6
_TRAIN_AGAIN = (
    "Restore a good copy, or train them again: those of a search by its command with --restore-weights, others by the "
    "command that trained them (retrain, train or experiment) once their folder is moved away."
)


def weights_bytes(architecture: Architecture, state_dict: Mapping[str, Tensor] | None) -> bytes:
    """A safetensors file of the weights, the same bytes for the same weights, with metadata in order and a checksum."""
    if state_dict is None:
        raise UsageError("This format needs the weights of a trained network.", hint='The format "json" does not.')
    if fault := _misfit(_blank(architecture).state_dict(), state_dict):
        raise UsageError(f"The weights do not fit the architecture {architecture.digest}: {fault}.")
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    data: bytes = safetensors.torch.save(state, {"format": "pt", "architecture": architecture.digest})
    metadata, tensors = _split(data)
    header = decoded(data[8 : len(data) - len(tensors)])
    header["__metadata__"] = dict(sorted({**metadata, _CHECKSUM: digest_of(tensors)}.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # The format aligns tensors to eight bytes.
    return len(text).to_bytes(8, "little") + text + tensors


def read_weights(path: Path) -> tuple[Mapping[str, Tensor], str | None]:
    """The weights in a safetensors file, and the digest of the architecture that it says they are of, if it does.

    They are known to be those that were written by the result.json of their training, which keeps their digest, or by
    the checksum in the file itself; files of older versions have neither.
    """
    training = TrialDirectory(path.parent, 0)
    kept = training.weights_digest if path.name == WEIGHTS_FILE else None
    try:
        data = path.read_bytes()
    except OSError as error:
        fault = "are missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {reason(error)}"
        raise RunError(f"The weights {path} {fault}.", hint=_TRAIN_AGAIN) from error
    if data.startswith(_TORCH_SAVE):  # Never opened: it may run code.
        raise RunError(
            f"{path} is not a safetensors file, but one written by torch.save.",
            hint='Convert it, if it holds a state_dict: python -c "import torch, safetensors.torch; '
            f"safetensors.torch.save_file(torch.load('{path}', map_location='cpu', weights_only=True), "
            f"'{path.with_suffix('.safetensors')}')\"",
        )
    if kept is not None and digest_of(data) != kept:
        raise RunError(
            f"The weights {path} are damaged, or belong to another training than the {training.ended.name} next to "
            "them.",
            hint=_TRAIN_AGAIN,
        )
    try:
        metadata, tensors = _split(data)
        if _CHECKSUM in metadata and metadata[_CHECKSUM] != digest_of(tensors):
            raise ValueError("their checksum is wrong")
        weights: Mapping[str, Tensor] = safetensors.torch.load(data)
    except (ValueError, SafetensorError) as error:
        raise RunError(f"The weights {path} are damaged: {reason(error)}.", hint=_TRAIN_AGAIN) from error
    digest = metadata.get("architecture")
    return weights, digest if isinstance(digest, str) else None


def _split(data: bytes) -> tuple[Mapping[str, str], bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    header = decoded(data[8:end]) if end <= len(data) else None
    if not isinstance(header, dict):
        raise ValueError("they have no header")
    metadata = header.get("__metadata__") or {}
    if not isinstance(metadata, dict):
        raise ValueError("their header has no valid metadata")
    return metadata, data[end:]


def architecture_of(weights: Path) -> Architecture:
    """What the architecture.json next to weights says that they are of."""
    file = weights.parent / ARCHITECTURE_FILE
    if file.is_file():
        return Architecture.load(file)
    _, wanted = read_weights(weights)
    whose = f" of the architecture {wanted}" if wanted else ""
    raise RunError(
        f"{weights} holds weights{whose}, but there is no {ARCHITECTURE_FILE} in its folder to say what that is.",
        hint=f"pure-nas writes {ARCHITECTURE_FILE} into the same folder: copy both.",
    )


def load_trained(weights: Path, architecture: Architecture | None = None, *, name: str = "") -> Network:
    """The network whose weights are at `weights`, on the CPU; by default the architecture.json in the same folder says
    what it is. `name` is what messages call its architecture."""
    weights = expanded(weights)
    chosen = architecture or architecture_of(weights)
    state, wanted = read_weights(weights)
    called = f"{name} ({chosen.digest})" if name else chosen.digest
    if wanted is not None and wanted != chosen.digest:
        file = weights.parent / ARCHITECTURE_FILE
        hint = "Name the network that they belong to."
        if file.is_file():
            says = Architecture.load(file).digest == wanted
            hint = f"{hint[:-1]}; {file} says which." if says else f"Copy the {file.name} of that network next to them."
        raise RunError(f"{weights} are weights of the architecture {wanted}, not of {called}.", hint=hint)
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
