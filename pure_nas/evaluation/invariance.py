"""How accuracy and features change when the intensity of images is multiplied by a factor.

A product of powers turns a common factor of its inputs into a common factor of its outputs, which a norm could remove.
The probe measures what is left of this invariance in a whole network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pure_nas.errors import UsageError
from pure_nas.evaluation.quality import Accuracy

USUAL_FACTORS = (0.25, 0.5, 0.7, 1.4, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class IntensityChange(Accuracy):
    """The effect of multiplying images, scaled to 0..1, by a factor; nothing is clipped."""

    factor: float
    agreement: float  # share of images whose predicted class stays the same
    cosine: float | None  # mean of the features (the input of the classifier) before and after
    norm_ratio: float | None  # mean length of the features after, relative to before
    relative_change: float | None  # mean of |after - before| / |before|
    unmeasured: int  # images whose features are zero or not finite, which the three means leave out

    def document(self) -> dict[str, Any]:
        found = {"factor": self.factor, **vars(self), "accuracy": self.accuracy, "interval": list(self.interval)}
        accuracies = found.pop("accuracies")
        return found | ({"accuracies": list(accuracies)} if accuracies else {})


class IntensityProbe:
    """Compares features and predictions before and after the change, batch by batch."""

    def __init__(self, factor: float, device: torch.device) -> None:
        if not (0 < factor < math.inf):
            raise UsageError(
                f"Intensity cannot be multiplied by {factor:g}.", hint="Use positive numbers such as 0.5,2."
            )
        self.factor = factor
        self._images = 0
        self._counts = torch.zeros(2, dtype=torch.int64, device=device)
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)

    def add(self, before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], labels: Tensor) -> None:
        """Count a batch: features (B, F) and log-probabilities (B, C) of the images before and after the change."""
        self._images += len(labels)
        was, predicted = _predicted(before[1]), _predicted(after[1])
        self._counts += torch.stack([(predicted == labels).sum(), ((predicted == was) & (was >= 0)).sum()])
        old, new = before[0].double(), after[0].double()
        length, new_length = old.norm(dim=1), new.norm(dim=1)
        both = length * new_length
        measured = both.isfinite() & (both > 0)
        cosine = (old * new).sum(1) / both
        values = torch.stack([cosine, new_length / length, (new - old).norm(dim=1) / length])
        self._sums[:3] += values.where(measured, 0.0).sum(1)
        self._sums[3] += measured.sum()

    def result(self) -> IntensityChange:
        hits, agreeing = self._counts.tolist()
        *sums, measured = self._sums.tolist()
        cosine, ratio, change = (each / measured if measured else None for each in sums)
        return IntensityChange(
            images=self._images,
            hits=hits,
            factor=self.factor,
            agreement=agreeing / self._images,
            cosine=cosine,
            norm_ratio=ratio,
            relative_change=change,
            unmeasured=self._images - round(measured),
        )


def _predicted(log_probabilities: Tensor) -> Tensor:
    """The likeliest class, (B,), int64; -1 where there is none."""
    return log_probabilities.argmax(1).masked_fill(log_probabilities.isnan().any(1), -1)
