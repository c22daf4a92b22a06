"""The error and loss of a network, the BatchNorm statistics that it is evaluated with, and random streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from pure_nas.data.image_set import ImageSet
from pure_nas.devices import autocast, summing_type
from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network

NORM_IMAGES, NORM_BATCH = 1024, 256  # from which BatchNorm statistics are re-estimated, and how many at a time
Purpose = Literal["weights", "order", "norms", "layers"]  # of random numbers, which this order decides


def generator(seed: int, purpose: Purpose, step: int = 0) -> torch.Generator:
    """The CPU generator for one purpose and step of a run, the same whatever was drawn before it."""
    sequence = np.random.SeedSequence([seed, get_args(Purpose).index(purpose), step])
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0]) & 0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Score:
    """How well a network classifies a set of images: mean cross-entropy, and share of images that it gets wrong."""

    loss: float
    error: float
    hits: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)  # (N,): whether it got each right

    @property
    def accuracy(self) -> float:
        return 1 - self.error


def reestimate_norms(
    network: nn.Module, images: ImageSet, device: torch.device, seed: int, count: int = NORM_IMAGES
) -> None:
    """Replace the running statistics of every BatchNorm by the mean over batches of at most `count` training images."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
    was_training = network.training
    network.train()
    batches = images.batches(NORM_BATCH, device=device, generator=generator(seed, "norms"))
    with torch.no_grad(), autocast(device):
        for number, (batch, _) in enumerate(islice(batches, count // NORM_BATCH), start=1):
            for norm in norms:
                # A momentum of None would be the same mean, but makes the host wait for the device in every norm.
                norm.momentum = 1 / number
            network(batch)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def scoring_batch(image_size: int, device: torch.device) -> int:
    """Images at a time: what stays in the caches of a CPU, what fills a GPU."""
    pixels, least, most = (2**21, 64, 2048) if device.type != "cpu" else (2**17, 16, 512)
    return min(max(pixels // image_size**2, least), most)


@torch.inference_mode()
def evaluate(network: Network, images: ImageSet, device: torch.device, *, batch_size: int | None = None) -> Score:
    """Evaluate `network` on every image of a set, as it is in evaluation mode, by a copy whose norms are folded."""
    batch_size = batch_size or scoring_batch(images.image_size, device)
    inference = folded(network)
    loss = torch.zeros((), dtype=summing_type(device), device=device)
    right: list[torch.Tensor] = []
    for batch, labels in images.batches(batch_size, device=device):
        with autocast(device):
            logits = inference(batch)
        logits = logits.float()
        loss += F.cross_entropy(logits, labels, reduction="sum")
        right.append(logits.argmax(1) == labels)
    hits = torch.cat(right).cpu().numpy()
    return Score(loss=loss.item() / len(images), error=int((~hits).sum()) / len(images), hits=hits)
