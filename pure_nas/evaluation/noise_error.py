"""`noise_error`: one number for how a network fares under noise, as an objective of a search."""

from __future__ import annotations

import torch

from pure_nas.data import ImageSet
from pure_nas.evaluation.evaluation import evaluate_network
from pure_nas.evaluation.noise import Noise
from pure_nas.nn import Network

NOISE_MIXTURE = (
    Noise("poisson", 100.0),
    Noise("poisson", 20.0),
    Noise("gaussian", 0.05),
    Noise("gaussian", 0.15),
    Noise("salt-and-pepper", 0.02),
    Noise("salt-and-pepper", 0.1),
    Noise("speckle", 0.1),
    Noise("speckle", 0.3),
)
"""Each kind at a mild and at a strong level, all with the same weight. Fixed, so that searches can be compared."""


def noise_error(network: Network, images: ImageSet, device: torch.device, seed: int) -> float:
    """Error of `network`, averaged over `images` and over `NOISE_MIXTURE`.

    A prediction that is not finite counts as wrong.

    Args:
        seed: decides the noise, which is the same for every network.

    Raises:
        DataError: there are no images, or one can no longer be read.
    """
    found = evaluate_network(network, images, device, noises=NOISE_MIXTURE, seed=seed)
    errors = [point.quality.error for curve in found.noise for point in curve.points if not point.noise.clean]
    return sum(errors) / len(errors)
