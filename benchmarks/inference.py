"""Networks at inference: with and without their norms folded away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.document import Row
from benchmarks.measure import Call, interleaved
from benchmarks.plain_training import plain_network
from benchmarks.setting import Setting
from pure_nas.nn.folding import folded
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture


def inference_rows(setting: Setting, depth: int, batch: int, rounds: int) -> list[Row]:
    """Time of a batch of 32-pixel images through ResNet and PURe of a depth."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, 32, 32, generator=generator).to(setting.device)
    images = images.contiguous(memory_format=setting.memory_format)
    calls = {name: _call(make(), images, setting) for name, make in _networks(depth).items()}
    timings = interleaved(calls, setting.device, rounds=rounds)
    return [{"network": name, **timings.summary(name, "ResNet")} for name in calls]


def _networks(depth: int) -> dict[str, Callable[[], nn.Module]]:
    return {
        "ResNet": lambda: build(Architecture.named(f"resnet{depth}")),
        "ResNet, folded": lambda: folded(build(Architecture.named(f"resnet{depth}"))),
        "plain PURe": lambda: plain_network(depth, True, 10),
        "PURe": lambda: build(Architecture.named(f"pure{depth}")),
        "PURe, folded": lambda: folded(build(Architecture.named(f"pure{depth}"))),
    }


def _call(network: nn.Module, images: Tensor, setting: Setting) -> Call:
    placed = network.to(setting.device).to(memory_format=setting.memory_format).eval()
    return partial(_classify, placed, images, setting)


@torch.inference_mode()
def _classify(network: nn.Module, images: Tensor, setting: Setting) -> Tensor:
    with setting.autocast():
        logits: Tensor = network(images)
    return logits
