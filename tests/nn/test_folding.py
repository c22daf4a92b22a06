"""A folded network computes what the network computes in evaluation mode."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import agreement
import pytest
import torch
from agreement import norms
from forked import in_a_fork
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import pure_nas.space.unit
from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import CONV

UNITS = (("product", "conv"), ("product", "product"))
VARIANTS = (("log-conv", "product-complex"), ("plain-conv", "log-conv", "product"))


def lived(seed: int = 0, spread: float = 1.0, **fields: Any) -> Network:
    """A network of float64 in evaluation mode whose norms are no longer at their start."""
    generator = torch.Generator().manual_seed(seed)
    arguments = {"units": UNITS, "base_width": 3, "in_chans": 2, "image_size": 8, **fields}
    network = build(Architecture(**arguments), generator=generator).double().eval()
    for norm in norms(network):
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            assert tensor is not None
            tensor.normal_(generator=generator)
        assert norm.running_var is not None
        norm.running_var.mul_(spread).exp_()
    for name, theta in network.named_parameters():
        if name.endswith("theta") and theta.dim():
            theta.data.add_(torch.randn(theta.shape, generator=generator))
    return network


def images(n: int = 3, seed: int = 0) -> Tensor:
    return agreement.images(n, 2, 8, 8, seed=seed)


def assert_same(network: Network, x: Tensor, tolerance: float) -> None:
    with torch.inference_mode():
        expected, found = network(x), folded(network)(x)
    scale = float(expected.nan_to_num(0, 0, 0).abs().max()) if len(x) else 0.0
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


FIELDS = st.fixed_dictionaries(
    {
        "units": st.sampled_from([UNITS, VARIANTS]),
        "threshold_init": st.floats(-5, 3).map(lambda theta: (theta, theta)),
        "threshold_per_channel": st.booleans(),
        "residual_scale": st.sampled_from([1.0, 0.1]),
        "bottleneck": st.booleans(),
        "shortcut": st.sampled_from(["projection", "padding"]),
        "relu_in_block": st.booleans(),
        "relu_after_add": st.booleans(),
        "exponent_cap": st.sampled_from([None, 20.0, 0.5]),
    }
)
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@given(fields=FIELDS, seed=st.integers(0, 1000), layout=st.sampled_from(LAYOUTS), n=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_folded_network_computes_the_same_and_leaves_its_input_alone(
    fields: Any, seed: int, layout: torch.memory_format, n: int
) -> None:
    x = images(n, seed).to(memory_format=layout)
    assert_same(lived(seed, **fields).to(memory_format=layout), x, 1e-9)
    assert torch.equal(x, images(n, seed))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spread", [0.0, 1.0, 10.0, 20.0])
def test_float32_agrees_to_five_digits_however_extreme_the_statistics(
    spread: float, layout: torch.memory_format
) -> None:
    for seed in range(5):
        assert_same(lived(seed, spread).float().to(memory_format=layout), images(seed=seed).float(), 1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-30])
def test_norms_that_scale_by_zero_or_below_it_agree(value: float) -> None:
    network = lived()
    for norm in norms(network):
        norm.weight.data[0] = value
    assert_same(network, images(), 1e-9)


@pytest.mark.parametrize("cap", [None, 20.0])
def test_exponents_that_overflow_do_so_in_the_folded_network(cap: float | None) -> None:
    network = lived(exponent_cap=cap).float()
    network.get_parameter("stages.0.0.unit.weight").data.mul_(1000)
    for norm in norms(network):
        nn.init.ones_(norm.weight)
    x = images().float()
    with torch.inference_mode():
        assert bool(network(x).isfinite().all()) is (cap is not None)
    assert_same(network, x, 1e-5)


def test_nan_comes_out_where_it_comes_out_of_the_network() -> None:
    network, x = lived(), images()
    x[1, 0, 0, 0] = torch.nan
    with torch.inference_mode():
        assert network(x).isnan().any(1).tolist() == [False, True, False]
    assert_same(network, x, 1e-9)
    norms(network)[3].running_mean[0] = torch.nan  # type: ignore[index]
    assert_same(network, images(), 1e-9)


@pytest.mark.parametrize(("units", "left"), [(UNITS, 0), ((("log-conv", "plain-conv"),), 0), (VARIANTS, 1)])
def test_no_norm_is_left_but_behind_complex_units_and_nothing_can_be_trained(units: Any, left: int) -> None:
    made = folded(lived(units=units))
    assert len(norms(made)) == left
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert not made.training


def test_folding_changes_nothing_and_shares_nothing() -> None:
    network = lived().train()
    state = copy.deepcopy(network.state_dict())
    made = folded(network)
    expected = made(images())
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    assert torch.equal(made(images()), expected)


def test_units_of_other_packages_keep_their_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = replace(
        CONV,
        name="normed",
        implementation="torch.nn:GroupNorm",
        arguments=lambda place: {"num_groups": 1, "num_channels": place.out_channels},
        parameter_kinds={"weight": "conv", "bias": "conv"},
    )
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, "normed", unit)
    network = lived(units=(("normed", "product"),), residual_scale=0.5)
    assert len(norms(folded(network))) == 1
    assert_same(network, images(), 1e-9)


def test_half_precision_autocast_is_taken() -> None:
    network = lived().float()
    x = images().float()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = folded(network)(x), network(x)
    torch.testing.assert_close(found.float(), expected.float(), rtol=0.1, atol=0.1 * float(expected.abs().max()))


@in_a_fork
def test_folded_network_is_exported_and_compiled() -> None:
    torch.compiler.reset()
    made = folded(lived())
    expected = made(images())
    torch.testing.assert_close(torch.export.export(made, (images(),)).module()(images()), expected)
    torch.testing.assert_close(torch.compile(made, backend="aot_eager")(images()), expected)


@pytest.mark.parametrize("unit", ["product", "log-conv"])
def test_a_folded_network_goes_to_another_device_with_all_it_holds(unit: str) -> None:
    moved = folded(lived(units=((unit,), (unit,)), threshold_per_channel=True)).to("meta")
    attributes = [value for module in moved.modules() for value in vars(module).values()]
    tensors = [each for each in attributes if isinstance(each, Tensor)]
    assert {each.device.type for each in (*moved.buffers(), *moved.parameters(), *tensors)} == {"meta"}
