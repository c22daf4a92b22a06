"""Fused blocks and networks against the plain ones: numbers, statistics, memory, and when they step aside."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import agreement
import pytest
import torch
from agreement import norms, run, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pure_nas.errors import PureNasError
from pure_nas.nn.fused.blocks import FusedBlock, product_unit_path
from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.network import build
from pure_nas.nn.plain.blocks import ProjectionShortcut, ResidualBlock
from pure_nas.nn.plain.units import ConvPU
from pure_nas.space.architecture import Architecture

PLAIN = {FusedBlock: ResidualBlock, FusedConvPU: ConvPU}


def as_plain(module: nn.Module) -> nn.Module:
    """A copy made of the plain classes alone."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        part.__class__ = PLAIN.get(type(part), type(part))
    return copied


def block(bottleneck: bool = False, stride: int = 1, unit: dict[str, Any] | None = None, **fields: Any) -> nn.Module:
    """A fused block from 4 to 4 channels (bottleneck: 4 to 12), float64, in training mode."""
    torch.manual_seed(0)
    channels = 3 if bottleneck else 4
    made_unit = FusedConvPU(channels, channels, stride=stride if bottleneck else 1, **(unit or {}))
    if made_unit.theta.dim():
        nn.init.normal_(made_unit.theta, made_unit.threshold_init)
    out_channels = 4 * channels if bottleneck else channels
    plain_shape = stride == 1 and out_channels == 4
    shortcut = nn.Identity() if plain_shape else ProjectionShortcut(4, out_channels, stride)
    made = FusedBlock(4, channels, made_unit, shortcut, 1 if bottleneck else stride, bottleneck, **fields)
    for norm in norms(made):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return made.double()


def images(n: int = 3, size: tuple[int, int] = (5, 6), seed: int = 0) -> Tensor:
    return agreement.images(n, 4, *size, seed=seed)


def assert_same(fused: nn.Module, plain: nn.Module, x: Tensor, tolerance: float = 1e-9) -> dict[str, Tensor]:
    """That both compute the same of `x`, to `tolerance` of the largest value of each kind; what `fused` found."""
    found, expected = run(fused, x), run(plain, x)
    assert found.keys() == expected.keys()
    for kind in ("y", "d ", ""):  # output, gradients, buffers
        names = [name for name in expected if name.startswith(kind)]
        scale = max(float(expected[name].abs().max()) for name in names)
        for name in names:
            value, other = expected.pop(name), found[name]
            close = {"rtol": tolerance, "atol": tolerance * scale}
            torch.testing.assert_close(other, value, msg=lambda m, n=name: f"{n}: {m}", **close)
    return found


