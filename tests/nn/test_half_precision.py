"""Half precision: units compute in float32, and float16 holds what blocks pass on."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.network import Network, build
from pure_nas.nn.plain.blocks import ResidualBlock
from pure_nas.nn.plain.units import ComplexConvPU, ConvPU, LogConv
from pure_nas.space.architecture import Architecture

UNITS: dict[str, Callable[[], nn.Module]] = {
    "complex": lambda: ComplexConvPU(2, 3),
    "fused": lambda: FusedConvPU(2, 3, threshold_init=-1.0),
    "log-conv": lambda: LogConv(2, 3, threshold_init=-1.0, threshold_per_channel=True),
    "product": lambda: ConvPU(2, 3, threshold_init=-1.0),
}


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_units_compute_in_float32_and_those_of_half_precision_give_the_dtype_of_the_input(
    name: str, dtype: torch.dtype
) -> None:
    narrow, x = UNITS[name]().to(dtype), torch.rand(2, 2, 4, 4).to(dtype)
    wide = copy.deepcopy(narrow).float()
    with torch.no_grad():
        expected = wide(x.float())
        assert expected.dtype == torch.float32
        assert torch.equal(narrow(x), expected.to(dtype))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(narrow(x), expected.to(dtype))
            assert torch.equal(wide(x), expected)
            assert torch.equal(wide(x.float()), expected)


def spread(unit: str, *, bottleneck: bool) -> tuple[Network, float]:
    """A network whose product units give numbers beyond float16, and the largest variance of a norm behind one."""
    architecture = Architecture.uniform(unit, (1, 1, 1), base_width=8, image_size=16, bottleneck=bottleneck)
    network = build(architecture)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("unit.weight") and unit != "log-conv":
                weight.mul_(30 if unit == "product" else 60)
            weight.copy_(weight.half())  # so that only what is computed with them differs
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(30):
            network.train()(torch.randn(64, 3, 16, 16))
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    return network.eval(), max(float(block.norm2.running_var.max()) for block in blocks)  # type: ignore[arg-type]


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("unit", ["product", "product-complex", "log-conv"])
def test_float16_networks_agree_with_float32_however_widely_their_units_spread(unit: str, bottleneck: bool) -> None:
    network, variance = spread(unit, bottleneck=bottleneck)
    assert unit == "log-conv" or variance > torch.finfo(torch.float16).max
    x = torch.randn(512, 3, 16, 16, generator=torch.Generator().manual_seed(1)).half()
    with torch.no_grad():
        expected = network(x.float())
        for narrow in (copy.deepcopy(network).half(), copy.deepcopy(network).half().to(torch.float16)):
            logits = narrow(x)
            assert logits.dtype == torch.float16
            assert logits.isfinite().all()
            # Logits of an untrained network are close.
            assert (logits.argmax(1) == expected.argmax(1)).float().mean() > 0.9
        again = copy.deepcopy(network).half().float()(x.float())
    assert float((again - expected).norm() / expected.norm()) < 0.02


@pytest.mark.parametrize("to", [torch.float16, torch.float32])
@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("unit", ["product", "product-complex"])
def test_weights_stored_in_either_precision_go_into_networks_of_either(
    unit: str, assign: bool, stored: torch.dtype, to: torch.dtype
) -> None:
    network, _ = spread(unit, bottleneck=False)
    x = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    other = build(network.architecture).to(to).eval()
    as_stored = copy.deepcopy(network).to(stored)
    other.load_state_dict(as_stored.state_dict(), assign=assign)
    dtype = other.classifier.linear.weight.dtype
    with torch.no_grad():
        expected = as_stored.to(dtype)(x.to(dtype)).float()
        found = other(x.to(dtype)).float()
    assert found.isfinite().all()
    assert float((found - expected).norm() / expected.norm()) < 0.001


def test_a_network_that_stays_in_float32_keeps_its_keys_and_numbers() -> None:
    network, _ = spread("product", bottleneck=False)
    moved = copy.deepcopy(network).to("cpu", torch.float64).float().to(memory_format=torch.channels_last)
    assert moved.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in moved.state_dict().items())


def test_a_channel_whose_variance_float32_does_not_hold_stays_what_it_is() -> None:
    network, _ = spread("product", bottleneck=False)
    block = next(module for module in network.modules() if isinstance(module, ResidualBlock))
    assert block.norm2.running_var is not None
    block.norm2.running_var[0] = torch.inf
    x = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(1)).half()
    with torch.no_grad():
        expected, logits = network(x.float()), copy.deepcopy(network).half()(x)
    assert logits.isfinite().all()
    assert (logits.argmax(1) == expected.argmax(1)).float().mean() > 0.9
