"""Weights of a network as a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from pure_nas.architecture import Architecture
from pure_nas.errors import RunError, UsageError
from pure_nas.nn.network import Network
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state


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
    return _ordered(data)


def _ordered(data: bytes) -> bytes:
    """The same safetensors file with its metadata in order, which the library leaves to chance."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


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


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """The weights in a safetensors file.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        weights: Mapping[str, Tensor] = safetensors.torch.load_file(expanded(path))
    except FileNotFoundError as error:
        raise RunError(f"The weights {path} are missing.", hint="Train the network again: pure-nas retrain.") from error
    except (OSError, SafetensorError) as error:
        raise RunError(f"The weights {path} are damaged: {error}.") from error
    return weights
