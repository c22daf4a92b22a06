"""Bandwidth of the Triton kernels of a product-unit block, against a copy on the same device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.document import Row
from benchmarks.measure import Call, interleaved
from pure_nas.nn.triton import passes

_CAP = 20.0


@dataclass(frozen=True)
class Kernel:
    """A pass of a block.

    Attributes:
        streams: activation tensors that it reads or writes, sums included.
    """

    call: Call
    streams: int


def kernel_rows(shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device, rounds: int) -> list[Row]:
    """Time and bandwidth of each pass over channels_last tensors of a shape, and its share of a copy's bandwidth."""
    kernels = _kernels(shape, dtype, device)
    timings = interleaved({name: kernel.call for name, kernel in kernels.items()}, device, rounds=rounds)
    bytes_of_tensor = torch.Size(shape).numel() * dtype.itemsize
    rates = {name: kernel.streams * bytes_of_tensor / timings.median(name) for name, kernel in kernels.items()}
    return [
        {
            "kernel": name,
            "streams": kernel.streams,
            "ms": timings.median(name) * 1e3,
            "gb_per_second": rates[name] / 1e9,
            "share": rates[name] / rates["copy"],
        }
        for name, kernel in kernels.items()
    ]


def _kernels(shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> Mapping[str, Kernel]:
    def tensor() -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)

    c, z, skip, gradient, out = (tensor() for _ in range(5))
    norm = nn.BatchNorm2d(shape[1], device=device)
    gamma, beta = norm.weight.detach(), norm.bias.detach()
    theta = torch.zeros((), device=device)
    tiling = passes.Tiling.of(c.shape, torch.channels_last)
    threshold = torch.empty((), device=device)

    def moments1() -> Tensor:
        return passes.moments(c, tiling, norm, gamma, beta, None, theta, threshold)

    def moments2() -> Tensor:
        return passes.moments(z, tiling, norm, gamma, beta, _CAP)

    of_norm1, of_norm2 = moments1(), moments2()
    return {
        "copy": Kernel(lambda: out.copy_(c), 2),
        "norm1's statistics": Kernel(moments1, 1),
        "norm1, clamp, logarithm": Kernel(lambda: passes.logarithm(c, tiling, of_norm1, threshold), 2),
        "power, norm2's statistics": Kernel(moments2, 1),
        "power, norm2, addition": Kernel(lambda: passes.output(z, tiling, of_norm2, skip, False, _CAP, dtype), 3),
        "backward of power and norm2": Kernel(
            lambda: passes.output_backward(gradient, None, z, tiling, of_norm2, True, _CAP), 5
        ),
        "backward of logarithm and norm1": Kernel(
            lambda: passes.logarithm_backward(gradient, c, tiling, of_norm1, theta, threshold), 5
        ),
    }
