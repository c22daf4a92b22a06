"""How fast a network learns: the epochs and the seconds after which it first reaches an accuracy."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

CurveKind = Literal["validation", "training"]
"""Which images a curve was scored on. Training accuracy is that of the steps of an epoch, augmented images included."""

USUAL_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Default accuracies in reports of convergence."""


@dataclass(frozen=True)
class Reached:
    """The first epoch that reached an accuracy, and the training time up to its end, evaluation included."""

    epoch: int
    seconds: float


def accuracies(curve: Iterable[Mapping[str, Any]], kind: CurveKind) -> list[float | None]:
    """Accuracy after each epoch, 0 to 1, or None."""
    if kind == "training":
        return [record.get("train_accuracy") for record in curve]
    errors = (record.get("validation_error") for record in curve)
    return [None if error is None else 1 - error for error in errors]


def reached(curve: Sequence[Mapping[str, Any]], target: float, kind: CurveKind) -> Reached | None:
    """When the accuracy `target`, 0 to 1, was first reached; None if it never was.

    Args:
        curve: one record per epoch, from the first; a record without its duration counts for no time.
    """
    seconds = 0.0
    for record, accuracy in zip(curve, accuracies(curve, kind), strict=True):
        seconds += float(record.get("seconds", 0.0))
        # One minus an error may be a rounding error below the accuracy that it means.
        if accuracy is not None and accuracy >= target - 1e-9:
            return Reached(int(record["epoch"]), seconds)
    return None


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """When trainings of one network reached an accuracy.

    Attributes:
        target: the accuracy, 0 to 1.
        epochs: of each training that reached it.
        seconds: of each training that reached it.
        missed: number of trainings that did not.
    """

    target: float
    epochs: tuple[int, ...]
    seconds: tuple[float, ...]
    missed: int

    @property
    def mean_epochs(self) -> float | None:
        """None if no training reached it."""
        return statistics.fmean(self.epochs) if self.epochs else None

    @property
    def mean_seconds(self) -> float | None:
        """None if no training reached it."""
        return statistics.fmean(self.seconds) if self.seconds else None


@dataclass(frozen=True, kw_only=True)
class TimesFewer:
    """How many times fewer epochs, or seconds, one network took than another; below 1 it took more.

    Attributes:
        mean: the ratio of the means over seeds.
        low: of the other's fastest seed to the slowest of its own.
        high: of the other's slowest seed to the fastest of its own.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How soon a network reached an accuracy compared with another, if every seed of both did.

    Attributes:
        seconds: None if the durations of epochs are not known.
        own_epochs: of each of its seeds.
        reference_epochs: of each seed of the other.
    """

    target: float
    epochs: TimesFewer
    seconds: TimesFewer | None
    own_epochs: tuple[int, ...]
    reference_epochs: tuple[int, ...]

    @property
    def against(self) -> str:
        """The epochs of both, from the fastest seed to the slowest: "2 against 3 to 4"."""
        return f"{_range(self.own_epochs)} against {_range(self.reference_epochs)}"


def speed_of(own: Convergence, reference: Convergence) -> Speed | None:
    """Compare when two networks reached an accuracy; None if a seed of either did not."""
    if not own.epochs or not reference.epochs or own.missed or reference.missed:
        return None
    return Speed(
        target=own.target,
        epochs=_times_fewer(own.epochs, reference.epochs),
        seconds=_times_fewer(own.seconds, reference.seconds) if min(*own.seconds, *reference.seconds) > 0 else None,
        own_epochs=own.epochs,
        reference_epochs=reference.epochs,
    )


def _range(epochs: Sequence[int]) -> str:
    low, high = min(epochs), max(epochs)
    return f"{low}" if low == high else f"{low} to {high}"


def _times_fewer(own: Sequence[float], reference: Sequence[float]) -> TimesFewer:
    return TimesFewer(
        mean=statistics.fmean(reference) / statistics.fmean(own),
        low=min(reference) / max(own),
        high=max(reference) / min(own),
    )


def convergence_of(curves: Sequence[Sequence[Mapping[str, Any]]], target: float, kind: CurveKind) -> Convergence:
    """When completed trainings with these records reached the accuracy `target`."""
    found = [reached(curve, target, kind) for curve in curves]
    hits = [each for each in found if each is not None]
    return Convergence(
        target=target,
        epochs=tuple(each.epoch for each in hits),
        seconds=tuple(each.seconds for each in hits),
        missed=len(found) - len(hits),
    )
