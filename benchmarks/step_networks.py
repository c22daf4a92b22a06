"""The networks that the step benchmark times: ours, the plain script's, timm's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from benchmarks.plain_training import plain_network
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

CLASSES = 10
OURS = {"ResNet": "resnet", "PURe": "pure"}
"""What a unit's networks are called here, and in `Architecture.named`."""


@dataclass(frozen=True)
class Work:
    """A depth with the batch and the images that it is timed on.

    Attributes:
        size: height and width of an image, pixels.
        steps: batches of a timed epoch.
    """

    depth: int
    batch: int
    size: int
    steps: int

    @property
    def label(self) -> str:
        """Depth, image size and batch."""
        return f"{self.depth}, {self.size} px, batch {self.batch}"


def work_of(depth: int, device: torch.device, quick: bool) -> Work:
    """Depth 18 is ImageNet's at 224 pixels, the others are CIFAR's at 32."""
    cuda = device.type == "cuda"
    if quick:
        return Work(depth, 4, 64 if depth == 18 else 32, 2)
    if depth == 18:
        return Work(depth, 128 if cuda else 8, 224, 20 if cuda else 2)
    return Work(depth, 512 if cuda else 128, 32, 50 if cuda else 4)


def timm_resnet(depth: int) -> nn.Module | None:
    """timm's ResNet of that depth; None where timm is not installed.

    Of depth 6n + 2 it is built from timm's blocks with CIFAR's stem: parameters and shapes are those of ours.
    """
    try:
        from timm.models import resnet
    except ImportError:
        return None
    if depth == 18:
        network: nn.Module = resnet.resnet18(num_classes=CLASSES)
        return network
    make: Callable[..., nn.Module] = resnet.ResNet
    # Only a deep stem lets timm begin with 16 channels; it is replaced.
    network = make(
        resnet.BasicBlock,
        ((depth - 2) // 6,) * 3,
        num_classes=CLASSES,
        channels=(16, 32, 64),
        stem_type="deep",
        stem_width=8,
    )
    network.add_module("conv1", nn.Conv2d(3, 16, 3, padding=1, bias=False))
    network.add_module("maxpool", nn.Identity())
    network.add_module("layer4", nn.Identity())
    return network


def networks(work: Work) -> dict[str, Callable[[], nn.Module]]:
    """The networks that are timed under one loop; the first is what the others are compared with."""
    found: dict[str, Callable[[], nn.Module]] = {
        name: partial(build, architecture(work, unit)) for name, unit in OURS.items()
    }
    found["plain PURe"] = partial(plain_network, work.depth, True, CLASSES)
    other = timm_resnet(work.depth)
    if other is not None:
        found["timm ResNet"] = lambda: other
    return found


def architecture(work: Work, unit: str) -> Architecture:
    """Our network of that depth for these images."""
    return Architecture.named(f"{unit}{work.depth}", num_classes=CLASSES, image_size=work.size)
