"""What follows from the measurements: rows, comparisons in one family of tests, and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pure_nas.analysis.convergence import CurveKind, Speed, speed_of
from pure_nas.analysis.statistics import SIGNIFICANCE, Difference, Tested, Untested, compared, holm, verdict_of
from pure_nas.files import without_nan
from pure_nas.findings.results import ExperimentResults
from pure_nas.findings.rows import ACCURACY, Measure, MeasureName, Row, row_of
from pure_nas.plans.grid.grid import Grid

SCHEMA = 2
Verdict = Tested | Untested | Literal["not trained yet"]
FEW_SEEDS = 3
"""With fewer on a side, a test can hardly show anything."""
_ROUNDING = 1e-12
"""Means of equal values may differ by so much."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A cell next to the one that it is compared with, by one measure.

    Attributes:
        difference: mean of the seeds that came through less that of the reference; None where one of them has none.
        low: lower end of Welch's 95 % interval of it, as far as differences of accuracies reach; None where no test
            was made.
        high: its upper end.
        p: of Welch's test; None where it is not made: too few seeds, seeds that diverged (whoever is left was chosen
            by coming through), or values that do not differ from seed to seed.
        p_adjusted: corrected for the number of tests of the experiment, by Holm.
        verdict: "better" or "worse" where the corrected p is below 0.05.
        seeds: values that the mean is of.
        diverged: seeds of the cell that diverged.
        repeats: where the same two trainings were compared before under other labels, those labels; that is one test.
        speeds: for each accuracy that both reached with every seed, how soon; of the comparison by accuracy.
    """

    label: str
    reference: str
    measure: Measure = ACCURACY
    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    verdict: Verdict = "too few seeds"
    seeds: int
    diverged: int
    reference_seeds: int
    reference_diverged: int
    repeats: tuple[str, str] | None = None
    speeds: tuple[Speed, ...] = ()

    @property
    def verdict_text(self) -> str:
        """The verdict in words: how many seeds diverged, where some did."""
        if self.verdict != "seeds diverged":
            return self.verdict
        own, other = (
            f"{count} of {(ended := count + came_through)} {'seed' if ended == 1 else 'seeds'}" if count else ""
            for count, came_through in (
                (self.diverged, self.seeds),
                (self.reference_diverged, self.reference_seeds),
            )
        )
        if not other:
            return f"{own} diverged"
        return f"{own}, and {other} of the reference, diverged" if own else f"{other} of the reference diverged"

    @property
    def interval(self) -> tuple[float, float] | None:
        """From `low` to `high`."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def of_survivors(self) -> bool:
        """Whether the difference leaves out seeds that diverged."""
        return self.difference is not None and self.verdict == "seeds diverged"

    @property
    def shown(self) -> bool:
        """Whether there is a difference, by the corrected test."""
        return self.verdict in ("better", "worse")

    @property
    def untested(self) -> bool:
        """Whether a side has a single seed, so that there is nothing to test a difference by."""
        return self.verdict == "too few seeds"

    @property
    def is_weak(self) -> bool:
        """Whether there are so few seeds that only a huge difference would show."""
        few = min(self.seeds, self.reference_seeds) < FEW_SEEDS
        return few and self.difference is not None and not self.of_survivors and not self.untested


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an experiment has found; `curve_kind` says which images curves and convergence are of."""

    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    curve_kind: CurveKind

    @property
    def one_seed(self) -> bool:
        """Whether every network has a single seed, so that nothing can be compared."""
        return bool(self.rows) and all(row.seeds + row.missing < 2 for row in self.rows)

    @property
    def testable(self) -> tuple[Comparison, ...]:
        """The comparisons but those with a single seed on a side."""
        return () if self.one_seed else tuple(each for each in self.comparisons if not each.untested)

    def compared_by(self, name: MeasureName) -> tuple[Comparison, ...]:
        """Those of `testable` by one measure, of every kind."""
        return tuple(each for each in self.testable if each.measure.name == name)

    @property
    def distinct(self) -> tuple[Comparison, ...]:
        """The comparisons, those of the same trainings under other labels counted once."""
        return tuple(each for each in self.comparisons if each.repeats is None)

    @property
    def tests(self) -> int:
        """Comparisons that a test was made of: the number that Holm's correction is for."""
        return sum(each.p is not None for each in self.distinct)


