"""Training as a competent plain PyTorch script does it: torchvision transforms, DataLoader, SGD, autocast.

Nothing here imports pure-nas.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.plain_networks import PlainNetwork
from benchmarks.setting import Setting

_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_LARGE = 64
"""Pixels from which on images are cropped and scaled as ImageNet's are."""


class ImagesInMemory(Dataset[tuple[Tensor, int]]):
    """Like torchvision's CIFAR10: an array of pixels, one PIL image and its transforms at a time."""

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        size = pixels.shape[1]
        crop = transforms.RandomResizedCrop(size) if size >= _LARGE else transforms.RandomCrop(size, padding=4)
        self.pixels = pixels
        self.labels = labels.tolist()
        self.transform = transforms.Compose(
            [crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def sensible_workers() -> int:
    """One for every CPU that this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def make_loader(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], batch_size: int, device: torch.device, workers: int
) -> DataLoader[tuple[Tensor, int]]:
    """Shuffled, augmented batches of (N, H, W, 3) pixels."""
    return DataLoader(
        ImagesInMemory(pixels, labels),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        drop_last=True,
    )


def plain_network(depth: int, product: bool, classes: int) -> PlainNetwork:
    """ResNet or PURe of depth 18 (ImageNet's) or 6n + 2 (CIFAR's)."""
    unit = "product" if product else "conv"
    if depth == 18:
        return PlainNetwork([[unit] * 2] * 4, 64, classes=classes, imagenet_stem=True)
    return PlainNetwork([[unit] * ((depth - 2) // 6)] * 3, 16, classes=classes)


class PlainStep:
    """Forward, loss, backward and update.

    Args:
        network: is moved to the device and layout of `setting`.
    """

    def __init__(self, network: nn.Module, setting: Setting) -> None:
        self.network = network.to(setting.device).to(memory_format=setting.memory_format).train()
        self.setting = setting
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Learn from one batch that lies on the device; returns the loss."""
        with self.setting.autocast():
            loss = F.cross_entropy(self.network(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def epoch(self, loader: DataLoader[tuple[Tensor, int]]) -> float:
        """Learn from every batch of `loader`; returns the mean loss."""
        device = self.setting.device
        total = torch.zeros((), device=device)
        for images, labels in loader:
            moved = images.to(device, memory_format=self.setting.memory_format, non_blocking=True)
            total += self(moved, labels.to(device, non_blocking=True))
        return total.item() / len(loader)
