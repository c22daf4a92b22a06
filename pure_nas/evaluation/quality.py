"""How well a network classifies: accuracy, top-5, each class, confusions and calibration.

A `Tally` counts what the network says of images, batch by batch, in memory that does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CONFIDENCE_LEVEL = 0.95
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


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """One class.

    Attributes:
        count: images of it.
        precision: of the images taken for it, the share that is of it; None where there are none.
        recall: of its images, the share taken for it; None where there are none.
        f1: the harmonic mean of both, counted as 2 hits / (images of it + images taken for it); None where both are
            none.
    """

    name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Images whose confidence lies above `low` and up to `high`: their number, mean confidence and accuracy."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well a network classifies a set of images.

    Attributes:
        images: N.
        hits: images classified correctly.
        top5: share of images whose label is among the five likeliest; None where there are five classes or fewer.
        loss: mean negative log-likelihood; None where it is not finite.
        calibration_error: mean distance of confidence and accuracy over 15 bins of equal width, weighted by the images
            in them (Guo et al. 2017, arXiv 1706.04599); None where a prediction is not finite.
        unpredicted: images for which the network gave no finite prediction; they count as wrong.
        confusion: row = label, column = prediction.
        accuracies: of each seed, where this is of several (see `pooled`); empty where it is of one network.
    """

    images: int
    hits: int
    top5: float | None
    loss: float | None
    calibration_error: float | None
    bins: tuple[Bin, ...]
    unpredicted: int
    classes: tuple[ClassQuality, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracies: tuple[float, ...] = ()

    @property
    def accuracy(self) -> float:
        """Share of images that are classified correctly."""
        return self.hits / self.images

    @property
    def error(self) -> float:
        """Share of images that are classified wrongly."""
        return (self.images - self.hits) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy; of several seeds the lowest and the highest."""
        return interval_of(self.hits, self.images, self.accuracies)

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 over the classes that have images; None where none has."""
        values = [each.f1 for each in self.classes if each.count and each.f1 is not None]
        return sum(values) / len(values) if values else None

    def largest_confusions(self, most: int) -> list[tuple[str, str, int]]:
        """Label, prediction and number of the images most often taken for another class, the most frequent first."""
        names = [each.name for each in self.classes]
        found = [
            (names[label], names[predicted], count)
            for label, row in enumerate(self.confusion)
            for predicted, count in enumerate(row)
            if count and label != predicted
        ]
        return sorted(found, key=lambda each: -each[2])[:most]

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "error": self.error,
            "top5": self.top5,
            "loss": self.loss,
            "calibration_error": self.calibration_error,
            "calibration": [vars(each) for each in self.bins],
            "unpredicted": self.unpredicted,
            "macro_f1": self.macro_f1,
            "classes": [vars(each) for each in self.classes],
            "confusion": [list(row) for row in self.confusion],
            **({"accuracies": list(self.accuracies)} if self.accuracies else {}),
        }


def wilson(hits: int, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of which `hits` of `images` were seen."""
    # scipy.stats takes half a second to import, which a worker that only counts would pay too.
    from scipy import stats

    found = stats.binomtest(hits, images).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(found.low), float(found.high)


def interval_of(hits: int, images: int, accuracies: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest of the seeds' `accuracies`; where there are none, Wilson's interval of the share."""
    return (min(accuracies), max(accuracies)) if accuracies else wilson(hits, images)


def quality_of(tally: Tally, names: Sequence[str]) -> Quality:
    """What a tally of at least one image says; `names` has one for each class."""
    confusion = tally.confusion.tolist()
    images = sum(map(sum, confusion))
    unpredicted = sum(row[-1] for row in confusion)
    loss = tally.loss.item() / images
    bins = _bins(tally)
    distance = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / images
    return Quality(
        images=images,
        hits=sum(row[label] for label, row in enumerate(confusion)),
        top5=int(tally.in_top.item()) / images if tally.num_classes > TOP else None,
        loss=loss if math.isfinite(loss) else None,
        calibration_error=None if unpredicted else distance,
        bins=bins,
        unpredicted=unpredicted,
        classes=tuple(_class_quality(confusion, label, name) for label, name in enumerate(names)),
        confusion=tuple(tuple(row[:-1]) for row in confusion),
    )


def _bins(tally: Tally) -> tuple[Bin, ...]:
    """The bins that hold images."""
    counts, confidences, hits = tally.bins.tolist()
    return tuple(
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=round(count),
            confidence=confidences[place] / count,
            accuracy=hits[place] / count,
        )
        for place, count in enumerate(counts)
        if count
    )


def _class_quality(confusion: list[list[int]], label: int, name: str) -> ClassQuality:
    hits, of_it, taken = confusion[label][label], sum(confusion[label]), sum(row[label] for row in confusion)
    return ClassQuality(
        name=name,
        count=of_it,
        precision=hits / taken if taken else None,
        recall=hits / of_it if of_it else None,
        f1=2 * hits / (of_it + taken) if of_it + taken else None,
    )
