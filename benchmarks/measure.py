"""Timing of variants against each other in one run, and memory of a process."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

Call = Callable[[], object]

_SHORTEST_SAMPLE = 5e-3
"""Seconds that a sample takes at least; shorter calls are repeated within it."""


@dataclass(frozen=True)
class Timings:
    """Seconds of a call of each variant, one value a round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Median time of a call, seconds."""
        return statistics.median(self.seconds[name])

    def spread(self, name: str) -> float:
        """Interquartile range relative to the median."""
        values = self.seconds[name]
        if len(values) < 4:
            return (max(values) - min(values)) / self.median(name)
        low, _, high = statistics.quantiles(values, n=4)
        return (high - low) / self.median(name)

    def ratio(self, name: str, baseline: str) -> float:
        """How many times as long as `baseline` it takes: the median over rounds, in each of which both ran."""
        pairs = zip(self.seconds[name], self.seconds[baseline], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def summary(self, name: str, baseline: str) -> dict[str, float]:
        """Its median in milliseconds, spread, and ratio to `baseline`, as the columns of tables call them."""
        return {"ms": self.median(name) * 1e3, "spread": self.spread(name), "ratio": self.ratio(name, baseline)}


def interleaved(
    variants: Mapping[str, Call],
    device: torch.device | None = None,
    *,
    rounds: int,
    warmup: int = 2,
    shortest_sample: float = _SHORTEST_SAMPLE,
) -> Timings:
    """Time every variant once a round, so that a busy machine slows all alike; every other round runs backwards.

    Args:
        device: where the work is done: a CUDA device is timed by its events, everything else by the clock.
        rounds: samples of each variant.
        warmup: calls of each before the first sample.
        shortest_sample: shorter calls are repeated until a sample takes so many seconds.
    """
    device = device or torch.device("cpu")
    calls: dict[str, int] = {}
    for name, call in variants.items():
        _sample(call, max(1, warmup), device)
        calls[name] = max(1, math.ceil(shortest_sample / max(_sample(call, 1, device), 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in list(variants) if number % 2 == 0 else reversed(list(variants)):
            seconds[name].append(_sample(variants[name], calls[name], device) / calls[name])
    return Timings(seconds)


def _sample(call: Call, calls: int, device: torch.device) -> float:
    """Seconds that `calls` calls take."""
    if device.type == "cuda":
        return _sample_on_cuda(call, calls, device)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _sample_on_cuda(call: Call, calls: int, device: torch.device) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    begin.record()
    for _ in range(calls):
        call()
    end.record()
    torch.cuda.synchronize(device)
    milliseconds: float = begin.elapsed_time(end)
    return milliseconds / 1000


def graphed(call: Call, device: torch.device) -> Call:
    """A call that replays `call`, captured as a CUDA graph after three calls on a side stream."""
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    replay: Call = graph.replay
    return replay


def compiled(module: nn.Module) -> nn.Module:
    """`module`, compiled in place for each shape that it meets."""
    from torch._dynamo import config

    # Past the limit, dynamo runs a function eagerly without a word, and all shapes share one function.
    config.recompile_limit = max(config.recompile_limit, 256)
    module.compile(dynamic=False)
    return module


def resident_bytes(pid: int | None = None) -> int:
    """Memory that a process (this one if left out) holds now, bytes.

    Raises:
        OSError: this system has no /proc, or there is no such process.
    """
    statm = Path(f"/proc/{'self' if pid is None else pid}/statm").read_text(encoding="ascii")
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def slope(values: Sequence[float]) -> float:
    """Mean change from one value to the next: the least-squares line's slope."""
    return statistics.linear_regression(range(len(values)), values).slope
