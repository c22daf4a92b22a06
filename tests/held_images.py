"""Image sets of tensors in memory, and how they are varied."""

from __future__ import annotations

from torch import Tensor

from pure_nas.data.image_set import HeldPixels, ImageSet, Normalisation
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV


def resident(
    pixels: Tensor, labels: Tensor, normalisation: Normalisation, *, image_size: int | None = None
) -> ImageSet:
    """All of (N, C, S, S) uint8 `pixels` with (N,) int64 `labels`."""
    return ImageSet(HeldPixels(pixels), labels, normalisation, image_size=image_size)


def varied(crop_padding: int = 4, flip: bool = True, **fields: object) -> Recipe:
    """A recipe with this augmentation."""
    return Recipe.usual(CONV, crop_padding=crop_padding, flip=flip, **fields)
