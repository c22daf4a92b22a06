"""The block's tail in Triton against the plain composition; test_triton_block runs this file in a process of its own.

On a GPU, or on the CPU in Triton's interpreter where TRITON_INTERPRET=1 was set before Triton was imported.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.errors import PureNasError
from pure_nas.nn.plain.units import ConvPU
from pure_nas.nn.triton import passes as triton_passes
from pure_nas.nn.triton.block import available, product_tail

DEVICE = torch.device("cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda")
on_a_gpu = pytest.mark.skipif(DEVICE.type == "cpu", reason="no GPU: the interpreter has no streams")

CHANNELS_LAST, CONTIGUOUS = torch.channels_last, torch.contiguous_format


@pytest.fixture(autouse=True)
def _full_precision() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles for each of few programs, on small tensors."""
    monkeypatch.setattr(triton_passes, "ELEMENTS", 256)
    monkeypatch.setattr(triton_passes, "PROGRAMS", 2)


class Tail(nn.Module):
    """What follows the first convolution of a block: by the kernels, or as the plain composition."""

    def __init__(self, channels: int, out_channels: int = 0, relu: bool = False, **arguments: object) -> None:
        super().__init__()
        torch.manual_seed(0)
        out_channels = out_channels or channels
        self.relu = relu
        self.scale = 1.0
        self.norm1 = nn.BatchNorm2d(channels)
        self.unit = ConvPU(channels, out_channels, **arguments)  # type: ignore[arg-type]
        self.norm2 = nn.BatchNorm2d(out_channels)
        for norm in (self.norm1, self.norm2):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)

    def forward(self, c: Tensor, skip: Tensor | None) -> Tensor:
        return product_tail(c, skip, self.norm1, self.unit, self.norm2, self.relu, self.scale)


class PlainTail(Tail):
    def forward(self, c: Tensor, skip: Tensor | None) -> Tensor:
        out = self.norm2(self.unit(self.norm1(c))) * self.scale
        out = out if skip is None else out + skip
        return F.relu(out) if self.relu else out


class RoundedTail(Tail):
    """The plain composition, with rounded what the kernels keep in bfloat16: the convolution's operands, z and out."""

    def forward(self, c: Tensor, skip: Tensor | None) -> Tensor:
        def rounded(x: Tensor) -> Tensor:
            return x.bfloat16().to(c.dtype)

        threshold = F.softplus(self.unit.theta) + 1e-7
        logarithm = rounded(torch.log2(torch.maximum(self.norm1(c), threshold)))
        z = rounded(F.conv2d(logarithm, rounded(self.unit.weight), None, self.unit.stride, self.unit.padding))
        out = self.norm2(torch.exp2(z.clamp_max(20 / math.log(2)))) + skip
        return rounded(F.relu(out) if self.relu else out)


def plain(tail: Tail, dtype: torch.dtype = torch.float64, kind: type[Tail] = PlainTail) -> Tail:
    """The same as the modules compute it."""
    twin = copy.deepcopy(tail).to(dtype)
    twin.__class__ = kind
    return twin


def images(*shape: int, seed: int = 0, layout: torch.memory_format = CHANNELS_LAST) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.to(DEVICE, memory_format=layout)


def everything(tail: Tail, c: Tensor, skip: Tensor | None, upstream: Tensor) -> dict[str, Tensor]:
    """Output, running statistics and every gradient, after one step forward and backward."""
    c = c.detach().clone().requires_grad_()
    skip = None if skip is None else skip.detach().clone().requires_grad_()
    tail.zero_grad()
    out = tail(c, skip)
    out.backward(upstream.to(out.dtype))
    found = {"out": out.detach(), "c": c.grad, **tail.state_dict()}
    if skip is not None:
        found["skip"] = skip.grad
    found |= {f"gradient of {name}": value.grad for name, value in tail.named_parameters() if value.requires_grad}
    return {name: value for name, value in found.items() if value is not None}


