"""How well a network classifies: accuracy, top-5, each class, confusions, calibration; and at changed intensities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pure_nas.analysis.statistics import wilson_interval
from pure_nas.errors import UsageError

BINS = 15  # of confidence, of equal width
TOP = 5
USUAL_FACTORS = (0.25, 0.5, 0.7, 1.4, 2.0, 4.0)  # of the intensity


def log_probabilities(logits: Tensor) -> Tensor:
    """(B, C), float64; NaN throughout a row in which a logit is not finite."""
    rows = logits.double().log_softmax(1)
    return rows.masked_fill(~logits.isfinite().all(1, keepdim=True), torch.nan)


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How many images were classified correctly."""

    images: int  # how many were evaluated
    hits: int  # how many were classified correctly
    accuracies: tuple[float, ...] = ()  # of each seed, if this is of several

    @property
    def accuracy(self) -> float:
        """Share of images that were classified correctly."""
        return self.hits / self.images

    @property
    def error(self) -> float:
        """1 - accuracy."""
        return (self.images - self.hits) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy; for several seeds the lowest and the highest accuracy."""
        if self.accuracies:
            return min(self.accuracies), max(self.accuracies)
        return wilson_interval(self.hits, self.images)


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """How well one class of `count` images is recognised; a ratio is None if its denominator is zero."""

    name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None

    @classmethod
    def of(cls, name: str, hits: int, count: int, predicted: int) -> ClassQuality:
        """From the numbers of images: of the class that were predicted as it, of the class, predicted as the class."""
        precision, recall, f1 = (
            part / whole if whole else None
            for part, whole in ((hits, predicted), (hits, count), (2 * hits, count + predicted))
        )
        return cls(name=name, count=count, precision=precision, recall=recall, f1=f1)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Images with a confidence above `low` and up to `high`: their number, mean confidence and accuracy."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Quality(Accuracy):
    """How well a network classifies a set of images."""

    top5: float | None  # share of images whose label is among the five likeliest; None for five classes or fewer
    loss: float | None  # mean negative log-likelihood; None if it is not finite
    # Mean distance of confidence and accuracy over 15 bins of equal width, weighted by the images in them
    # (Guo et al. 2017, arXiv 1706.04599); None if a prediction is not finite.
    calibration_error: float | None
    bins: tuple[Bin, ...]  # of confidence, those that hold images
    unpredicted: int  # images without a finite prediction, which count as wrong
    classes: tuple[ClassQuality, ...]  # for each class `name`, `count`, `precision`, `recall` and `f1`
    confusion: tuple[tuple[int, ...], ...]  # row = label, column = prediction

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 over the classes that have images; None where none has."""
        values = [each.f1 for each in self.classes if each.count and each.f1 is not None]
        return sum(values) / len(values) if values else None

    def largest_confusions(self, most: int) -> list[tuple[str, str, int]]:
        """The most frequent confusions as (label, prediction, number of images)."""
        names = [each.name for each in self.classes]
        found = [
            (names[label], names[predicted], count)
            for label, row in enumerate(self.confusion)
            for predicted, count in enumerate(row)
            if count and label != predicted
        ]
        return sorted(found, key=lambda each: -each[2])[:most]

    def document(self) -> dict[str, Any]:
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


class Tally:
    """Sums over images, kept on the device so that nothing waits for it and memory does not grow."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.num_classes = num_classes
        # [label, prediction]; the last column is of predictions that are not finite, which are in no bin.
        self.confusion = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)
        self.in_top = torch.zeros((), dtype=torch.int64, device=device)
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.bins = torch.zeros(3, BINS, dtype=torch.float64, device=device)  # images, their confidences, hits

    def add(self, log_probabilities: Tensor, labels: Tensor) -> Tensor:
        """Count a batch of `log_probabilities` (B, C), float64, and `labels` (B,), int64; returns its hits, (B,)."""
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
        right = predicted == labels
        self.bins.index_add_(1, places, torch.stack([finite.double(), confidence * finite, right.double()]))
        return right

    def quality(self, names: Sequence[str]) -> Quality:
        """What at least one image shows; `names` are those of the classes."""
        confusion = self.confusion.tolist()
        images = sum(map(sum, confusion))
        unpredicted = sum(row[-1] for row in confusion)
        loss = self.loss.item() / images
        bins = tuple(
            Bin(low=i / BINS, high=(i + 1) / BINS, count=round(n), confidence=confidence / n, accuracy=hits / n)
            for i, (n, confidence, hits) in enumerate(self.bins.T.tolist())
            if n
        )
        distance = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / images
        return Quality(
            images=images,
            hits=sum(row[label] for label, row in enumerate(confusion)),
            top5=int(self.in_top.item()) / images if self.num_classes > TOP else None,
            loss=loss if math.isfinite(loss) else None,
            calibration_error=None if unpredicted else distance,
            bins=bins,
            unpredicted=unpredicted,
            classes=tuple(
                ClassQuality.of(name, row[label], sum(row), sum(other[label] for other in confusion))
                for label, (name, row) in enumerate(zip(names, confusion, strict=True))
            ),
            confusion=tuple(tuple(row[:-1]) for row in confusion),
        )


@dataclass(frozen=True, kw_only=True)
class IntensityChange(Accuracy):
    """The effect of multiplying images, scaled to 0..1, by a factor; nothing is clipped."""

    factor: float
    agreement: float  # share of images whose predicted class stays the same
    cosine: float | None  # mean cosine of the features (the classifier's input) before and after
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
