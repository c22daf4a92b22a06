"""The units by their formulas, their gradients, and the worst numbers that they can meet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from agreement import images
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.plain.units import ComplexConvPU, ConvPU, Hadamard, LogConv

EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-7, math.log(2), 1.0, -1.0, 1e30, -1e30, 3e38, -3e38, 3.4028234663852886e38]

MakesUnit = Callable[..., nn.Module]


def made(kind: MakesUnit, **arguments: object) -> nn.Module:
    torch.manual_seed(0)
    unit = kind(2, 3, **arguments).double()
    if kind is ComplexConvPU:
        nn.init.uniform_(unit.get_parameter("weight"), -0.7, 0.7)
    return unit


def product_of_powers(unit: nn.Module, x: Tensor) -> Tensor:
    """The unit by its definition: loops over outputs, windows and factors."""
    floors = (torch.log1p(torch.exp(unit.theta)) + 1e-7).expand(unit.weight.shape[1], 1, 1).flatten().tolist()
    n, _, height, width = x.shape
    out_channels, in_channels, size, _ = unit.weight.shape
    rows = (height + 2 * unit.padding - size) // unit.stride + 1
    columns = (width + 2 * unit.padding - size) // unit.stride + 1
    y = torch.ones(n, out_channels, rows, columns, dtype=torch.float64)
    for b, o, i, j in itertools.product(range(n), range(out_channels), range(rows), range(columns)):
        for c, u, v in itertools.product(range(in_channels), range(size), range(size)):
            row, column = i * unit.stride + u - unit.padding, j * unit.stride + v - unit.padding
            if 0 <= row < height and 0 <= column < width:
                y[b, o, i, j] *= max(float(x[b, c, row, column]), floors[c]) ** float(unit.weight[o, c, u, v])
    return y


def by_complex_arithmetic(unit: ComplexConvPU, x: Tensor) -> Tensor:
    """The real part of the product of complex powers, window by window."""
    size = unit.weight.shape[-1]
    softened = torch.copysign(torch.sqrt(x * x + unit.softening**2), x).to(torch.complex128)
    rows, columns = ((side + 2 * unit.padding - size) // unit.stride + 1 for side in x.shape[2:])
    windows = F.unfold(torch.log(softened), size, padding=unit.padding, stride=unit.stride)  # (N, C * size ** 2, L)
    powers = torch.exp(torch.einsum("of,nfl->nol", unit.weight.flatten(1).to(torch.complex128), windows))
    return powers.real.reshape(len(x), -1, rows, columns)


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0), (2, 2)])
@pytest.mark.parametrize(
    ("kind", "theta"),
    [(ConvPU, 0.0), (ConvPU, -3.0), (ConvPU, 2.0), (ConvPU, [-3.0, 2.0]), (LogConv, -1.0), (LogConv, [-3.0, 2.0])],
)
def test_output_is_the_product_of_powers_or_its_logarithm(
    kind: MakesUnit, theta: float | list[float], kernel_size: int, stride: int, padding: int
) -> None:
    shape = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    unit = made(kind, threshold_per_channel=isinstance(theta, list), **shape)
    x = images(2, 2, 4, 5)
    with torch.no_grad():
        unit.theta.copy_(torch.tensor(theta).view_as(unit.theta))
        y = unit(x).exp() if kind is LogConv else unit(x)
        torch.testing.assert_close(y, product_of_powers(unit, x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
@pytest.mark.parametrize("softening", [0.5, 1e-6])
def test_output_is_the_real_part_of_complex_powers(
    kernel_size: int, stride: int, padding: int, softening: float
) -> None:
    unit = made(
        ComplexConvPU, kernel_size=kernel_size, stride=stride, padding=padding, softening=softening, exponent_cap=None
    )
    x = images(2, 2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(unit(x), by_complex_arithmetic(unit, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        *(
            (ConvPU, {"threshold_init": theta, "exponent_cap": cap})
            for theta in (0.0, -2.5, 1.0)
            for cap in (20.0, None)
        ),
        (ConvPU, {"threshold_per_channel": True}),
        *((LogConv, {"threshold_per_channel": each}) for each in (False, True)),
        *((ComplexConvPU, {"exponent_cap": cap}) for cap in (20.0, 0.3, None)),
    ],
)
def test_gradients_are_those_of_the_output(
    kind: MakesUnit, arguments: dict[str, object], stride: int, padding: int
) -> None:
    unit = made(kind, stride=stride, padding=padding, **arguments)
    if arguments.get("threshold_per_channel"):
        unit.theta.data.copy_(torch.tensor([-2.5, 1.0]).view(2, 1, 1))
    x = images(2, 2, 4, 4, seed=3)
    if kind is ComplexConvPU:
        x.view(-1)[:6] = torch.tensor([1e-3, -1e-3, 0.1, -0.1, 0.5, -0.5], dtype=x.dtype)
    names, values = zip(*unit.named_parameters(), strict=True)

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(unit, dict(zip(names, parameters, strict=True)), (x,))

    parameters = [value.detach().clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(function, (x.requires_grad_(), *parameters))


@example(values=EXTREMES, seed=0, theta=0.0, bfloat16=False)
@example(values=[3e38] * 4, seed=1, theta=50.0, bfloat16=False)
@example(values=[0.0] * 4, seed=2, theta=-50.0, bfloat16=True)
@given(
    values=st.lists(
        st.sampled_from(EXTREMES) | st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=72
    ),
    seed=st.integers(0, 2**31),
    theta=st.floats(-50, 50),
    bfloat16=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_capped_unit_is_finite_for_every_finite_input(
    values: list[float], seed: int, theta: float, bfloat16: bool
) -> None:
    unit = ConvPU(4, 5, threshold_init=theta)
    unit.reset_parameters(generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        unit.weight.mul_(3)
    x = torch.tensor((values * 72)[:72]).view(1, 4, 3, 6)[:, :, :, : 3 + seed % 4].clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        y = unit(x)
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    assert (y >= 0).all()
    y.backward(torch.ones_like(y))
    for gradient in (x.grad, unit.weight.grad, unit.theta.grad):
        assert gradient is not None
        assert gradient.isfinite().all()


@given(
    st.lists(
        st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 1e-7, 1.0, -1.0]) | st.floats(-1e18, 1e18), min_size=1, max_size=40
    )
)
@settings(max_examples=60, deadline=None)
def test_complex_values_and_gradients_are_finite_for_what_a_norm_can_give(values: list[float]) -> None:
    unit = made(ComplexConvPU).float()
    x = torch.tensor((values * 40)[:40]).view(1, 2, 4, 5).requires_grad_()
    y = unit(x)
    y.sum().backward()
    assert unit.weight.grad is not None
    assert float(y.detach().abs().max()) <= math.exp(20) * 1.001
    assert y.isfinite().all()
    assert unit.weight.grad.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("kind", "factor"), [(ConvPU, 0.480), (LogConv, 0.480), (ComplexConvPU, 0.122)])
def test_exponents_start_uniform_within_the_paper_bound_or_a_quarter_of_it(kind: MakesUnit, factor: float) -> None:
    weight = kind(16, 64).weight.detach()
    bound = factor / math.sqrt(16 * 9)
    assert float(weight.abs().max()) == pytest.approx(bound, rel=1e-2)
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=5e-2)


@pytest.mark.parametrize(
    ("kind", "settings_shown"),
    [(ConvPU, ", exponent_cap=20.0"), (LogConv, ""), (ComplexConvPU, ", exponent_cap=20.0, softening=0.5")],
)
def test_a_generator_decides_the_weights_and_settings_are_shown(kind: MakesUnit, settings_shown: str) -> None:
    first, second = kind(2, 3), kind(2, 3)
    assert not torch.equal(first.weight, second.weight)
    for unit in (first, second):
        unit.reset_parameters(generator=torch.Generator().manual_seed(5))
    assert torch.equal(first.weight, second.weight)
    assert repr(first) == f"{kind.__name__}(2, 3, kernel_size=3, stride=1, padding=1{settings_shown})"


def test_a_product_of_convolutions_is_one() -> None:
    unit = Hadamard(3, 5, stride=2).double()
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first, second = unit.weight.chunk(2)
    torch.testing.assert_close(unit(x), F.conv2d(x, first, None, 2, 1) * F.conv2d(x, second, None, 2, 1))
    assert torch.autograd.gradcheck(unit, x[:1, :, :5, :5].clone().requires_grad_())
    with torch.no_grad():
        wide = Hadamard(64, 64)(torch.randn(8, 64, 16, 16, generator=torch.Generator().manual_seed(1)))
    assert 0.8 < float(wide.std()) < 1.2  # as the inputs