def compare(
    tail: Tail, c: Tensor, skip: Tensor | None, tolerance: float = 1e-5, kind: type[Tail] = PlainTail
) -> dict[str, Tensor]:
    """What the kernels find; it agrees with the modules in float64, relative to the norm of a tensor.

    Where float32 cannot (sums that nearly cancel, a tiny threshold) it is what the modules lose in float32 that counts.
    """
    single, double = plain(tail, torch.float32, kind), plain(tail, torch.float64, kind)
    with torch.no_grad():
        upstream = torch.rand_like(copy.deepcopy(single)(c.float(), None if skip is None else skip.float())) - 0.4
    found = everything(tail, c, skip, upstream)
    with torch.autocast(DEVICE.type, enabled=False):
        found32 = everything(single, c.float(), None if skip is None else skip.float(), upstream)
        expected = everything(double, c.double(), None if skip is None else skip.double(), upstream)
    assert found.keys() == expected.keys()
    if kind is RoundedTail:
        # Contributions of both signs nearly cancel in it, and the interpreter truncates to bfloat16.
        del expected["gradient of unit.theta"]
    for name, value in expected.items():
        assert found[name].shape == value.shape
        error, error32 = (
            (x[name].double() - value).norm() / value.double().norm().clamp_min(1e-30) for x in (found, found32)
        )
        assert error <= max(tolerance, 10 * error32), f"{name}: {error:.2e}, the modules {error32:.2e}"
    return found


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    ("layout", "relu", "with_skip", "scale"),
    [
        (CHANNELS_LAST, False, True, 0.25),
        (CHANNELS_LAST, True, False, 1.0),
        (CONTIGUOUS, True, True, 0.25),
        (CONTIGUOUS, False, False, 1.0),
    ],
)
def test_tail_is_the_plain_composition(layout: torch.memory_format, relu: bool, with_skip: bool, scale: float) -> None:
    tail = Tail(16, relu=relu).to(DEVICE, memory_format=layout)
    tail.scale = scale
    c = 2 * images(4, 16, 4, 4, layout=layout) + 1
    found = compare(tail, c, images(4, 16, 4, 4, seed=1, layout=layout) if with_skip else None)
    assert found["out"].is_contiguous(memory_format=layout)
    assert found["c"].is_contiguous(memory_format=layout)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("layout", [CHANNELS_LAST, CONTIGUOUS], ids=["channels_last", "contiguous"])
@pytest.mark.parametrize(
    ("shape", "out_channels", "arguments"),
    [
        ((3, 10, 5, 7), 10, {}),
        ((2, 3, 9, 5), 24, {"stride": 2}),
        ((2, 24, 3, 3), 3, {"kernel_size": 1, "padding": 0}),
        ((1, 130, 1, 2), 5, {}),
    ],
)
def test_odd_sizes_and_strides(
    shape: tuple[int, ...], out_channels: int, arguments: dict[str, object], layout: torch.memory_format
) -> None:
    compare(Tail(shape[1], out_channels, **arguments).to(DEVICE), images(*shape, layout=layout), None)


def test_tensors_in_another_layout_than_the_first_are_rearranged() -> None:
    tail = Tail(4, relu=True).to(DEVICE)
    compare(tail, images(2, 4, 6, 6), images(2, 4, 6, 6, seed=1, layout=CONTIGUOUS))
    compare(tail, images(2, 6, 4, 6).transpose(1, 2), images(2, 4, 12, 6, seed=1)[:, :, ::2])


@pytest.mark.parametrize(("channels", "relu"), [(16, False), (10, True)])
def test_bfloat16(channels: int, relu: bool) -> None:
    tail = Tail(channels, relu=relu).to(DEVICE, memory_format=CHANNELS_LAST)
    c = images(4, channels, 6, 6).bfloat16()
    skip = images(4, channels, 6, 6, seed=1).bfloat16()
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        found = compare(tail, c, skip, tolerance=1e-2, kind=RoundedTail)
        assert tail(c, skip.float()).dtype == torch.float32
    assert found["out"].dtype == found["c"].dtype == found["skip"].dtype == torch.bfloat16
    assert found["gradient of unit.weight"].dtype == torch.float32


