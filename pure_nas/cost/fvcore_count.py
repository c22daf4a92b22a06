"""Parameters and flops counted by fvcore on a built network: the count of record."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from pure_nas.cost.layers import Cost, cost_of, total_cost
from pure_nas.errors import PureNasError
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.field import descriptions

with warnings.catch_warnings():
    # fvcore scripts an unrelated loss when it is imported, which newer PyTorch deprecates.
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*")
    from fvcore.nn import FlopCountAnalysis

_MACS = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "einsum")
_ELEMENTWISE = ("aten::add", "aten::sub", "aten::mul", "aten::div", "aten::log", "aten::exp", "aten::maximum",
                "aten::minimum", "aten::clamp_max", "aten::clamp_min", "aten::where", "aten::abs", "aten::cos",
                "aten::sin", "aten::pow", "aten::sqrt")  # fmt: skip

_counted: dict[Hashable, Cost] = {}


def count(network: nn.Module, in_chans: int, image_size: int) -> Cost:
    """Count parameters and the flops of one image in evaluation mode; custom autograd functions are invisible."""
    parameter = next(network.parameters())
    copied = copy.deepcopy(network).eval()
    image = torch.zeros(1, in_chans, image_size, image_size, device=parameter.device, dtype=parameter.dtype)
    analysis = FlopCountAnalysis(copied, image)
    analysis.set_op_handle(**dict.fromkeys(_ELEMENTWISE, _per_output_element))
    analysis.set_op_handle("aten::max_pool2d", _per_window_element)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    kinds = (("macs", _MACS), ("norm", ("batch_norm",)), ("pooling", ("adaptive_avg_pool2d", "max_pool2d")))
    flops = {kind: int(sum(by_operator.pop(name, 0) for name in names)) for kind, names in kinds}
    return Cost(params=_params(network), elementwise=int(sum(by_operator.values())), **flops)


def count_architecture(architecture: Architecture, network: Network | None = None) -> Cost:
    """Count `architecture` with fvcore and check that its closed form says the same."""
    # Each distinct part is counted once a process: tracing a whole network takes longer than building it.
    network = network or build(architecture)
    parts: list[tuple[Cost, int]] = []
    for key, module, in_chans, size, occurrences in _parts(architecture, network):
        if key not in _counted:
            _counted[key] = count(module, in_chans, size)
        parts.append((_counted[key], occurrences))
    # Parameters need no tracing: they are those of this very network, outside of the parts too.
    counted = replace(total_cost(parts), params=_params(network))
    expected = cost_of(architecture)
    if counted != expected:
        raise PureNasError(
            f"The closed-form cost of this network, {expected}, differs from what fvcore counts, {counted}.",
            hint=f"Correct the `cost` of one of these units: {', '.join(sorted(architecture.unit_set))}.",
        )
    return counted


def _parts(architecture: Architecture, network: Network) -> Iterator[tuple[Hashable, nn.Module, int, int, int]]:
    """Each part: a key equal for parts that cost the same, the module, channels and size of its input, occurrences."""
    stem, classes, costs = architecture.stem, architecture.num_classes, descriptions(Architecture)
    yield stem, network.stem, stem.in_channels, stem.in_size, 1
    for block, occurrences in architecture.distinct_blocks():
        # Of some settings, a threshold's first value say, there are endlessly many values, which change no operation.
        place = block.unit_place
        place = replace(place, settings={name: value for name, value in place.settings.items() if costs[name].costs})
        shapes = (block.bottleneck, block.in_channels, block.channels, block.out_channels, block.stride, block.in_size)
        # Which options a block has decides its operations, not their values.
        options = tuple(name for name, _ in block.options)
        key = (block.unit.name, block.unit.implementation, place, shapes, block.shortcut, options)
        yield key, network.get_submodule(block.name), block.in_channels, block.in_size, occurrences
    out_channels, out_size = architecture.out_channels, architecture.stage_sizes[-1]
    yield (out_channels, out_size, classes), network.classifier, out_channels, out_size, 1


def _params(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _shape(value: Any) -> list[int]:
    sizes = value.type().sizes() if value.isCompleteTensor() else None
    return list(sizes or ())


def _per_output_element(inputs: list[Any], outputs: list[Any]) -> int:
    shape = _shape(outputs[0])
    return math.prod(shape) if len(shape) == 4 else 0  # a single value, such as a threshold, does not count


def _per_window_element(inputs: list[Any], outputs: list[Any]) -> int:
    window: list[int] = [size.toIValue() for size in inputs[1].node().inputs()]
    return math.prod(window) * math.prod(_shape(outputs[0]))
