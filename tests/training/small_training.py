"""A small task and networks that learn it in a moment."""

from __future__ import annotations

from typing import Any

import torch
from held_images import resident

from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.training.scoring import generator
from pure_nas.training.training import Training

CPU = torch.device("cpu")
MIXED = Architecture(units=(("product", "conv"), ("product",)), base_width=3, in_chans=1, num_classes=2, image_size=8)


def stripes(count: int, seed: int) -> ImageSet:
    """Images with horizontal (0) or vertical (1) stripes under noise."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 90, (count, 1, 8, 8), generator=drawn)
    pixels[labels == 0, :, ::2] += 120
    pixels[labels == 1, :, :, ::2] += 120
    return resident(pixels.to(torch.uint8), labels, Normalisation((0.4,), (0.25,)))


def recipe(**fields: Any) -> Recipe:
    return Recipe.usual(PRODUCT, **{"epochs": 4, "batch_size": 16, "crop_padding": 1, **fields})


def training(
    chosen: Recipe | None = None, *, seed: int = 0, architecture: Architecture = MIXED, **options: Any
) -> Training:
    network = build(architecture, generator=generator(seed, "weights"))
    usual = {"train": stripes(48, 0), "validation": stripes(16, 1), "flip": True, "device": CPU}
    return Training(network, chosen or recipe(), seed=seed, **{**usual, **options})


def weights(run: Training) -> dict[str, torch.Tensor]:
    """A copy of the network's weights and statistics."""
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether all weights are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
