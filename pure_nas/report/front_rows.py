"""The networks of the front, each beside the baselines that cost no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pure_nas.report.settings_text import plain_settings, recipe_text
from pure_nas.run.results import Results, TrialRecord
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Versus:
    """A front network beside the most accurate baseline of one unit that costs no more.

    Attributes:
        baseline: that baseline.
        difference: the network's error minus the baseline's; negative where the network errs less.
        images: the same in validation images; None where their number is unknown.
    """

    unit: str
    baseline: TrialRecord
    difference: float
    images: int | None


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """One group of the front.

    Attributes:
        trial: the one that represents it.
        objectives: its objectives by name.
        tags: of "best", "knee" and "smallest" those that it is.
        twins: numbers of the other trials of its group: as good and as costly within the tolerances.
        repeats: those of `twins` that train exactly the same.
        settings: those that were searched or are not the default, by field (see `plain_settings`).
        versus: one entry for each baseline unit that has a baseline within its cost, itself left out.
        retrained: how it did on the test split when it was retrained; None where it was not.
    """

    trial: TrialRecord
    objectives: dict[str, float]
    tags: tuple[str, ...]
    twins: tuple[int, ...]
    repeats: tuple[int, ...]
    settings: dict[str, Any]
    recipe_text: str
    versus: tuple[Versus, ...]
    retrained: Row | None = None

    @property
    def number(self) -> int:
        """The number of its trial."""
        return self.trial.number

    @property
    def architecture(self) -> Architecture:
        """The architecture of its trial."""
        return self.trial.candidate.architecture

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """Unit names, one tuple a stage."""
        return self.architecture.units


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
    rows = []
    for trial, *others in results.groups:
        numbers = {trial.number, *(other.number for other in others)}
        settings = plain_settings(trial.candidate, searched)
        rows.append(
            FrontRow(
                trial=trial,
                objectives=dict(zip(results.objective_names, trial.objectives, strict=True)),
                tags=tuple(name for name, number in chosen.items() if number in numbers),
                twins=tuple(other.number for other in others),
                repeats=tuple(other.number for other in others if other.candidate.digest == trial.candidate.digest),
                settings=settings,
                recipe_text=recipe_text(trial.candidate, settings),
                versus=_comparisons(results, trial, validation_images),
                retrained=retraining.row_of(trial.candidate) if retraining else None,
            )
        )
    return tuple(rows)


def _comparisons(results: Results, trial: TrialRecord, validation_images: int | None) -> tuple[Versus, ...]:
    found = []
    for unit, baseline in sorted(results.baselines_within(trial).items()):
        if baseline.number != trial.number:
            difference = trial.objectives[0] - baseline.objectives[0]
            images = None if validation_images is None else round(difference * validation_images)
            found.append(Versus(unit=unit, baseline=baseline, difference=difference, images=images))
    return tuple(found)
