"""Counting what a network says of images, batch by batch, in memory that does not grow with their number."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15
"""Bins of confidence, of equal width."""
TOP = 5


class Tally:
    """Sums over images, kept on the device so that nothing waits for it.

    A prediction that is not finite is a wrong one, whatever the label: it stands in the last column of the
    confusions and in no bin.

    Args:
        num_classes: C.
        device: where the predictions are.

    Attributes:
        confusion: (C, C + 1), int64, images by label and prediction; the last column has those without one.
        in_top: images whose label is among the five likeliest, int64.
        loss: sum of the negative log-likelihoods, float64; NaN or infinite as soon as one of them is.
        bins: (3, 15), float64: images by confidence, the sum of their confidences, and how many are right.
    """

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.num_classes = num_classes
        self.confusion = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)
        self.in_top = torch.zeros((), dtype=torch.int64, device=device)
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.bins = torch.zeros(3, BINS, dtype=torch.float64, device=device)

    def add(self, log_probabilities: Tensor, labels: Tensor) -> None:
        """Count a batch.

        Args:
            log_probabilities: (B, C), float64.
            labels: (B,), int64.
        """
        # The log-probability of a class may well be minus infinity; NaN is what no softmax of finite numbers gives.
        finite = ~log_probabilities.isnan().any(1)
        confidence, predicted = log_probabilities.max(1)
        confidence = confidence.exp().nan_to_num(0.0)
        predicted = predicted.where(finite, self.num_classes)
        cells = labels * (self.num_classes + 1) + predicted
        # Not bincount, for which the host waits on a GPU.
        self.confusion.view(-1).index_add_(0, cells, torch.ones_like(cells))
        self.loss -= log_probabilities.gather(1, labels.unsqueeze(1)).sum()
        top = log_probabilities.topk(min(TOP, self.num_classes)).indices
        self.in_top += ((top == labels.unsqueeze(1)).any(1) & finite).sum()
        # Bin i holds the confidences above i / 15 and up to (i + 1) / 15.
        places = (confidence * BINS).ceil().long().sub_(1).clamp_(0, BINS - 1)
        weights = finite.double()
        right = (predicted == labels).double()
        self.bins.index_add_(1, places, torch.stack([weights, confidence * weights, right]))
