"""ConvPU against its formula, its gradients and the worst numbers it can meet."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pure_nas.nn import ConvPU

EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-7, math.log(2), 1.0, -1.0, 1e30, -1e30, 3e38, -3e38, 3.4028234663852886e38]


def double_unit(**arguments: object) -> ConvPU:
    torch.manual_seed(0)
    return ConvPU(2, 3, **arguments).double()  # type: ignore[arg-type]


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


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0), (2, 2)])
@pytest.mark.parametrize("theta", [0.0, -3.0, 2.0])
def test_output_is_the_product_of_powers(kernel_size: int, stride: int, padding: int, theta: float) -> None:
    unit = double_unit(kernel_size=kernel_size, stride=stride, padding=padding, threshold_init=theta)
    x = images(2, 2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(unit(x), product_of_powers(unit, x), rtol=1e-12, atol=0)


def test_every_channel_can_have_its_own_floor() -> None:
    unit = double_unit(threshold_per_channel=True, threshold_init=-1.0)
    assert unit.theta.shape == (2, 1, 1)
    assert (unit.theta == -1.0).all()
    with torch.no_grad():
        unit.theta.copy_(torch.tensor([-3.0, 2.0]).view(2, 1, 1))
        x = images(2, 2, 4, 5)
        torch.testing.assert_close(unit(x), product_of_powers(unit, x), rtol=1e-12, atol=0)


def test_gradients_of_a_floor_for_each_channel_are_those_of_the_output() -> None:
    unit = double_unit(threshold_per_channel=True)
    x = images(2, 2, 4, 4, seed=3).requires_grad_()
    theta = torch.tensor([-2.5, 1.0]).double().view(2, 1, 1).requires_grad_()

    def function(x: Tensor, weight: Tensor, theta: Tensor) -> Tensor:
        return torch.func.functional_call(unit, {"weight": weight, "theta": theta}, (x,))

    assert torch.autograd.gradcheck(function, (x, unit.weight.detach().clone().requires_grad_(), theta))


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
@pytest.mark.parametrize("theta", [0.0, -2.5, 1.0])
@pytest.mark.parametrize("cap", [20.0, None])
def test_gradients_are_those_of_the_output(stride: int, padding: int, theta: float, cap: float | None) -> None:
    unit = double_unit(stride=stride, padding=padding, exponent_cap=cap)
    x = images(2, 2, 4, 4, seed=3).requires_grad_()
    parameters = (unit.weight.detach().clone().requires_grad_(), torch.tensor(theta).double().requires_grad_())

    def function(x: Tensor, weight: Tensor, theta: Tensor) -> Tensor:
        return torch.func.functional_call(unit, {"weight": weight, "theta": theta}, (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters))


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_computed_in_float32(dtype: torch.dtype) -> None:
    unit = ConvPU(2, 2)
    x = torch.rand(1, 2, 4, 4).to(dtype)
    y = unit(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, unit(x.float()))


def test_autocast_changes_nothing_for_float32_input() -> None:
    unit, x = ConvPU(2, 2), torch.rand(1, 2, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(unit(x), unit(x))
        inside = unit(x)
    assert torch.equal(inside, unit(x))


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


def test_theta_is_one_scalar_at_its_start() -> None:
    theta = ConvPU(2, 3, threshold_init=-1.5).theta
    assert theta.shape == ()
    assert theta.item() == -1.5


def test_padding_is_a_factor_of_one() -> None:
    unit = ConvPU(2, 2, padding=1).double()
    x = images(1, 2, 3, 3)
    ones = nn.functional.pad(x, (1, 1, 1, 1), value=1.0)
    unpadded = copy.deepcopy(unit)
    unpadded.padding = 0
    torch.testing.assert_close(unit(x), unpadded(ones))


def test_untrainable_theta_asks_for_no_gradient_but_is_saved() -> None:
    unit = ConvPU(2, 2, threshold_trainable=False)
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


def test_generator_decides_the_weights() -> None:
    first, second = ConvPU(2, 3), ConvPU(2, 3)
    assert not torch.equal(first.weight, second.weight)
    for unit in (first, second):
        unit.reset_parameters(generator=torch.Generator().manual_seed(5))
    assert torch.equal(first.weight, second.weight)


def test_unit_shows_its_settings() -> None:
    assert repr(ConvPU(2, 3)) == "ConvPU(2, 3, kernel_size=3, stride=1, padding=1, exponent_cap=20.0)"
