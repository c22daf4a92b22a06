"""What the evaluations of a network's seeds say together."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pure_nas.errors import RunError
from pure_nas.plans.grid.trainings import TRAINING_DAMAGED_HINT

Document = Mapping[str, Any]
MeasureName = Literal["accuracy", "views", "noise", "intensity"]


@dataclass(frozen=True)
class Measure:
    """A number that networks are compared by.

    Attributes:
        name: what it is the accuracy of: the images as they are, averaged over test-time views, averaged over the
            levels of a kind of noise, or averaged over the changed intensities.
        kind: the kind of noise, or the name of the views; empty otherwise.
    """

    name: MeasureName
    kind: str = ""


ACCURACY = Measure("accuracy")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A number over seeds: its mean, the lowest and the highest."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Viewed:
    """What averaging over test-time views gives.

    Attributes:
        name: of the views.
        top5: None where there are five classes or fewer.
    """

    name: str
    accuracy: Spread
    top5: Spread | None


@dataclass(frozen=True, kw_only=True)
class Level:
    """The accuracy at a level of noise; a level of 0 is none."""

    level: float
    accuracy: Spread


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What multiplying intensities by a factor does; see `pure_nas.evaluation.IntensityChange`."""

    factor: float
    accuracy: Spread
    agreement: Spread
    cosine: Spread | None


@dataclass(frozen=True, kw_only=True)
class SeedValues:
    """A measure's value for each seed, 0 to 1."""

    measure: Measure
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Everything beside the error; accuracies are 0 to 1.

    Attributes:
        images: how many it is judged on, which may be fewer than the error is of.
        top5: None where there are five classes or fewer.
        calibration_error: None where a prediction was not finite.
        views: None where there is none but the image as it is.
        noise: for each kind, the levels from none to strong.
        noise_accuracy: for each kind, the mean over its levels of noise.
        intensity: by rising factor; 1 is among them.
        intensity_accuracy: the mean over the factors other than 1; None where there are none.
        by_seed: of each measure, a value for each seed.
    """

    images: int
    top5: Spread | None
    calibration_error: Spread | None
    views: Viewed | None
    noise: Mapping[str, tuple[Level, ...]]
    noise_accuracy: Mapping[str, Spread]
    intensity: tuple[Factor, ...]
    intensity_accuracy: Spread | None
    by_seed: tuple[SeedValues, ...]

    def values(self, measure: Measure) -> tuple[float, ...]:
        """A measure's value for each seed; empty where it was not taken."""
        return next((each.values for each in self.by_seed if each.measure == measure), ())


def judged_of(documents: Sequence[Document]) -> Judged | None:
    """What the evaluations of a network say, one document a seed; None where there are none.

    Raises:
        RunError: a document is damaged.
    """
    if not documents:
        return None
    try:
        return _judged(documents)
    except (KeyError, TypeError, IndexError, statistics.StatisticsError) as error:
        raise RunError(
            f"An evaluation.json of the run is damaged: it has no valid {error}.", hint=TRAINING_DAMAGED_HINT
        ) from error


def _judged(documents: Sequence[Document]) -> Judged:
    first = documents[0]
    return Judged(
        images=int(first["images"]),
        top5=_spread([document["top5"] for document in documents]),
        calibration_error=_spread([document["calibration_error"] for document in documents]),
        views=_viewed(documents),
        noise={
            kind: tuple(
                Level(
                    level=point["level"],
                    accuracy=_all([each["noise"][kind][place]["accuracy"] for each in documents]),
                )
                for place, point in enumerate(points)
            )
            for kind, points in first["noise"].items()
        },
        noise_accuracy={kind: _all([_under(each["noise"][kind]) for each in documents]) for kind in first["noise"]},
        intensity=_intensity(documents),
        intensity_accuracy=_all([_changed(document) for document in documents]) if first["intensity"] else None,
        by_seed=tuple(_by_seed(documents)),
    )


def _viewed(documents: Sequence[Document]) -> Viewed | None:
    views = [document["views"] for document in documents if document["views"]]
    if not views:
        return None
    return Viewed(
        name=views[0]["name"],
        accuracy=_all([each["accuracy"] for each in views]),
        top5=_spread([each["top5"] for each in views]),
    )


def _by_seed(documents: Sequence[Document]) -> Iterator[SeedValues]:
    """Everything that seeds are compared by beside the plain accuracy."""
    views = [document["views"] for document in documents if document["views"]]
    if views:
        measure = Measure("views", views[0]["name"])
        yield SeedValues(measure=measure, values=tuple(each["accuracy"] for each in views))
    for kind in documents[0]["noise"]:
        values = tuple(_under(each["noise"][kind]) for each in documents)
        yield SeedValues(measure=Measure("noise", kind), values=values)
    if documents[0]["intensity"]:
        yield SeedValues(measure=Measure("intensity"), values=tuple(_changed(each) for each in documents))


def _changed(document: Document) -> float:
    """Mean accuracy over the changed intensities."""
    return statistics.fmean(change["accuracy"] for change in document["intensity"])


def _under(points: Sequence[Document]) -> float:
    """Mean accuracy over the levels that are noise."""
    return statistics.fmean(point["accuracy"] for point in points if point["level"])


def _intensity(documents: Sequence[Document]) -> tuple[Factor, ...]:
    changes = documents[0]["intensity"]
    if not changes:
        return ()
    found = [
        Factor(
            factor=change["factor"],
            accuracy=_all([each["intensity"][place]["accuracy"] for each in documents]),
            agreement=_all([each["intensity"][place]["agreement"] for each in documents]),
            cosine=_spread([each["intensity"][place]["cosine"] for each in documents]),
        )
        for place, change in enumerate(changes)
    ]
    same = Spread(mean=1.0, low=1.0, high=1.0)
    unchanged = Factor(factor=1.0, accuracy=_all([each["accuracy"] for each in documents]), agreement=same, cosine=same)
    return tuple(sorted([*found, unchanged], key=lambda each: each.factor))


def _all(values: Sequence[float]) -> Spread:
    return Spread(mean=statistics.fmean(values), low=min(values), high=max(values))


def _spread(values: Sequence[float | None]) -> Spread | None:
    """Over those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return _all(known) if known else None
