"""Between normalised batches, which networks read, and intensities of 0..1, which noise and light change."""

from __future__ import annotations

import torch
from torch import Tensor

from pure_nas.data.image_set import Normalisation


class Intensities:
    """Undoes and redoes the normalisation of batches on `device`."""

    def __init__(self, normalisation: Normalisation, device: torch.device) -> None:
        self._mean = torch.tensor(normalisation.mean, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(normalisation.std, device=device).view(1, -1, 1, 1)

    def of(self, batch: Tensor) -> Tensor:
        """Images (B, C, H, W) scaled to 0..1, of normalised ones."""
        return (batch * self._std).add_(self._mean).clamp_(0, 1)

    def normalised(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) normalised as for the network."""
        return (images - self._mean).div_(self._std)
