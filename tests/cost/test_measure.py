"""Latency and activation memory are measured without changing the network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from pure_nas.cost.fvcore_count import count_architecture
from pure_nas.cost.measure import activation_bytes, latency_ms, saved_bytes
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture

SHAPE = (2, 9, 9)
FLOAT = 4


MIXED = Architecture(units=(("product", "conv"), ("product",)), base_width=3, in_chans=2, image_size=9)
MEASURES: list[Callable[[Network], object]] = [
    lambda network: count_architecture(MIXED, network),
    lambda network: activation_bytes(network, SHAPE),
    lambda network: latency_ms(network, SHAPE, torch.device("cpu"), warmup=1, repeats=3),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("measure", MEASURES, ids=["count", "memory", "latency"])
def test_measuring_leaves_statistics_modes_gradients_and_random_state_alone(
    measure: Callable[[Network], object], training: bool
) -> None:
    network = build(MIXED).train(training)
    network.stages[0][1].eval()
    network(torch.randn(4, 2, 9, 9)).sum().backward()
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    gradients = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
    random_state = torch.get_rng_state()
    grad_enabled = torch.is_grad_enabled()

    measure(network)

    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    kept = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(torch.equal(after, before) for after, before in zip(kept, gradients, strict=True))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.is_grad_enabled() == grad_enabled
    assert not any(module._forward_hooks for module in network.modules())


def test_activation_memory_is_of_an_image_without_parameters_and_counts_shared_storages_once() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(SHAPE))

        def forward(self, x: Tensor) -> Tensor:
            grown = torch.exp(x * self.scale) * self.scale  # exp saves its result
            return (grown[:, :1] * grown[:, 1:]).sum()  # halves are saved as views

    elements = 2 * 9 * 9
    # x and exp's result for the gradients of scale, and what was grown; not scale.
    assert activation_bytes(Views(), SHAPE) == 3 * elements * FLOAT


def test_saved_bytes_are_those_of_a_call() -> None:
    conv = nn.Conv2d(4, 4, 3, bias=False)
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    assert saved_bytes(lambda: conv(x), conv.parameters()) == x.nbytes
    assert saved_bytes(lambda: conv(x) + conv(x), conv.parameters()) == x.nbytes
    assert saved_bytes(lambda: conv(x).exp(), conv.parameters()) == x.nbytes + 2 * 4 * 6 * 6 * FLOAT


def test_latency_is_the_median_of_the_timed_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, durations=iter([100, 100, 0.001, 0.005, 0.002]))

    class Timed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert torch.is_inference_mode_enabled()
            assert not self.training
            clock.now += next(clock.durations)
            return x

        def __deepcopy__(self, memo: object) -> Timed:
            return self

    monkeypatch.setattr("pure_nas.cost.measure.time", SimpleNamespace(perf_counter=lambda: clock.now))
    assert latency_ms(Timed(), SHAPE, torch.device("cpu"), warmup=2, repeats=3) == pytest.approx(2.0)
