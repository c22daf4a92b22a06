"""A trained network as an evaluation uses it: features and class probabilities of batches, and their intensities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pure_nas.data.image_set import Normalisation
from pure_nas.devices import autocast
from pure_nas.nn import Network
from pure_nas.nn.folding import folded
from pure_nas.nn.plain.blocks import Classifier


class Scorer:
    """Computes what `network` computes in evaluation mode, by a copy on `device` whose norms are folded."""

    def __init__(self, network: Network, device: torch.device) -> None:
        *trunk, classifier = folded(network).to(device).children()
        if not isinstance(classifier, Classifier):
            raise TypeError(f"a network ends with its Classifier, not with a {type(classifier).__name__}")
        self._classifier = classifier
        self._trunk = nn.Sequential(*trunk)
        self._device = device

    def features_and_logits(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """What the classifier reads, (B, F), and the logits, (B, C), both float32, of normalised images."""
        with autocast(self._device):
            features: Tensor = self._classifier.pool(self._trunk(batch)).flatten(1)
            logits: Tensor = self._classifier.linear(features)
        return features.float(), logits.float()

    def log_probabilities(self, batch: Tensor) -> Tensor:
        """(B, C), float64, of normalised images; NaN where a logit is not finite."""
        return log_softmax(self.features_and_logits(batch)[1])


def log_softmax(logits: Tensor) -> Tensor:
    """(B, C), float64; NaN throughout a row in which a logit is not finite."""
    rows = logits.double().log_softmax(1)
    return rows.masked_fill(~logits.isfinite().all(1, keepdim=True), torch.nan)


class Intensities:
    """Brings batches on `device` from what networks read to 0..1, which noise and light change, and back."""

    def __init__(self, normalisation: Normalisation, device: torch.device) -> None:
        self._mean = torch.tensor(normalisation.mean, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(normalisation.std, device=device).view(1, -1, 1, 1)

    def of(self, batch: Tensor) -> Tensor:
        """Images (B, C, H, W) scaled to 0..1, of normalised ones."""
        return (batch * self._std).add_(self._mean).clamp_(0, 1)

    def normalised(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) normalised as for the network."""
        return (images - self._mean).div_(self._std)
