"""The networks of the front, each beside the baselines that cost no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.report.palette import placement_text
from pure_nas.report.plain_settings import plain_settings
from pure_nas.report.summaries import recipe_text
from pure_nas.run.results import Results, TrialRecord
from pure_nas.run.retrained import Retraining, Row

NOISE_ERROR = (
    "Noise error: the error under noise on the same images, averaged over Poisson noise of 100 and 20 photons of a "
    "white pixel, Gaussian noise of 0.05 and 0.15, salt-and-pepper on 2 % and 10 % of the pixels, and speckle of 0.1 "
    "and 0.3, on images of 0 to 1."
)
"""`pure_nas.evaluation.NOISE_MIXTURE` in words: importing that takes PyTorch."""
_HINT = (
    "Comparisons with baselines are of single training runs on the validation split, which the search has also "
    "chosen by. They are a hint."
)
_TO_RETRAIN = " Whether a network is better than its baseline needs several seeds and the test split: pure-nas retrain."


@dataclass(frozen=True, kw_only=True)
class Versus:
    """A front network beside the most accurate baseline of one unit that costs no more.

    Attributes:
        difference: the network's error minus the baseline's; negative where the network errs less.
        images: the same in validation images; None where their number is unknown.
    """

    unit: str
    number: int
    label: str
    error: float
    difference: float
    images: int | None

    @property
    def text(self) -> str:
        """The difference in percentage points, with its sign."""
        points = f"{100 * self.difference:+.2f}".replace("-", "−")
        return f"{'±0.00' if abs(self.difference) < 5e-5 else points} points"


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """One group of the front.

    Attributes:
        tags: of "best", "knee" and "smallest" those that it is.
        twins: numbers of the other trials of its group: as good and as costly within the tolerances.
        repeats: those of `twins` that train exactly the same.
        objectives: by name.
        kind: see `Architecture.kind`.
        units: unit names, one tuple a stage.
        settings: those that were searched or are not the default, by field (see `plain_settings`).
        architecture: as in architecture.json.
        recipe: as in recipe.json.
        versus: one entry for each baseline unit that has a baseline within its cost, itself left out.
        retrained: how it did on the test split when it was retrained; None where it was not.
    """

    number: int
    tags: tuple[str, ...]
    twins: tuple[int, ...]
    repeats: tuple[int, ...]
    baseline: str
    objectives: dict[str, float]
    metrics: dict[str, float]
    cost: dict[str, float]
    seconds: float
    kind: str
    depth: int
    base_width: int
    bottleneck: bool
    units: tuple[tuple[str, ...], ...]
    placement: str
    recipe_text: str
    settings: dict[str, Any]
    architecture: dict[str, Any]
    recipe: dict[str, Any]
    versus: tuple[Versus, ...]
    retrained: Row | None = None


def caution(front: Sequence[FrontRow]) -> str:
    """What comparisons with baselines are worth, and what to do about it where that is not done."""
    return _HINT + ("" if all(row.retrained for row in front) and front else _TO_RETRAIN)


def front_rows(
    results: Results,
    validation_images: int | None,
    searched: frozenset[str] = frozenset(),
    retraining: Retraining | None = None,
) -> tuple[FrontRow, ...]:
    """One row for each group of the front, lowest error first.

    Args:
        searched: fields of which the space holds more than one value.
    """
    if not results.groups:
        return ()
    chosen = {"best": results.best.number, "knee": results.knee.number, "smallest": results.smallest.number}
    return tuple(_row(results, group, chosen, validation_images, searched, retraining) for group in results.groups)


def _row(
    results: Results,
    group: tuple[TrialRecord, ...],
    chosen: dict[str, int],
    validation_images: int | None,
    searched: frozenset[str],
    retraining: Retraining | None,
) -> FrontRow:
    trial = group[0]
    settings = plain_settings(trial.candidate, searched)
    architecture = trial.candidate.architecture
    members = {member.number for member in group}
    return FrontRow(
        number=trial.number,
        tags=tuple(name for name, number in chosen.items() if number in members),
        twins=tuple(member.number for member in group[1:]),
        repeats=tuple(member.number for member in group[1:] if member.candidate.digest == trial.candidate.digest),
        baseline=trial.baseline,
        objectives=dict(zip(results.objective_names, trial.objectives, strict=True)),
        metrics=trial.metrics,
        cost=trial.cost,
        seconds=trial.seconds,
        kind=architecture.kind,
        depth=architecture.depth,
        base_width=architecture.base_width,
        bottleneck=architecture.bottleneck,
        units=architecture.units,
        placement=placement_text(architecture.units),
        recipe_text=recipe_text(trial.candidate, settings),
        settings=settings,
        architecture=architecture.model_dump(mode="json", by_alias=True),
        recipe=trial.candidate.recipe.model_dump(mode="json", by_alias=True),
        versus=_comparisons(results, trial, validation_images),
        retrained=retraining.row_of(trial.candidate) if retraining else None,
    )


def _comparisons(results: Results, trial: TrialRecord, validation_images: int | None) -> tuple[Versus, ...]:
    return tuple(
        Versus(
            unit=unit,
            number=other.number,
            label=other.baseline,
            error=other.objectives[0],
            difference=trial.objectives[0] - other.objectives[0],
            images=_images(trial.objectives[0] - other.objectives[0], validation_images),
        )
        for unit, other in sorted(results.baselines_within(trial).items())
        if other.number != trial.number
    )


def _images(difference: float, validation_images: int | None) -> int | None:
    return None if validation_images is None else round(difference * validation_images)
