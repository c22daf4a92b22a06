"""LogConv is what a product unit is before its exponential."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pure_nas.nn import ConvPU, LogConv


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    theta=st.floats(-10, 10),
    per_channel=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_its_exponential_is_the_product_unit(
    kernel_size: int, stride: int, padding: int, theta: float, per_channel: bool, seed: int
) -> None:
    shape = (3, 4, kernel_size, stride, padding, theta)
    made = LogConv(*shape, threshold_per_channel=per_channel).double()
    product = ConvPU(*shape, threshold_per_channel=per_channel, exponent_cap=None).double()
    if per_channel:
        made.theta.data += torch.linspace(-1, 1, 3, dtype=torch.float64).view(3, 1, 1)
    product.load_state_dict(made.state_dict())
    x = images(2, 3, 4, 5, seed=seed)
    with torch.no_grad():
        torch.testing.assert_close(made(x).exp(), product(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_gradients_are_those_of_the_output(stride: int, padding: int, per_channel: bool) -> None:
    made = LogConv(2, 3, stride=stride, padding=padding, threshold_per_channel=per_channel).double()
    x = images(2, 2, 4, 4, seed=3).requires_grad_()
    parameters = tuple(parameter.detach().clone().requires_grad_() for parameter in made.parameters())

    def function(x: Tensor, weight: Tensor, theta: Tensor) -> Tensor:
        return torch.func.functional_call(made, {"weight": weight, "theta": theta}, (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_it_starts_as_a_product_unit_does() -> None:
    made, product = LogConv(2, 3, threshold_init=-1.5), ConvPU(2, 3, threshold_init=-1.5)
    for unit in (made, product):
        unit.reset_parameters(generator=torch.Generator().manual_seed(5))
    assert torch.equal(made.weight, product.weight)
    assert torch.equal(made.theta, product.theta)


@pytest.mark.parametrize(("per_channel", "shape"), [(False, ()), (True, (2, 1, 1))])
def test_thresholds_can_be_frozen(per_channel: bool, shape: tuple[int, ...]) -> None:
    made = LogConv(2, 3, threshold_trainable=False, threshold_per_channel=per_channel)
    assert not made.theta.requires_grad
    assert made.theta.shape == shape
    assert set(made.state_dict()) == {"weight", "theta"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_float32(dtype: torch.dtype) -> None:
    made, x = LogConv(2, 2), torch.rand(1, 2, 4, 4).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = made(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, made(x.float()))


def test_settings_are_shown() -> None:
    assert repr(LogConv(2, 3)) == "LogConv(2, 3, kernel_size=3, stride=1, padding=1)"