@pytest.mark.parametrize("theta", [-25.0, -14.0, 25.0])
def test_threshold(theta: float) -> None:
    compare(Tail(4, threshold_init=theta).to(DEVICE), images(3, 4, 6, 6), None)


def test_frozen_parameters_get_no_gradient() -> None:
    tail = Tail(4, threshold_trainable=False).to(DEVICE)
    tail.unit.weight.requires_grad_(False)
    found = compare(tail, images(2, 4, 6, 6), None)
    assert not {"gradient of unit.theta", "gradient of unit.weight"} & found.keys()


@pytest.mark.parametrize("cap", [20.0, 1.0, None])
def test_large_exponents_are_capped(cap: float | None) -> None:
    tail = Tail(4, exponent_cap=cap).to(DEVICE)
    with torch.no_grad():
        tail.unit.weight.mul_(12)
    c = images(2, 4, 6, 6)
    found = compare(tail, c, images(2, 4, 6, 6, seed=1), tolerance=1e-4)
    assert all(value.isfinite().all() for value in found.values())


def test_nothing_overflows_at_the_cap() -> None:
    tail = Tail(4).to(DEVICE)
    with torch.no_grad():
        tail.unit.weight.mul_(1e4)
    found = everything(tail, images(2, 4, 6, 6), None, images(2, 4, 6, 6, seed=1))
    assert all(value.isfinite().all() for value in found.values())
    assert found["norm2.running_mean"].max() > 1e6


def test_nan_is_not_hidden() -> None:
    c = images(2, 4, 6, 6)
    c[0, 1, 2, 3] = math.nan
    found = everything(Tail(4, relu=True).to(DEVICE), c, None, images(2, 4, 6, 6, seed=1))
    for name in ("out", "c", "norm1.running_mean", "gradient of unit.weight"):
        assert found[name].isnan().any(), name


@pytest.mark.usefixtures("small_tiles")
def test_statistics_of_nearly_constant_channels_keep_their_digits() -> None:
    tail = Tail(4).to(DEVICE)
    with torch.no_grad():
        tail.unit.weight.mul_(1e-2)
    c = images(4, 4, 8, 8) + 1e4
    c[:, 3] = 7.0
    found = everything(tail, c, None, torch.ones_like(c))
    variance = c.double().var(dim=(0, 2, 3))
    torch.testing.assert_close(found["norm1.running_var"].double(), 0.9 + 0.1 * variance, rtol=2e-5, atol=0)
    tail.norm2.reset_running_stats()
    tail.norm2.momentum = 1.0
    reference = plain(tail)
    c = images(4, 4, 8, 8)
    tail(c, None), reference(c.double(), None)
    torch.testing.assert_close(tail.norm2.running_var.double(), reference.norm2.running_var, rtol=1e-4, atol=0)


@pytest.mark.parametrize("momentum", [None, 0.3])
def test_running_statistics_follow_the_momentum(momentum: float | None) -> None:
    tail = Tail(4).to(DEVICE)
    tail.norm1.momentum = tail.norm2.momentum = momentum
    reference = plain(tail)
    for seed in range(3):
        c = images(2, 4, 5, 5, seed=seed)
        tail(c, None), reference(c.double(), None)
    for name, value in tail.named_buffers():
        torch.testing.assert_close(value.double(), reference.get_buffer(name).double(), rtol=1e-5, atol=1e-6)
    assert tail.norm1.num_batches_tracked == tail.norm2.num_batches_tracked == 3


def test_keeps_two_activations_and_behind_a_relu_three() -> None:
    for relu, expected in ((False, 2), (True, 3)):
        tail, c = Tail(4, relu=relu).to(DEVICE), images(2, 4, 8, 8).requires_grad_()
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            tail(c, c)
        assert sizes.count(c.numel()) == expected


