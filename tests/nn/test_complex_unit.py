"""ComplexConvPU against complex arithmetic, its gradients, and large numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn import ComplexConvPU

EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-7, 1.0, -1.0, 1e18, -1e18]


def unit(**arguments: object) -> ComplexConvPU:
    torch.manual_seed(0)
    made = ComplexConvPU(2, 3, **arguments).double()  # type: ignore[arg-type]
    nn.init.uniform_(made.weight, -0.7, 0.7)
    return made


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_complex_arithmetic(made: ComplexConvPU, x: Tensor) -> Tensor:
    """The real part of the product of complex powers, window by window."""
    size = made.weight.shape[-1]
    softened = torch.copysign(torch.sqrt(x * x + made.softening**2), x).to(torch.complex128)
    rows, columns = ((side + 2 * made.padding - size) // made.stride + 1 for side in x.shape[2:])
    windows = F.unfold(torch.log(softened), size, padding=made.padding, stride=made.stride)  # (N, C * size ** 2, L)
    powers = torch.exp(torch.einsum("of,nfl->nol", made.weight.flatten(1).to(torch.complex128), windows))
    return powers.real.reshape(len(x), -1, rows, columns)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
@pytest.mark.parametrize("softening", [0.5, 1e-6])
def test_output_is_the_real_part_of_complex_powers(
    kernel_size: int, stride: int, padding: int, softening: float
) -> None:
    made = unit(kernel_size=kernel_size, stride=stride, padding=padding, softening=softening, exponent_cap=None)
    x = images(2, 2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(made(x), by_complex_arithmetic(made, x), rtol=1e-9, atol=1e-9)


def test_exponents_of_one_multiply_with_signs() -> None:
    made = ComplexConvPU(3, 1, kernel_size=1, padding=0, softening=0.0).double()
    nn.init.ones_(made.weight)
    x = images(4, 3, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(made(x)[:, 0], x.prod(1))


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
@pytest.mark.parametrize("cap", [20.0, 0.3, None])
def test_gradients_are_those_of_the_output(stride: int, padding: int, cap: float | None) -> None:
    made = unit(stride=stride, padding=padding, exponent_cap=cap)
    x = images(2, 2, 4, 4, seed=3)
    x.view(-1)[:6] = torch.tensor([1e-3, -1e-3, 0.1, -0.1, 0.5, -0.5], dtype=x.dtype)

    def function(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(made, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(function, (x.requires_grad_(), made.weight.detach().clone().requires_grad_()))


@given(st.lists(st.sampled_from(EXTREMES) | st.floats(-1e18, 1e18), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_values_and_gradients_are_finite_for_what_a_norm_can_give(values: list[float]) -> None:
    made = unit().float()
    x = torch.tensor((values * 40)[:40]).view(1, 2, 4, 5).requires_grad_()
    y = made(x)
    y.sum().backward()
    assert made.weight.grad is not None
    assert float(y.detach().abs().max()) <= math.exp(20) * 1.001
    assert y.isfinite().all()
    assert made.weight.grad.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_near_zero_the_gradient_is_bounded_by_the_softening() -> None:
    made = ComplexConvPU(1, 1, kernel_size=1, padding=0).double()
    nn.init.ones_(made.weight)
    x = torch.linspace(1e-9, 3, 1000, dtype=torch.float64).view(1, 1, 20, 50).requires_grad_()
    made(x).log().sum().backward()
    assert x.grad is not None
    assert float(x.grad.max()) == pytest.approx(1 / (2 * made.softening), rel=1e-4)


def test_exponents_start_within_a_quarter_of_a_product_units_bound() -> None:
    largest = float(ComplexConvPU(16, 64).weight.detach().abs().max())
    assert largest == pytest.approx(0.480 / 4 / math.sqrt(16 * 9), rel=3e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_float32(dtype: torch.dtype) -> None:
    made, x = ComplexConvPU(2, 2), torch.rand(1, 2, 4, 4).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = made(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, made(x.float()))


def test_generator_decides_the_weights_and_settings_are_shown() -> None:
    first, second = ComplexConvPU(2, 3), ComplexConvPU(2, 3)
    for made in (first, second):
        made.reset_parameters(generator=torch.Generator().manual_seed(5))
    assert torch.equal(first.weight, second.weight)
    assert repr(first) == "ComplexConvPU(2, 3, kernel_size=3, stride=1, padding=1, exponent_cap=20.0, softening=0.5)"
