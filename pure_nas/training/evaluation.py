"""Scoring a network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from pure_nas.data import ImageSet
from pure_nas.devices import autocast
from pure_nas.training.seeds import generator

NORM_IMAGES = 1024
NORM_BATCH = 256
"""Training images from which BatchNorm statistics are re-estimated, and how many at a time."""


@dataclass(frozen=True)
class Score:
    """How well a network classifies a set of images.

    Attributes:
        loss: mean cross-entropy; NaN or infinite where the network is sick.
        error: share of images that are classified wrongly.
    """

    loss: float
    error: float

    @property
    def accuracy(self) -> float:
        """Share of images that are classified rightly."""
        return 1 - self.error


def reestimate_norms(network: nn.Module, images: ImageSet, device: torch.device, seed: int) -> None:
    """Replace the running statistics of every BatchNorm by the mean over a few batches of training images.

    The moving averages of product-unit networks lag behind their heavy-tailed activations for epochs, so that a
    score would measure the averages and not the network.
    """
    batches = images.batches(NORM_BATCH, device=device, generator=generator(seed, "norms"))
    with torch.no_grad(), autocast(device):
        update_bn(islice(batches, NORM_IMAGES // NORM_BATCH), network)


@torch.inference_mode()
def evaluate(network: nn.Module, images: ImageSet, device: torch.device, *, batch_size: int = 512) -> Score:
    """Score `network` on every image of a set, in evaluation mode; the mode is restored afterwards."""
    was_training = network.training
    network.eval()
    loss = torch.zeros((), dtype=torch.float64, device=device)
    wrong = torch.zeros((), dtype=torch.int64, device=device)
    for batch, labels in images.batches(batch_size, device=device):
        with autocast(device):
            logits = network(batch)
        logits = logits.float()
        loss += F.cross_entropy(logits, labels, reduction="sum")
        wrong += (logits.argmax(1) != labels).sum()
    network.train(was_training)
    return Score(loss=loss.item() / len(images), error=wrong.item() / len(images))
