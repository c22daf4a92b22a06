"""What a product unit must cost at least: a convolution and the passes over its activations, measured one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.document import Row
from benchmarks.measure import Call, Timings
from pure_nas.nn.fused.unit import log2


@dataclass(frozen=True)
class Pass:
    """An elementwise operation over one activation tensor.

    Attributes:
        streams: tensors it reads or writes.
        needed: whether a product unit needs it once, forward and backward.
    """

    name: str
    streams: int
    needed: bool = False


PASSES = (
    Pass("copy", 2),
    Pass("clamp_min", 2, needed=True),
    Pass("fastest log2", 2, needed=True),
    Pass("log2", 2),
    Pass("log", 2),
    Pass("exp2", 2, needed=True),
    Pass("exp", 2),
    Pass("multiply", 3, needed=True),
    Pass("divide", 3, needed=True),
)
"""Forward a unit clamps, takes the logarithm and the power; backward it multiplies by y and divides by max(x, t)."""

FUSED_STREAMS = 10
"""Streams where clamp and logarithm are one kernel, as on a GPU: 2 + 2 forward, 3 + 3 backward."""


def pass_calls(x: Tensor) -> dict[str, Call]:
    """Each pass over tensors like `x`, into memory that is there."""
    source, other, out = x.abs() + 0.5, torch.rand_like(x) + 0.5, torch.empty_like(x)
    return {
        "copy": lambda: out.copy_(source),
        "clamp_min": lambda: torch.clamp_min(source, 0.7, out=out),
        "fastest log2": lambda: log2(source, out),
        "log2": lambda: torch.log2(source, out=out),
        "log": lambda: torch.log(source, out=out),
        "exp2": lambda: torch.exp2(source, out=out),
        "exp": lambda: torch.exp(source, out=out),
        "multiply": lambda: torch.mul(source, other, out=out),
        "divide": lambda: torch.div(source, other, out=out),
    }


def pass_rows(timings: Timings, elements: int) -> list[Row]:
    """Time and bandwidth of each pass over `elements` float32 elements."""
    return [
        {
            "pass": each.name,
            "needed": "yes" if each.needed else "",
            "ms": timings.median(each.name) * 1e3,
            "ns_per_element": timings.median(each.name) / elements * 1e9,
            "gb_per_second": each.streams * 4 * elements / timings.median(each.name) / 1e9,
            "ratio": timings.ratio(each.name, "copy"),
        }
        for each in PASSES
    ]


def floor_seconds(timings: Timings, convolution: str, device: torch.device) -> Mapping[str, float]:
    """Seconds of the convolution, of the passes, and of both: below it, no unit of separate passes gets.

    On a GPU the passes are bytes at a copy's bandwidth, since one kernel may do several; on a CPU each was measured.
    """
    seconds = timings.median(convolution)
    if device.type == "cuda":
        passes = FUSED_STREAMS / 2 * timings.median("copy")
    else:
        passes = sum(timings.median(each.name) for each in PASSES if each.needed)
    return {"convolution": seconds, "passes": passes, "floor": seconds + passes}
