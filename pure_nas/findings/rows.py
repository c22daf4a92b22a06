"""What was found of one network with one recipe: a row of an experiment's tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, TypeVar

from pure_nas.analysis.convergence import Convergence, accuracies, convergence_of
from pure_nas.analysis.statistics import Spread, mean_interval
from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.findings.experiment_results import ExperimentResults
from pure_nas.plans.experiment.grid import TRAINING_DAMAGED_HINT, Cell

Document = Mapping[str, Any]  # the content of an evaluation.json, or a part of it
MeasureName = Literal["accuracy", "views", "noise", "intensity"]


@dataclass(frozen=True)
class Measure:
    """An accuracy: plain, or averaged over test-time views, the levels of a kind of noise, or changed intensities."""

    name: MeasureName
    kind: str = ""  # the kind of noise, or the name of the views


ACCURACY = Measure("accuracy")


@dataclass(frozen=True, kw_only=True)
class Viewed:
    """What averaging over test-time views gives; top5 is None for five classes or fewer."""

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
    """What multiplying intensities by a factor does; see `pure_nas.evaluation.quality.IntensityChange`."""

    factor: float
    accuracy: Spread
    agreement: Spread
    cosine: Spread | None


Part = TypeVar("Part", Viewed, Level, Factor)


@dataclass(frozen=True, kw_only=True)
class EvaluationOverSeeds:
    """What the evaluations of a network's seeds say together; accuracies are 0 to 1."""

    images: int  # how many were evaluated, which may be fewer than the error is of
    top5: Spread | None  # None for five classes or fewer
    calibration_error: Spread | None  # None where a prediction was not finite
    views: Viewed | None
    noise: Mapping[str, tuple[Level, ...]]  # for each kind, the levels from none to strong
    noise_accuracy: Mapping[str, Spread]  # the mean over those that are noise
    intensity: tuple[Factor, ...]  # by rising factor, 1 among them
    intensity_accuracy: Spread | None  # the mean over those that are not 1
    by_seed: Mapping[Measure, tuple[float, ...]]  # of every measure but the plain accuracy


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found of one cell."""

    label: str
    repeats: str | None  # the label of an earlier cell that is the same network trained by the same recipe
    table: str
    recipe: str
    series: str  # what the cells are called together that differ from it in one number only
    axis: str  # that number's field, "depth" for the base; empty where there is none
    place: float | None  # its value
    kind: str  # its unit, or "hybrid"
    depth: int
    params: int
    flops: int
    accuracies: tuple[float, ...]  # one for each seed that came through, 0 to 1
    interval: tuple[float, float] | None  # Student's 95 % interval of their mean, within 0 to 1
    diverged: int  # seeds whose loss became NaN or infinite
    reasons: tuple[str, ...]  # why, once each
    missing: int  # seeds that have not ended
    seconds: float | None  # mean training time of a seed
    convergence: tuple[Convergence, ...]
    curve: Mapping[int, Spread]  # the accuracy after each epoch, 0 to 1
    evaluation: EvaluationOverSeeds | None

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.accuracies) if self.accuracies else None

    @property
    def seeds(self) -> int:
        """Seeds that have ended, those that diverged included."""
        return len(self.accuracies) + self.diverged

    @property
    def spread_interval(self) -> tuple[float, float] | None:
        """The interval; None where it is one point, because the seeds do not differ and so say nothing of a spread."""
        return self.interval if self.interval and self.interval[0] < self.interval[1] else None

    @property
    def std(self) -> float | None:
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None

    def values(self, measure: Measure) -> tuple[float, ...]:
        if measure == ACCURACY:
            return self.accuracies
        return self.evaluation.by_seed.get(measure, ()) if self.evaluation else ()


def row_of(cell: Cell, results: ExperimentResults) -> Row:
    """What was found of a cell."""
    measured = results.measurements[cell.label]
    first, architecture = results.grid.distinct[cell.candidate.digest], cell.candidate.architecture
    cost = cost_of(architecture)
    found = tuple(each.accuracy for each in measured if each.state == "complete")
    interval = mean_interval(found)
    ended = [each for each in measured if each.state != "missing"]
    varied = cell.network if cell.network.axis else cell.recipe
    # Those that diverged end early.
    epochs = zip_longest(*(accuracies(each.curve, results.curve_kind) for each in measured))
    return Row(
        label=cell.label,
        repeats=None if first.label == cell.label else first.label,
        table=cell.network.table,
        recipe=cell.recipe.label,
        series=_series(cell, results),
        axis=varied.axis,
        place=varied.place,
        kind=architecture.kind,
        depth=architecture.depth,
        params=cost.params,
        flops=cost.flops,
        accuracies=found,
        interval=interval and (max(interval[0], 0.0), min(interval[1], 1.0)),
        diverged=sum(each.state == "diverged" for each in measured),
        reasons=tuple(dict.fromkeys(each.reason for each in measured if each.state == "diverged")),
        missing=len(measured) - len(ended),
        seconds=statistics.fmean(each.seconds for each in ended) if ended else None,
        convergence=tuple(
            convergence_of([each.curve for each in ended], target, results.curve_kind) for target in results.targets
        ),
        curve={epoch: spread for epoch, values in enumerate(epochs, start=1) if (spread := _spread(values))},
        evaluation=evaluation_over_seeds([each.evaluation for each in measured if each.evaluation]),
    )


def _series(cell: Cell, results: ExperimentResults) -> str:
    """The table that varies a number, and what else tells the cell apart."""
    network, recipe = cell.network, cell.recipe
    recipes = [other.recipe for other in results.grid.cells]
    if network.axis:
        return f"{network.table}, {recipe.label}" if len({each.label for each in recipes}) > 1 else network.table
    return f"{network.label}, {recipe.table}" if len({each.table for each in recipes}) > 1 else network.label


def evaluation_over_seeds(documents: Sequence[Document]) -> EvaluationOverSeeds | None:
    """What the evaluations of a network say, one document a seed; None where there are none."""
    if not documents:
        return None
    try:
        return _over_seeds(documents)
    except (KeyError, IndexError, ValueError) as error:
        raise RunError(
            f"An evaluation.json of the run is damaged: it has no valid {error}.", hint=TRAINING_DAMAGED_HINT
        ) from error


def _over_seeds(documents: Sequence[Document]) -> EvaluationOverSeeds:
    first, views = documents[0], [each["views"] for each in documents if each["views"]]
    by_seed: dict[Measure, tuple[float, ...]] = {}
    for document in documents:
        for measure, points in _measured(document).items():
            by_seed[measure] = (*by_seed.get(measure, ()), statistics.fmean(each["accuracy"] for each in points))
    spreads = {measure: Spread.of(values) for measure, values in by_seed.items()}
    return EvaluationOverSeeds(
        images=first["images"],
        top5=_spread(each["top5"] for each in documents),
        calibration_error=_spread(each["calibration_error"] for each in documents),
        views=_joined(Viewed, views) if views else None,
        noise={
            kind: tuple(_joined(Level, same) for same in zip(*(each["noise"][kind] for each in documents), strict=True))
            for kind in first["noise"]
        },
        noise_accuracy={measure.kind: spread for measure, spread in spreads.items() if measure.name == "noise"},
        intensity=tuple(_joined(Factor, same) for same in zip(*map(_intensity, documents), strict=True)),
        intensity_accuracy=spreads.get(Measure("intensity")),
        by_seed=by_seed,
    )


def _measured(document: Document) -> dict[Measure, Sequence[Document]]:
    """What the accuracy is averaged over, for each measure but the plain accuracy."""
    views, intensity = document["views"], document["intensity"]
    noise = {
        Measure("noise", kind): [each for each in found if each["level"]] for kind, found in document["noise"].items()
    }
    averaged = {Measure("views", views["name"] if views else ""): [views], **noise, Measure("intensity"): intensity}
    return {measure: points for measure, points in averaged.items() if any(points)}


def _intensity(document: Document) -> list[Document]:
    """By rising factor, with the images as they are among them."""
    unchanged = {"factor": 1.0, "accuracy": document["accuracy"], "agreement": 1.0, "cosine": 1.0}
    changes = document["intensity"]
    return sorted([*changes, unchanged], key=lambda each: each["factor"]) if changes else []


def _joined(kind: type[Part], seeds: Sequence[Document]) -> Part:
    values: dict[str, Any] = {
        key: seeds[0][key] if key in ("name", "level", "factor") else _spread(each[key] for each in seeds)
        for key in kind.__dataclass_fields__
    }
    return kind(**values)


def _spread(values: Iterable[float | None]) -> Spread | None:
    """Over those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return Spread.of(known) if known else None
