"""How fast a network learns: the epochs and the seconds after which it first reaches an accuracy."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pure_nas.analysis.statistics import Spread

CurveKind = Literal["validation", "training"]
"""Which images a curve was evaluated on. Training accuracy is that of the steps of an epoch, on augmented images."""

USUAL_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # default accuracies in reports of convergence


def accuracies(curve: Iterable[Mapping[str, Any]], kind: CurveKind) -> list[float | None]:
    """Accuracy after each epoch, 0 to 1, or None."""
    if kind == "training":
        return [record.get("train_accuracy") for record in curve]
    errors = (record.get("validation_error") for record in curve)
    return [None if error is None else 1 - error for error in errors]


def reached(curve: Sequence[Mapping[str, Any]], target: float, kind: CurveKind) -> tuple[int, float] | None:
    """The first epoch that reached the accuracy `target`, and the seconds up to its end; None if there is none."""
    seconds = 0.0
    for record, accuracy in zip(curve, accuracies(curve, kind), strict=True):
        seconds += float(record.get("seconds", 0.0))
        # One minus an error may be a rounding error below the accuracy that it means.
        if accuracy is not None and accuracy >= target - 1e-9:
            return int(record["epoch"]), seconds
    return None


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """When trainings of one network reached the accuracy `target`; `missed` is the number of those that did not."""

    target: float
    epochs: tuple[int, ...]
    seconds: tuple[float, ...]
    missed: int

    @property
    def mean_epochs(self) -> float | None:
        return statistics.fmean(self.epochs) if self.epochs else None

    @property
    def mean_seconds(self) -> float | None:
        return statistics.fmean(self.seconds) if self.seconds else None


def convergence_of(curves: Sequence[Sequence[Mapping[str, Any]]], target: float, kind: CurveKind) -> Convergence:
    """When completed trainings with these records reached the accuracy `target`."""
    hits = [found for curve in curves if (found := reached(curve, target, kind)) is not None]
    return Convergence(
        target=target,
        epochs=tuple(epoch for epoch, _ in hits),
        seconds=tuple(seconds for _, seconds in hits),
        missed=len(curves) - len(hits),
    )


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How many times fewer epochs and seconds than another a network took to an accuracy that every seed reached.

    The mean is the ratio of the means over seeds, the rest that of any two seeds; below 1 it took more.
    """

    target: float
    epochs: Spread
    seconds: Spread | None  # None if the durations of epochs are not known
    own_epochs: tuple[int, ...]  # of each of its seeds
    reference_epochs: tuple[int, ...]

    @property
    def against(self) -> str:
        """The epochs of both, from the fastest seed to the slowest: "2 against 3 to 4"."""
        return f"{span_text(self.own_epochs)} against {span_text(self.reference_epochs)}"


def speed_of(own: Convergence, reference: Convergence) -> Speed | None:
    """Compare when two networks reached an accuracy; None if a seed of either did not."""
    if not own.epochs or not reference.epochs or own.missed or reference.missed:
        return None
    timed = min(*own.seconds, *reference.seconds) > 0
    return Speed(
        target=own.target,
        epochs=_ratios(own.epochs, reference.epochs),
        seconds=_ratios(own.seconds, reference.seconds) if timed else None,
        own_epochs=own.epochs,
        reference_epochs=reference.epochs,
    )


def _ratios(own: Sequence[float], reference: Sequence[float]) -> Spread:
    mean = statistics.fmean(reference) / statistics.fmean(own)
    return Spread(mean=mean, low=min(reference) / max(own), high=max(reference) / min(own))


def span_text(values: Sequence[float], text: Callable[[float], str] = str) -> str:
    """From the lowest to the highest; one where they read the same."""
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"
