"""Times and saved bytes of modules over shapes of activations, beside the roofline of a product unit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.document import Column, Document, Row
from benchmarks.measure import Call, Timings, graphed, interleaved
from benchmarks.roofline import floor_seconds, pass_calls, pass_rows
from benchmarks.setting import Setting
from pure_nas.cost.measure import saved_bytes

Variants = Mapping[str, Callable[[], nn.Module]]


@dataclass(frozen=True)
class Shape:
    """Activations (N, C, S, S)."""

    batch: int
    channels: int
    size: int

    @property
    def label(self) -> str:
        """Channels@size, and the batch."""
        return f"{self.channels}@{self.size}, batch {self.batch}"

    @property
    def elements(self) -> int:
        """Of one tensor."""
        return self.batch * self.channels * self.size**2


def activations(shape: Shape, setting: Setting) -> Tensor:
    """What a norm hands on: standard normal values."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape.batch, shape.channels, shape.size, shape.size, generator=generator)
    dtype = torch.bfloat16 if setting.bfloat16 else torch.float32
    return values.to(setting.device, dtype).contiguous(memory_format=setting.memory_format)


def forward_and_backward(module: nn.Module, x: Tensor, setting: Setting) -> tuple[Callable[[], Tensor], Call]:
    """A forward pass, and one with the gradients of the input and of every parameter."""
    x = x.detach().requires_grad_()
    wanted = [x, *(parameter for parameter in module.parameters() if parameter.requires_grad)]

    def forward() -> Tensor:
        with setting.autocast():
            out: Tensor = module(x)
        return out

    gradient = torch.randn_like(forward())
    return forward, lambda: torch.autograd.grad(forward(), wanted, gradient)


def measure(
    shape: Shape, setting: Setting, variants: Variants, *, rounds: int, graphs: bool, extra: Mapping[str, Call]
) -> tuple[Timings, dict[str, int]]:
    """Times of forward and backward of all variants, and the bytes that each saves in between.

    Args:
        graphs: replay each from a CUDA graph.
        extra: calls to time in the same run.
    """
    x, calls, saved = activations(shape, setting), dict(extra), {}
    for name, make in variants.items():
        torch.manual_seed(0)
        module = make().to(setting.device).to(memory_format=setting.memory_format).train()
        forward, call = forward_and_backward(module, x, setting)
        saved[name] = saved_bytes(forward, (*module.parameters(), *module.buffers()))
        calls[name] = graphed(call, setting.device) if graphs else call
    return interleaved(calls, setting.device, rounds=rounds), saved


@dataclass(frozen=True)
class Comparison:
    """Variants over shapes in one setting: rows of numbers, the first variant being the baseline."""

    rows: Sequence[Row]
    variants: Sequence[str]

    def values(self, variant: str, key: str) -> list[float]:
        """One number a shape."""
        return [row[key] for row in self.rows if row["variant"] == variant]

    def mean_ratio(self, variant: str) -> float:
        """Geometric mean over the shapes of its time relative to the baseline's."""
        return statistics.geometric_mean(self.values(variant, "ratio"))

    def saved_ratio(self, variant: str, other: str) -> float:
        """Largest over the shapes of the bytes it saves relative to `other`'s."""
        pairs = zip(self.values(variant, "saved_bytes"), self.values(other, "saved_bytes"), strict=True)
        return max(one / two for one, two in pairs)

    def times(self) -> tuple[list[Column], list[Row]]:
        """A table of times with one line a shape."""
        first, *others = self.variants
        columns = [Column("shape", "shape"), Column(first, f"{first} ms", ".2f"), Column("spread", "IQR", ".0%")]
        columns += [Column(name, f"x {name}", ".2f") for name in others]
        lines: list[Row] = []
        for label, own in self._by_shape().items():
            line = {"shape": label, first: own[first]["ms"], "spread": own[first]["spread"]}
            lines.append(line | {name: own[name]["ratio"] for name in others})
        lines.append({"shape": "geometric mean", **{name: self.mean_ratio(name) for name in others}})
        return columns, lines

    def memory(self) -> tuple[list[Column], list[Row]]:
        """A table of saved bytes with one line a shape."""
        columns = [Column("shape", "shape"), *(Column(name, name, ".2f") for name in self.variants)]
        lines: list[Row] = [
            {"shape": label, **{name: row["saved_bytes"] / 2**20 for name, row in own.items()}}
            for label, own in self._by_shape().items()
        ]
        return columns, lines

    def _by_shape(self) -> dict[str, dict[str, Row]]:
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault(row["shape"], {})[row["variant"]] = row
        return found


def compare(
    title: str,
    document: Document,
    setting: Setting,
    chosen: Iterable[Shape],
    make: Callable[[int], Variants],
    *,
    rounds: int,
    graphs: bool,
    roofline: bool = False,
) -> Comparison:
    """Measure variants over shapes, show the table, and with `roofline` the floor under the fused unit."""
    rows: list[Row] = []
    floors: list[Row] = []
    names: list[str] = []
    for shape in chosen:
        variants = make(shape.channels)
        names = list(variants)
        extra = pass_calls(activations(shape, setting)) if roofline else {}
        timings, saved = measure(shape, setting, variants, rounds=rounds, graphs=graphs, extra=extra)
        rows += [_row(shape, name, timings, saved[name], names[0]) for name in names]
        if roofline:
            if not floors:
                _show_passes(document, shape, timings)
            floors.append(_floor_row(shape, timings, setting.device))
    comparison = Comparison(rows, names)
    heading = f"{title}, {setting.label}{', CUDA graphs' if graphs else ''}: forward + backward"
    document.show(heading, *comparison.times())
    document.show(f"{title}, {setting.label}: MiB kept", *comparison.memory())
    document.keep(heading, rows)
    if roofline:
        document.table(f"Roofline of the unit, {setting.label}: ms, and relative to conv2d", _FLOOR_COLUMNS, floors)
    return comparison


def _row(shape: Shape, name: str, timings: Timings, saved: int, baseline: str) -> Row:
    return {
        "shape": shape.label,
        "variant": name,
        **timings.summary(name, baseline),
        "saved_bytes": saved,
    }


_PASS_COLUMNS = (
    Column("pass", "pass"),
    Column("needed", "in the floor"),
    Column("ms", "ms", ".3f"),
    Column("ns_per_element", "ns/element", ".3f"),
    Column("gb_per_second", "GB/s", ".1f"),
    Column("ratio", "x copy", ".2f"),
)

_FLOOR_COLUMNS = (
    Column("shape", "shape"),
    Column("convolution_ms", "conv2d", ".2f"),
    Column("passes_ms", "+ passes", ".2f"),
    Column("floor_ms", "= floor", ".2f"),
    Column("fused_ms", "fused", ".2f"),
    Column("floor_ratio", "x floor", ".2f"),
    Column("fused_ratio", "x fused", ".2f"),
    Column("over", "fused / floor", ".2f"),
)


def _show_passes(document: Document, shape: Shape, timings: Timings) -> None:
    document.table(f"Passes over one tensor of {shape.label}", _PASS_COLUMNS, pass_rows(timings, shape.elements))


def _floor_row(shape: Shape, timings: Timings, device: torch.device) -> Row:
    floor, fused = floor_seconds(timings, "conv2d", device), timings.median("fused")
    return {
        "shape": shape.label,
        **{f"{name}_ms": seconds * 1e3 for name, seconds in floor.items()},
        "fused_ms": fused * 1e3,
        "floor_ratio": floor["floor"] / floor["convolution"],
        "fused_ratio": timings.ratio("fused", "conv2d"),
        "over": fused / floor["floor"],
    }
