"""A trained network from its files: weights.safetensors, and architecture.json beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pure_nas.errors import RunError
from pure_nas.nn import Network
from pure_nas.paths import expanded
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import ARCHITECTURE_FILE
from pure_nas.run.weights import read_weights
from pure_nas.space.architecture import Architecture

_TORCH_SAVE = (b"PK\x03\x04", b"\x80\x02")
"""How files of torch.save begin, now and before 1.6."""


def load_trained(weights: Path, architecture: Architecture | None = None, *, name: str = "") -> Network:
    """The network whose weights lie at `weights`, on the CPU.

    Args:
        architecture: what it is; where it is left out, the architecture.json beside the weights says it.
        name: what messages call the architecture.

    Raises:
        RunError: a file is missing, damaged or no safetensors file, or the weights belong to another architecture.
        ConfigError: architecture.json is damaged.
    """
    weights = expanded(weights)
    _require_safetensors(weights)
    state, wanted = read_weights(weights)
    chosen = architecture or _architecture_beside(weights, wanted)
    if wanted is not None and wanted != chosen.digest:
        raise RunError(
            f"{weights} are weights of the architecture {wanted}, not of {_called(chosen, name)}.",
            hint=_way_to_architecture(weights, given=architecture is not None),
        )
    with global_random_state():
        network = Network(chosen)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise RunError(
            f"{weights} do not fit {_called(chosen, name) if name else 'their architecture'}: "
            f"{_faults(network.state_dict(), state) or error}.",
            hint="Are they of another architecture? If not, they are damaged, or were written by another version of "
            "the package that adds a unit.",
        ) from error
    return network.to(memory_format=torch.channels_last)


def _architecture_beside(weights: Path, digest: str | None) -> Architecture:
    path = weights.parent / ARCHITECTURE_FILE
    if not path.is_file():
        whose = f" of the architecture {digest}" if digest else ""
        raise RunError(
            f"{weights} holds weights{whose}, but there is no {ARCHITECTURE_FILE} beside it to say what that is.",
            hint=f"pure-nas writes {ARCHITECTURE_FILE} into the same folder: copy both.",
        )
    return Architecture.load(path)


def _require_safetensors(weights: Path) -> None:
    """Check that a file is not what torch.save writes, which is never opened: it may run code.

    Raises:
        RunError: it is.
    """
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


def _called(architecture: Architecture, name: str) -> str:
    return f"{name} ({architecture.digest})" if name else architecture.digest


def _way_to_architecture(weights: Path, *, given: bool) -> str:
    if not given:
        return f"Put the {ARCHITECTURE_FILE} of that network beside them."
    beside = weights.parent / ARCHITECTURE_FILE
    return f"Name the network that they are of{f'; {beside} says which' if beside.is_file() else ''}."


def _faults(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """The first weight that is missing, odd or of another shape, and how many more there are; empty for none."""
    wanted, found = ({name: tuple(value.shape) for name, value in each.items()} for each in (expected, given))
    odd = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if not odd:
        return ""
    first = odd[0]
    there, here = found.get(first), wanted.get(first)
    fault = (
        "is missing"
        if there is None
        else f"has the shape {there}, not {here}"
        if here
        else "is not part of the network"
    )
    return f"{first} {fault}" + (f", and {len(odd) - 1:,} more differ" if len(odd) > 1 else "")
