"""How well a network classifies: accuracy, top-5, each class, confusions and calibration, from a tally."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.evaluation.tally import BINS, TOP, Tally

CONFIDENCE_LEVEL = 0.95


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
