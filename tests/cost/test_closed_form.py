"""The closed form says of every network what fvcore counts on it, and what the literature says of the known ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from small_architectures import small_architectures

from pure_nas.cost.fvcore_count import count, count_architecture
from pure_nas.cost.layers import cost_of, layer_costs
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

PARTS = ("params", "macs", "norm", "elementwise", "pooling", "flops")
CIFAR = {20: 40.8, 32: 69.1, 44: 97.4, 56: 125.7, 110: 253.1, 272: 635.4}
MMACS = {**CIFAR, 18: 1810, 34: 3660, 50: 4090, 101: 7800, 152: 11510}


@settings(max_examples=30, deadline=None)
@given(small_architectures())
def test_the_closed_form_is_what_fvcore_counts_of_the_whole_and_of_its_parts(architecture: Architecture) -> None:
    network = build(architecture)
    whole = count(network, architecture.in_chans, architecture.image_size)
    assert whole == cost_of(architecture) == count_architecture(architecture, network)


@settings(max_examples=40, deadline=None)
@given(small_architectures())
def test_the_layers_sum_to_the_whole(architecture: Architecture) -> None:
    layers = list(layer_costs(architecture))
    whole = cost_of(architecture)
    assert {part: sum(getattr(layer, part) for layer in layers) for part in PARTS} == {
        part: getattr(whole, part) for part in PARTS
    }
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names)


def test_every_layer_is_named_and_shaped_as_in_the_network() -> None:
    fields = {"base_width": 2, "bottleneck": True, "image_size": 19, "residual_scale": 0.1}
    architecture = Architecture(family="imagenet", units=(("product",), ("conv", "product")), **fields)
    network = build(architecture).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    network(torch.zeros(1, 3, 19, 19))
    for layer in layer_costs(architecture):
        block, _, last = layer.name.rpartition(".")
        if last in ("add", "scale"):
            assert layer.out_shape == shapes[block]
            assert layer.params == 0
            assert layer.operation == {"add": "add", "scale": "times 0.1"}[last]
        else:
            assert layer.out_shape == shapes[layer.name], layer.name
            assert layer.params == sum(each.numel() for each in network.get_submodule(layer.name).parameters())


def test_pure20_has_the_known_parts() -> None:
    cost = cost_of(Architecture.named("pure20"))
    assert (cost.params, cost.macs, cost.norm) == (272_483, 40_813_184, 401_408)
    block_outputs = 3 * (16 * 32**2 + 32 * 16**2 + 64 * 8**2)
    # An addition, maximum, logarithm, cap and exponential on every block's elements; the mean reads the last map.
    assert cost.elementwise == 5 * block_outputs
    assert cost.pooling == 64 * 8**2
    assert cost.flops == cost.macs + cost.norm + cost.elementwise + cost.pooling


@pytest.mark.parametrize(("depth", "mmacs"), MMACS.items())
def test_known_networks_have_the_known_macs(depth: int, mmacs: float) -> None:
    pure, resnet = (cost_of(Architecture.named(f"{name}{depth}")).macs for name in ("pure", "resnet"))
    assert pure == resnet
    assert pure / 1e6 == pytest.approx(mmacs, abs=0.05 if depth in CIFAR else 5)


def test_spaces_and_the_closed_form_need_no_pytorch() -> None:
    code = """
import sys
from pure_nas.cost.layers import cost_of, layer_costs
from pure_nas.space.catalogue import SPACES, load_space
for name in SPACES.places:
    for architecture in load_space(name).smallest_architectures():
        assert cost_of(architecture).params == sum(layer.params for layer in layer_costs(architecture))
assert not {"torch", "fvcore", "optuna"} & set(sys.modules), "PyTorch was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