BLOCKS = st.fixed_dictionaries(
    {
        "bottleneck": st.booleans(),
        "stride": st.integers(1, 2),
        "unit": st.fixed_dictionaries(
            {
                "threshold_init": st.floats(-10, 10),
                "threshold_per_channel": st.booleans(),
                "exponent_cap": st.sampled_from([20.0, 0.01, None]),
            }
        ),
        "relu_in_block": st.booleans(),
        "relu_after_add": st.booleans(),
        "residual_scale": st.sampled_from([1.0, 0.1]),
    }
)
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@given(
    fields=BLOCKS,
    momentum=st.sampled_from([None, 0.1, 1.0]),
    n=st.integers(1, 4),
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_fused_and_plain_block_agree(
    fields: Any, momentum: float | None, n: int, size: tuple[int, int], layout: torch.memory_format, seed: int
) -> None:
    fused = block(**fields).to(memory_format=layout)
    for norm in norms(fused):
        norm.momentum = momentum
    plain = as_plain(fused)
    for step in range(2):  # twice, so that the running statistics have a past
        assert_same(fused, plain, images(n, size, seed + step).to(memory_format=layout))


@pytest.mark.parametrize(
    "frozen", ["norm1.weight", "norm1.bias", "norm2.weight", "unit.weight", "unit.theta", "conv1.weight"]
)
def test_frozen_parameters_have_no_gradient_and_change_no_other(frozen: str) -> None:
    fused = block()
    fused.get_parameter(frozen).requires_grad_(False)
    assert f"d {frozen}" not in assert_same(fused, as_plain(fused), images())


def test_norm_parameters_learn_behind_a_frozen_trunk() -> None:
    fused = block()
    for name, parameter in fused.named_parameters():
        parameter.requires_grad_(name.startswith("norm2"))
    plain = as_plain(fused)
    for module in (fused, plain):
        module(images()).square().sum().backward()
    torch.testing.assert_close(fused.norm2.weight.grad, plain.norm2.weight.grad)


def test_a_product_block_saves_less_than_a_conv_block_and_a_plain_one() -> None:
    sizes: dict[str, int] = {}
    for name, unit, kind in (("fused", "product", None), ("plain", "product", as_plain), ("conv", "conv", None)):
        network: nn.Module = build(Architecture.uniform(unit, (6,), base_width=8, image_size=16)).get_submodule(
            "stages.0"
        )
        network = kind(network) if kind else network
        x = torch.randn(4, 8, 16, 16).requires_grad_()
        own = {parameter.data_ptr() for parameter in network.parameters()}
        sizes[name] = sum(t.untyped_storage().nbytes() for t in saved(network, x) if t.data_ptr() not in own)
    assert sizes["fused"] <= 0.6 * sizes["plain"]
    assert sizes["fused"] < sizes["conv"]


def takes_the_fused_path(module: nn.Module, x: Tensor) -> bool:
    return "ProductTail" in type(module(x).grad_fn).__name__


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("evaluation", lambda made: made.eval()),
        ("norm in evaluation", lambda made: made.norm1.eval()),
        ("no statistics", lambda made: setattr(made, "norm2", nn.BatchNorm2d(4, track_running_stats=False).double())),
        ("no parameters", lambda made: setattr(made, "norm1", nn.BatchNorm2d(4, affine=False).double())),
        ("another norm", lambda made: setattr(made, "norm1", nn.GroupNorm(2, 4).double())),
        ("another unit", lambda made: setattr(made, "unit", nn.Conv2d(4, 4, 3, padding=1).double())),
    ],
)
def test_other_blocks_run_in_the_plain_order(why: str, change: Callable[[Any], object]) -> None:
    made = block()
    assert takes_the_fused_path(made, images())
    change(made)
    assert not takes_the_fused_path(made, images()), why
    torch.testing.assert_close(made(images()), as_plain(made)(images()))


def test_hooks_see_what_they_watch() -> None:
    made, seen = block(), []
    handle = made.norm1.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    made(images())
    handle.remove()
    made(images())
    assert seen == [(3, 4, 5, 6)]


def test_single_values_are_refused_as_by_the_norm() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        block()(images(1, (1, 1)))


@pytest.mark.parametrize("made", [block, lambda: FusedConvPU(4, 4).double()], ids=["block", "unit"])
def test_a_second_derivative_is_refused(made: Callable[[], nn.Module]) -> None:
    x = images().requires_grad_()
    with pytest.raises(PureNasError, match="cannot be differentiated twice"):
        torch.autograd.grad(made()(x).sum(), x, create_graph=True)


def test_running_statistics_are_those_of_the_plain_network_to_the_last_bit() -> None:
    fused = block().float()
    plain = as_plain(fused)
    x = images().float()
    for module in (fused, plain):
        module(x)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(getattr(fused.norm1, name), getattr(plain.norm1, name))


def test_under_autocast_a_block_is_as_exact_as_the_plain_one() -> None:
    fused = block().float()
    plain, exact = as_plain(fused), run(as_plain(fused), images().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, rounded = run(fused, images().float()), run(plain, images().float())
    assert found["y"].dtype == rounded["y"].dtype == torch.float32
    for name in ("y", "d x", "d unit.weight", "d conv1.weight", "d norm1.weight", "d norm2.bias"):
        error, allowed = ((value[name] - exact[name]).norm() for value in (found, rounded))
        assert error <= 2 * allowed + 1e-2 * exact[name].norm(), name


def test_what_computes_product_units_is_said_with_the_reason() -> None:
    assert product_unit_path(torch.device("cpu")) == "fused"
    assert product_unit_path(torch.device("mps")) == "plain blocks with fused units: there are no kernels for mps"
