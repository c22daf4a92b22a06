"""Latency and activation memory, measured on a device."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from pure_nas.devices import autocast


def latency_ms(
    network: nn.Module, image_shape: tuple[int, int, int], device: torch.device, *, warmup: int = 5, repeats: int = 30
) -> float:
    """Median time of one image (C, H, W) through `network` in evaluation mode, milliseconds."""
    copied = copy.deepcopy(network).to(device).eval()
    image = torch.zeros(1, *image_shape, device=device)
    times: list[float] = []
    with torch.inference_mode(), autocast(device):
        for run in range(warmup + repeats):
            _synchronise(device)
            start = time.perf_counter()
            copied(image)
            _synchronise(device)
            if run >= warmup:
                times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def activation_bytes(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Bytes that autograd keeps for the backward pass of one image (C, H, W) in float32, parameters left out."""
    copied = copy.deepcopy(network).cpu().train()
    batch = torch.zeros(2, *image_shape)
    return saved_bytes(lambda: copied(batch), (*copied.parameters(), *copied.buffers())) // len(batch)


def saved_bytes(forward: Callable[[], object], own: Iterable[Tensor]) -> int:
    """Bytes that autograd keeps for the backward pass of `forward`, each storage once; those of `own` do not count."""
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    kept: dict[int, int] = {}
    # An address is a storage's own only as long as the storage lives.
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def _synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
