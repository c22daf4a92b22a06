"""Images in memory brought to another size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pure_nas.data import preprocessing

_CHUNK = 4096


def scaled(images: NDArray[np.uint8], size: int | None) -> Tensor:
    """(N, C, H, W) uint8 images at `size` pixels, antialiased; None leaves them as they are."""
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    if size is None or size == pixels.shape[-1]:
        return pixels
    return torch.cat([preprocessing.scaled(chunk, size) for chunk in torch.split(pixels, _CHUNK)])
