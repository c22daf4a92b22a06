"""Image sets of tensors in memory."""

from __future__ import annotations

from torch import Tensor

from pure_nas.data import ImageSet
from pure_nas.data.image_set import HeldPixels, Normalisation


def resident(
    pixels: Tensor, labels: Tensor, normalisation: Normalisation, *, image_size: int | None = None
) -> ImageSet:
    """All of (N, C, S, S) uint8 `pixels` with (N,) int64 `labels`."""
    return ImageSet(HeldPixels(pixels), labels, normalisation, image_size=image_size)