def findings_of(results: ExperimentResults) -> Findings:
    """Everything that follows from the measurements of an experiment."""
    rows = {cell.label: row_of(cell, results) for cell in results.grid.cells}
    return Findings(
        rows=tuple(rows.values()),
        comparisons=_comparisons(results.grid, rows),
        curve_kind=results.curve_kind,
    )


def _comparisons(grid: Grid, rows: Mapping[str, Row]) -> tuple[Comparison, ...]:
    """Every comparison of an experiment, by accuracy first, then by all else that both were evaluated by."""
    pairs = [
        # The same for pairs of the same trainings, whichever is the reference.
        (frozenset((cell.candidate.digest, other.candidate.digest)), rows[cell.label], rows[other.label])
        for cell in grid.cells
        for other in grid.references_of(cell)
    ]
    made = [(trainings, _compared(row, other, ACCURACY)) for trainings, row, other in pairs]
    for trainings, row, other in pairs:
        measures = [each.measure for each in (row.evaluation.by_seed if row.evaluation else ())]
        made += [(trainings, _compared(row, other, measure)) for measure in measures if other.values(measure)]
    return _corrected(made)


def _compared(row: Row, reference: Row, measure: Measure) -> Comparison:
    own, other = row.values(measure), reference.values(measure)
    plain = Comparison(
        label=row.label,
        reference=reference.label,
        measure=measure,
        difference=statistics.fmean(own) - statistics.fmean(other) if own and other else None,
        seeds=len(own),
        diverged=row.diverged,
        reference_seeds=len(other),
        reference_diverged=reference.diverged,
        speeds=tuple(filter(None, map(speed_of, row.convergence, reference.convergence)))
        if measure == ACCURACY
        else (),
    )
    found = compared(own, other, diverged=row.diverged + reference.diverged)
    if isinstance(found, Difference):
        return replace(plain, low=max(found.low, -1.0), high=min(found.high, 1.0), p=found.p)
    if plain.difference is None and found != "seeds diverged":
        return replace(plain, verdict="not trained yet")
    equal = found == "no spread to judge by" and abs(plain.difference or 0.0) <= _ROUNDING
    return replace(plain, verdict="no difference shown" if equal else found)


def _corrected(made: Sequence[tuple[frozenset[str], Comparison]]) -> tuple[Comparison, ...]:
    """With p-values that are corrected for the number of different tests, and the verdicts that follow from those."""
    first: dict[tuple[frozenset[str], Measure], Comparison] = {}
    for trainings, each in made:
        first.setdefault((trainings, each.measure), each)
    tested = {key: each.p for key, each in first.items() if each.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    found = []
    for trainings, each in made:
        original, p = first[trainings, each.measure], adjusted.get((trainings, each.measure))
        repeats = None if original is each else (original.label, original.reference)
        verdict = each.verdict if p is None else verdict_of(each.difference or 0.0, p)
        found.append(replace(each, repeats=repeats, p_adjusted=p, verdict=verdict))
    return tuple(found)


def document(results: ExperimentResults, findings: Findings) -> dict[str, Any]:
    """As experiment.json holds it."""
    settings, scale = results.settings, results.scale
    found: dict[str, Any] = without_nan(
        {
            "schema": SCHEMA,
            "experiment": settings["experiment"],
            "question": results.file.question,
            "paper": results.file.paper,
            "scale": settings["scale"],
            "cost": results.stated_cost,
            "dataset": settings["dataset"],
            "data": settings["data"],
            "split": results.file.split,
            "curves": findings.curve_kind,
            "epochs": scale.epochs,
            "batch_size": scale.batch_size,
            "seeds": results.grid.seeds,
            "trainings": results.grid.trainings,
            "complete": results.complete,
            "diverged": results.diverged,
            "confidence": 1 - SIGNIFICANCE,
            "tests": findings.tests,
            "networks": [_network(row) for row in findings.rows],
            "comparisons": [_comparison(each) for each in findings.comparisons],
        }
    )
    return found


def _network(row: Row) -> dict[str, Any]:
    fields = asdict(row)
    evaluation = fields.pop("evaluation")
    return {**fields, "judged": evaluation, "mean": row.mean, "std": row.std}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    measure = comparison.measure
    return {**asdict(comparison), "measure": measure.name, "kind": measure.kind, "said": comparison.verdict_text}
