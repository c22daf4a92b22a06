"""The closed form says of every network what fvcore counts on it, and what the literature says of the known ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_architectures import small_architectures

from pure_nas.cost.fvcore_count import count, count_architecture
from pure_nas.cost.layers import CountedOnce, cost_of, layer_costs, total_cost
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

PARTS = ("params", "macs", "norm", "elementwise", "pooling", "flops")


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


@settings(max_examples=30, deadline=None)
@given(small_architectures())
def test_every_layer_is_named_and_shaped_as_in_the_network(architecture: Architecture) -> None:
    network = build(architecture).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    network(torch.zeros(1, architecture.in_chans, architecture.image_size, architecture.image_size))
    for layer in layer_costs(architecture):
        block, _, last = layer.name.rpartition(".")
        if last in ("add", "scale"):
            assert (layer.out_shape, layer.params) == (shapes[block], 0)
            assert layer.operation == ("add" if last == "add" else f"times {architecture.residual_scale:g}")
        else:
            assert layer.out_shape == shapes[layer.name], layer.name
            assert layer.params == sum(each.numel() for each in network.get_submodule(layer.name).parameters())


@settings(max_examples=20, deadline=None)
@given(st.lists(small_architectures(), min_size=2, max_size=6))
def test_counting_what_networks_share_once_changes_nothing(architectures: list[Architecture]) -> None:
    counted = CountedOnce()
    found = [counted(each) for each in (*architectures, *reversed(architectures))]
    alone = [total_cost((layer, 1) for layer in layer_costs(each)) for each in architectures]
    assert found == [*alone, *reversed(alone)]


def test_pure20_has_the_known_parts() -> None:
    cost = cost_of(Architecture.named("pure20"))
    assert (cost.params, cost.macs, cost.norm) == (272_483, 40_813_184, 401_408)
    block_outputs = 3 * (16 * 32**2 + 32 * 16**2 + 64 * 8**2)
    # An addition, maximum, logarithm, cap and exponential on every block's elements; the mean reads the last map.
    assert cost.elementwise == 5 * block_outputs
    assert cost.pooling == 64 * 8**2
    assert cost.flops == cost.macs + cost.norm + cost.elementwise + cost.pooling


KNOWN = {
    20: (40.8, 272_483, 269_731),
    32: (69.1, 466_921, 464_169),
    44: (97.4, 661_359, 658_607),
    56: (125.7, 855_797, 853_045),
    110: (253.1, 1_730_768, 1_728_016),
    272: (635.4, 4_355_681, 4_352_929),
    18: (1810, 11_689_520, 11_181_650),
    34: (3660, 21_797_688, 21_289_818),
    50: (4090, 25_557_048, 23_528_538),
    101: (7800, 44_549_193, 42_520_683),
    152: (11510, 60_192_858, 58_164_348),
}
"""Million MACs of each depth, and parameters with either shortcut (CIFAR) or with 1000 and 10 classes (ImageNet)."""


@pytest.mark.parametrize(("depth", "known"), KNOWN.items())
def test_known_networks_have_the_known_macs_and_sizes(depth: int, known: tuple[float, int, int]) -> None:
    cifar, (mmacs, *sizes) = known[0] < 1000, known
    fields = [{}, {"shortcut": "padding"} if cifar else {"num_classes": 10}]
    for changed, size in zip(fields, sizes, strict=True):
        pure, resnet = (Architecture.named(f"{name}{depth}", **changed) for name in ("pure", "resnet"))
        assert cost_of(pure).params == size == cost_of(resnet).params + sum(pure.blocks_per_stage)  # a threshold each
        assert cost_of(pure).macs == cost_of(resnet).macs
    assert cost_of(Architecture.named(f"pure{depth}")).macs / 1e6 == pytest.approx(mmacs, abs=0.05 if cifar else 5)


def test_spaces_and_the_closed_form_need_no_pytorch() -> None:
    code = """
import sys
from pure_nas.cost.layers import CountedOnce, cost_of, layer_costs, total_cost
from pure_nas.space.catalogue import SPACES, load_space
for name in SPACES.places:
    for architecture in load_space(name).smallest_architectures():
        assert cost_of(architecture).params == sum(layer.params for layer in layer_costs(architecture))
assert not {"torch", "fvcore", "optuna"} & set(sys.modules), "PyTorch was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
