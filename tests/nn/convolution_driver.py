"""Compares every convolution of the shipped spaces and families, as PyTorch computes it on this CPU, with float64.

A program, because the instruction set of a process is chosen when PyTorch is loaded, and because a convolution that
writes past its memory may end the process. PyTorch's own loops compute in float64; its CPU library does not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from pure_nas.nn.network import Network
from pure_nas.space.architecture import Architecture
from pure_nas.space.catalogue import SPACES, load_space

TOLERANCE = 1e-5
"""Relative error of a tensor in float32: sums of 100,000 terms come close to it, wrong ones are off by 0.1 and more."""
IMAGES = {"digits": [(1, 8)], "folder": [(3, 64), (1, 28), (3, 57)], "galaxy10": [(3, 128)], "imagenet": [(3, 224)]}
"""Channels and sizes of the images that a space is for; CIFAR's where it is not listed."""
WIDTHS = (1, 2, 3, 7, 9, 12, 15, 16)

Convolution = tuple[tuple[int, ...], tuple[int, ...], int, int]
"""Shape of the input (of one image), shape of the weight, stride and padding."""


class Recorder(TorchDispatchMode):
    """Keeps the distinct convolutions that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[Convolution] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution.default:
            x, weight, _, stride, padding, *_ = args
            self.found.add((tuple(x.shape[1:]), tuple(weight.shape), stride[0], padding[0]))
        return function(*args, **(kwargs or {}))


def architectures() -> Iterator[Architecture]:
    """Networks that hold every convolution of the shipped spaces and of narrow and usual members of both families."""
    for name in SPACES.places:
        for in_chans, image_size in IMAGES.get(name, [(3, 32)]):
            space = load_space(name).with_images(in_chans=in_chans, num_classes=10, image_size=image_size)
            for architecture in (*space.smallest_architectures(), *space.largest_architectures()):
                for width in space.architecture.base_width.values:
                    yield architecture.model_copy(update={"base_width": width})
    for width in WIDTHS:
        yield Architecture.uniform("product", (2, 2, 2), base_width=width)
        for bottleneck in (False, True):
            narrow = {"family": "imagenet", "bottleneck": bottleneck, "base_width": width, "image_size": 64}
            yield Architecture.uniform("product", (2, 2, 2, 2), **narrow)
    for name in ("pure20", "pure18", "pure50"):
        yield Architecture.named(name)


def convolutions() -> list[Convolution]:
    """The distinct convolutions of those networks, in order."""
    distinct = {_plain(architecture) for architecture in architectures()}
    recorder = Recorder()
    with torch.device("meta"), torch.no_grad():
        for architecture in distinct:
            image = torch.empty(1, architecture.in_chans, architecture.image_size, architecture.image_size)
            with recorder:
                Network(architecture).eval()(image)
    return sorted(recorder.found)


def _plain(architecture: Architecture) -> Architecture:
    """The network with all the convolutions of `architecture`: units differ in what is around theirs."""
    units = tuple(("conv",) * len(stage[:2]) for stage in architecture.units)
    return Architecture.uniform(
        "conv",
        [len(stage) for stage in units],
        **{
            name: getattr(architecture, name)
            for name in ("family", "base_width", "bottleneck", "in_chans", "image_size")
        },
    )


def gradients(x: Tensor, weight: Tensor, up: Tensor, stride: int, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and the gradients of input and weight."""
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    out = F.conv2d(x, weight, None, stride, padding)
    out.backward(up)
    assert x.grad is not None
    assert weight.grad is not None
    return out.detach(), x.grad, weight.grad


def check(convolution: Convolution) -> list[str]:
    """What is wrong with a convolution, in either layout, with one thread and with two."""
    in_shape, weight_shape, stride, padding = convolution
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *in_shape, generator=generator)
    weight = torch.randn(weight_shape, generator=generator)
    up = torch.randn(F.conv2d(x, weight, None, stride, padding).shape, generator=generator)
    exact = gradients(x.double(), weight.double(), up.double(), stride, padding)
    faults = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for layout in (torch.contiguous_format, torch.channels_last):
            laid = [tensor.contiguous(memory_format=layout) for tensor in (x, weight, up)]
            found = gradients(laid[0], laid[1], laid[2], stride, padding)
            for what, one, other in zip(("output", "input gradient", "weight gradient"), found, exact, strict=True):
                error = float((one.double() - other).norm() / other.norm())
                if not error <= TOLERANCE:
                    faults.append(f"{convolution}, {layout}, {threads} threads: {what} is off by {error:.2g}")
    return faults


def main(step: int) -> None:
    """Check every `step`th; what is wrong is printed."""
    found = convolutions()[::step]
    faults = [fault for convolution in found for fault in check(convolution)]
    print(*faults, f"{len(found)} convolutions, {len(faults)} faults", sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
