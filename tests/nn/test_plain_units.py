"""The units by their formulas, their gradients, and the worst numbers that they can meet."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.plain.units import ComplexConvPU, ConvPU, LogConv

EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-7, math.log(2), 1.0, -1.0, 1e30, -1e30, 3e38, -3e38, 3.4028234663852886e38]

MakesUnit = Callable[..., nn.Module]


def made(kind: MakesUnit, **arguments: object) -> nn.Module:
    torch.manual_seed(0)
    unit = kind(2, 3, **arguments).double()
    if kind is ComplexConvPU:
        nn.init.uniform_(unit.get_parameter("weight"), -0.7, 0.7)
    return unit


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def product_of_powers(unit: ConvPU, x: Tensor) -> Tensor:
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
@pytest.mark.parametrize("theta", [0.0, -3.0, 2.0])
def test_output_is_the_product_of_powers(kernel_size: int, stride: int, padding: int, theta: float) -> None:
    unit = made(ConvPU, kernel_size=kernel_size, stride=stride, padding=padding, threshold_init=theta)
    x = images(2, 2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(unit(x), product_of_powers(unit, x), rtol=1e-12, atol=0)


def test_every_channel_can_have_its_own_floor() -> None:
    unit = made(ConvPU, threshold_per_channel=True, threshold_init=-1.0)
    assert unit.theta.shape == (2, 1, 1)
    assert (unit.theta == -1.0).all()
    with torch.no_grad():
        unit.theta.copy_(torch.tensor([-3.0, 2.0]).view(2, 1, 1))
        x = images(2, 2, 4, 5)
        torch.testing.assert_close(unit(x), product_of_powers(unit, x), rtol=1e-12, atol=0)


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


def test_exponents_of_one_multiply_with_signs() -> None:
    unit = ComplexConvPU(3, 1, kernel_size=1, padding=0, softening=0.0).double()
    nn.init.ones_(unit.weight)
    x = images(4, 3, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(unit(x)[:, 0], x.prod(1))


@given(
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    theta=st.floats(-10, 10),
    per_channel=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_the_exponential_of_a_convolution_of_logarithms_is_the_product_unit(
    kernel_size: int, stride: int, padding: int, theta: float, per_channel: bool, seed: int
) -> None:
    shape = (3, 4, kernel_size, stride, padding, theta)
    log = LogConv(*shape, threshold_per_channel=per_channel).double()
    product = ConvPU(*shape, threshold_per_channel=per_channel, exponent_cap=None).double()
    if per_channel:
        log.theta.data += torch.linspace(-1, 1, 3, dtype=torch.float64).view(3, 1, 1)
    product.load_state_dict(log.state_dict())
    x = images(2, 3, 4, 5, seed=seed)
    with torch.no_grad():
        torch.testing.assert_close(log(x).exp(), product(x), rtol=1e-12, atol=0)


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


@given(theta=st.floats(-4, 4), seed=st.integers(0, 100), stride=st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_gradients_follow_the_derived_formulas(theta: float, seed: int, stride: int) -> None:
    unit = ConvPU(2, 3, stride=stride, threshold_init=theta).double()
    nn.init.uniform_(unit.weight, -0.5, 0.5, generator=torch.Generator().manual_seed(seed))
    x = images(2, 2, 5, 5, seed=seed).requires_grad_()
    y = unit(x)
    upstream = images(*y.shape, seed=seed + 1)
    y.backward(upstream)
    with torch.no_grad():
        t = math.log1p(math.exp(unit.theta)) + 1e-7
        above = x > t
        logarithm = x.clamp_min(t).log()
        dz = upstream * y
        dl = torch.nn.grad.conv2d_input(x.shape, unit.weight, dz, stride, 1)
        dw = torch.nn.grad.conv2d_weight(logarithm, unit.weight.shape, dz, stride, 1)
        dtheta = torch.sigmoid(unit.theta) * (dl * ~above).sum() / t
    close = {"rtol": 1e-9, "atol": 1e-12}
    torch.testing.assert_close(x.grad, above * dl / x.detach(), **close)
    torch.testing.assert_close(unit.weight.grad, dw, **close)
    torch.testing.assert_close(unit.theta.grad, dtheta, **close)


def test_theta_and_weight_have_no_gradient_where_the_cap_holds() -> None:
    unit = ConvPU(1, 1, kernel_size=1, padding=0)
    nn.init.constant_(unit.weight, 10.0)
    x = torch.full((1, 1, 2, 2), 100.0, requires_grad=True)
    y = unit(x)
    y.sum().backward()
    torch.testing.assert_close(y, torch.full_like(y, math.exp(20)))
    for gradient in (x.grad, unit.weight.grad, unit.theta.grad):
        assert gradient is not None
        assert not gradient.any()


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


def test_near_zero_the_gradient_is_bounded_by_the_softening() -> None:
    unit = ComplexConvPU(1, 1, kernel_size=1, padding=0).double()
    nn.init.ones_(unit.weight)
    x = torch.linspace(1e-9, 3, 1000, dtype=torch.float64).view(1, 1, 20, 50).requires_grad_()
    unit(x).log().sum().backward()
    assert x.grad is not None
    assert float(x.grad.max()) == pytest.approx(1 / (2 * unit.softening), rel=1e-4)


@pytest.mark.parametrize("kind", [ConvPU, FusedConvPU, LogConv, ComplexConvPU])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_and_autocast_are_computed_in_float32(kind: MakesUnit, dtype: torch.dtype) -> None:
    unit, x = kind(2, 2), torch.rand(1, 2, 4, 4).to(dtype)
    expected = unit(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for y in (unit(x), unit(x.float())):
            assert y.dtype == torch.float32
            assert torch.equal(y, expected)


def test_unit_without_cap_is_unbounded() -> None:
    unit = ConvPU(1, 1, kernel_size=1, padding=0, exponent_cap=None)
    nn.init.constant_(unit.weight, 10.0)
    assert unit(torch.full((1, 1, 1, 1), 100.0)).item() == pytest.approx(1e20, rel=1e-4)


def test_exponents_start_uniform_within_the_paper_bound() -> None:
    unit = ConvPU(16, 64)
    bound = 0.480 / math.sqrt(16 * 9)
    largest = float(unit.weight.detach().abs().max())
    assert largest == pytest.approx(bound, rel=1e-2)
    assert float(unit.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=5e-2)


def test_complex_exponents_start_within_a_quarter_of_a_product_units_bound() -> None:
    largest = float(ComplexConvPU(16, 64).weight.detach().abs().max())
    assert largest == pytest.approx(0.480 / 4 / math.sqrt(16 * 9), rel=3e-2)


def test_padding_is_a_factor_of_one() -> None:
    unit = ConvPU(2, 2, padding=1).double()
    x = images(1, 2, 3, 3)
    ones = nn.functional.pad(x, (1, 1, 1, 1), value=1.0)
    unpadded = copy.deepcopy(unit)
    unpadded.padding = 0
    torch.testing.assert_close(unit(x), unpadded(ones))


@pytest.mark.parametrize("kind", [ConvPU, LogConv])
@pytest.mark.parametrize(("per_channel", "shape"), [(False, ()), (True, (2, 1, 1))])
def test_thresholds_start_where_they_are_told_and_can_be_frozen(
    kind: type[ConvPU | LogConv], per_channel: bool, shape: tuple[int, ...]
) -> None:
    unit = kind(2, 3, threshold_init=-1.5, threshold_trainable=False, threshold_per_channel=per_channel)
    assert torch.equal(unit.theta, torch.full(shape, -1.5))
    assert not unit.theta.requires_grad
    assert unit.weight.requires_grad
    assert set(unit.state_dict()) == {"weight", "theta"}


def test_copies_and_loaded_states_compute_the_same() -> None:
    unit, other, x = ConvPU(2, 3), ConvPU(2, 3, threshold_init=1.0), torch.randn(2, 2, 4, 4)
    twin = copy.deepcopy(unit)
    other.load_state_dict(unit.state_dict())
    assert torch.equal(twin(x), unit(x))
    assert torch.equal(other(x), unit(x))
    assert twin.weight is not unit.weight


def test_channels_last_computes_the_same_and_stays_channels_last() -> None:
    unit, x = ConvPU(4, 8), torch.randn(2, 4, 6, 6)
    y = unit.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, unit(x))


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


def test_a_convolution_of_logarithms_starts_as_a_product_unit_does() -> None:
    log, product = LogConv(2, 3), ConvPU(2, 3)
    for unit in (log, product):
        unit.reset_parameters(generator=torch.Generator().manual_seed(5))
    assert torch.equal(log.weight, product.weight)