@pytest.mark.usefixtures("small_tiles")
def test_repeats_itself_to_the_bit() -> None:
    c, upstream = images(3, 16, 4, 6), images(3, 16, 4, 6, seed=1)
    tail = Tail(16, relu=True).to(DEVICE)
    first, second = (everything(copy.deepcopy(tail), c, c, upstream) for _ in range(2))
    for name in first:
        if DEVICE.type == "cpu" or name != "gradient of unit.weight":  # cuDNN may add up in any order
            assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize(
    ("dtype", "batch", "per_channel"),
    [(torch.float64, 3, False), (torch.float16, 3, False), (torch.float32, 0, False), (torch.float32, 3, True)],
)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_what_the_kernels_do_not_take_is_left_to_the_modules(
    dtype: torch.dtype, batch: int, per_channel: bool, scale: float
) -> None:
    weights = dtype if dtype == torch.float64 else torch.float32
    tail = Tail(4, relu=True, threshold_per_channel=per_channel).to(DEVICE, weights)
    tail.scale = scale
    twin = plain(tail, weights)
    c = images(3, 4, 5, 5)[:batch].to(dtype)
    assert torch.equal(tail(c, c), twin(c, c))
    assert torch.equal(tail.norm2.running_var, twin.norm2.running_var)


def test_second_derivative_is_refused() -> None:
    c = images(2, 4, 5, 5).requires_grad_()
    loss = Tail(4).to(DEVICE)(c, None).square().sum()
    with pytest.raises(PureNasError, match="cannot be differentiated twice"):
        torch.autograd.grad(loss, c, create_graph=True)


def test_is_available_here() -> None:
    assert available(DEVICE) == ""


@on_a_gpu
@pytest.mark.parametrize("shape", [(128, 16, 32, 32), (512, 64, 8, 8), (96, 24, 31, 33), (4, 512, 7, 7)])
@pytest.mark.parametrize("layout", [CHANNELS_LAST, CONTIGUOUS], ids=["channels_last", "contiguous"])
def test_full_sizes(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    compare(
        Tail(shape[1], relu=True).to(DEVICE), images(*shape, layout=layout), images(*shape, seed=1, layout=layout), 2e-5
    )


@on_a_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_can_be_captured_and_waits_for_nothing(dtype: torch.dtype) -> None:
    tail = Tail(16, relu=True).to(DEVICE, memory_format=CHANNELS_LAST)
    for norm in (tail.norm1, tail.norm2):
        norm.momentum = None
    c = images(8, 16, 16, 16).to(dtype).requires_grad_()

    def step() -> Tensor:
        tail.zero_grad(set_to_none=True)
        out: Tensor = tail(c, c)
        out.backward(torch.ones_like(out))
        return out

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
        torch.cuda.set_sync_debug_mode("error")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    expected = copy.deepcopy(tail)
    with torch.no_grad():
        c.copy_(images(8, 16, 16, 16, seed=5))
    graph.replay()
    found = captured.clone()
    assert torch.equal(found, expected(c.detach(), c.detach()))
    for name, value in tail.named_buffers():
        assert torch.equal(value, expected.get_buffer(name)), name


@on_a_gpu
def test_more_elements_than_32_bits_count() -> None:
    if torch.cuda.get_device_properties(DEVICE).total_memory < 40 * 2**30:
        pytest.skip("needs 40 GB of memory")
    small = images(16, 64, 32, 32).bfloat16()
    large = small.repeat(2**31 // small.numel() + 1, 1, 1, 1).contiguous(memory_format=CHANNELS_LAST)
    assert large.numel() > 2**31
    logarithms = []
    for c in (small, large):
        tail = Tail(64).to(DEVICE)
        tiling = triton_passes.Tiling.of(c.shape, CHANNELS_LAST)
        threshold = torch.empty((), device=DEVICE)
        moments = triton_passes.moments(c, tiling, tail.norm1, theta=tail.unit.theta, threshold=threshold)
        norm = (*moments, tail.norm1.weight, tail.norm1.bias)
        logarithms.append(triton_passes.logarithm(c, tiling, norm, threshold)[-16:])
    torch.testing.assert_close(*logarithms)
