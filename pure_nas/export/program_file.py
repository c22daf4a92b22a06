"""A network as a program of torch.export (.pt2): loaded by PyTorch alone, without any class of its own."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pure_nas.export.onnx_file import METADATA
from pure_nas.export.receipt import Predict, predictor
from pure_nas.space.architecture import Architecture

PROGRAM_FILE = "network.pt2"


def program_of(network: nn.Module, architecture: Architecture) -> tuple[torch.export.ExportedProgram, tuple[str, ...]]:
    """The program, and which of its dimensions may vary: sizes too, where the network allows."""
    size = architecture.image_size
    example = torch.zeros(2, architecture.in_chans, size, size)
    dims = {place: torch.export.Dim(name) for place, name in ((0, "batch"), (2, "height"), (3, "width"))}
    try:
        return torch.export.export(network, (example,), dynamic_shapes=(dims,)), ("batch", "height", "width")
    except (torch._dynamo.exc.UserError, ValueError):  # the sizes of this network are fixed
        return torch.export.export(network, (example,), dynamic_shapes=({0: dims[0]},)), ("batch",)


def program_bytes(
    network: nn.Module, architecture: Architecture, metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, Any]]:
    """The file, which carries `metadata` as JSON texts of its own, and the dimensions that may vary."""
    network = copy.deepcopy(network)
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.contiguous().clone()  # views of larger tensors are not saved without a warning
    program, varying = program_of(network, architecture)
    data = io.BytesIO()
    torch.export.save(program, data, extra_files=dict(metadata))
    return data.getvalue(), {"dynamic": list(varying)}


def metadata_of_program(path: Path) -> dict[str, str]:
    """What a file carries besides the program."""
    found = dict.fromkeys(METADATA, "")
    torch.export.load(str(path), extra_files=found)
    return {name: text.decode() if isinstance(text, bytes) else text for name, text in found.items() if text}


def program_predict(path: Path) -> Predict:
    """The file as PyTorch loads it."""
    return predictor(torch.export.load(str(path)).module())
