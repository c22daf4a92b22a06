"""What follows from the measurements: rows, comparisons in one family of tests, and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pure_nas.analysis.convergence import Speed, speed_of
from pure_nas.analysis.statistics import SIGNIFICANCE, Difference, Tested, Untested, compared, holm, verdict_of
from pure_nas.files import without_nan
from pure_nas.findings.experiment_results import ExperimentResults
from pure_nas.findings.rows import ACCURACY, Measure, MeasureName, Row, row_of
from pure_nas.plans.experiment.grid import Grid
from pure_nas.quantities import counted

SCHEMA = 2
Verdict = Tested | Untested | Literal["not trained yet"]
FEW_SEEDS = 3  # with fewer on a side, a test can hardly show anything
_ROUNDING = 1e-12  # means of equal values may differ by so much


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A cell next to the one that it is compared with, by one measure; see `analysis.statistics.compared`."""

    label: str
    reference: str
    measure: Measure = ACCURACY
    difference: float | None  # of the means of the seeds that came through; None where a side has none
    low: float | None = None  # ends of Welch's 95 % interval of it, within -1 to 1; None where no test was made
    high: float | None = None
    p: float | None = None  # of Welch's test
    p_adjusted: float | None = None  # corrected for the number of tests of the experiment, by Holm
    verdict: Verdict = "too few seeds"
    seeds: int  # that came through
    diverged: int
    reference_seeds: int
    reference_diverged: int
    repeats: tuple[str, str] | None = None  # labels under which the same trainings were compared before: one test
    speeds: tuple[Speed, ...] = ()  # for each accuracy that both reached with every seed; of the plain accuracy

    @property
    def verdict_text(self) -> str:
        """The verdict in words: how many seeds diverged, where some did."""
        if self.verdict != "seeds diverged":
            return self.verdict
        sides = ((self.diverged, self.seeds), (self.reference_diverged, self.reference_seeds))
        own, other = (f"{lost} of {counted(lost + whole, 'seed')}" if lost else "" for lost, whole in sides)
        if own and other:
            return f"{own}, and {other} of the reference, diverged"
        return f"{own or f'{other} of the reference'} diverged"

    @property
    def pair(self) -> str:
        return f"{self.label} with {self.reference}"

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def of_survivors(self) -> bool:
        """Whether the difference leaves out seeds that diverged."""
        return self.difference is not None and self.verdict == "seeds diverged"

    @property
    def shown(self) -> bool:
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
    """What follows from the results of an experiment."""

    results: ExperimentResults
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def split(self) -> str:
        return self.results.file.split

    @property
    def one_seed(self) -> bool:
        """Whether every network has a single seed, so that nothing can be compared."""
        return bool(self.rows) and all(row.seeds + row.missing < 2 for row in self.rows)

    @property
    def testable(self) -> tuple[Comparison, ...]:
        """The comparisons but those with a single seed on a side."""
        return () if self.one_seed else tuple(each for each in self.comparisons if not each.untested)

    def compared_by(self, name: MeasureName) -> tuple[Comparison, ...]:
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
    return Findings(results=results, rows=tuple(rows.values()), comparisons=tuple(_comparisons(results.grid, rows)))


def _comparisons(grid: Grid, rows: Mapping[str, Row]) -> Iterator[Comparison]:
    """By accuracy first, then by all else that both were evaluated by, with verdicts by p-values that are corrected."""
    pairs = [
        # The same for pairs of the same trainings, whichever is the reference.
        (frozenset((cell.candidate.digest, other.candidate.digest)), rows[cell.label], rows[other.label])
        for cell in grid.cells
        for other in grid.references_of(cell)
    ]
    made = [((trainings, ACCURACY), _compared(row, other, ACCURACY)) for trainings, row, other in pairs]
    for trainings, row, other in pairs:
        measures = [each for each in (row.evaluation.by_seed if row.evaluation else ()) if other.values(each)]
        made += [((trainings, measure), _compared(row, other, measure)) for measure in measures]
    first = dict(reversed(made))
    tested = {key: each.p for key, each in made if each is first[key] and each.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    for key, each in made:
        repeats = None if each is first[key] else (first[key].label, first[key].reference)
        p = adjusted.get(key)
        verdict = each.verdict if p is None else verdict_of(each.difference or 0.0, p)
        yield replace(each, repeats=repeats, p_adjusted=p, verdict=verdict)


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


def document(findings: Findings) -> dict[str, Any]:
    """As experiment.json holds it."""
    results = findings.results
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
            "split": findings.split,
            "curves": results.curve_kind,
            "epochs": scale.epochs,
            "batch_size": scale.batch_size,
            "seeds": results.grid.seeds,
            "trainings": results.grid.trainings,
            "complete": results.complete,
            "diverged": results.diverged,
            "confidence": 1 - SIGNIFICANCE,
            "tests": findings.tests,
            "networks": [_network(row) for row in findings.rows],
            "comparisons": [
                {**asdict(each), "measure": each.measure.name, "kind": each.measure.kind, "said": each.verdict_text}
                for each in findings.comparisons
            ],
        }
    )
    return found


def _network(row: Row) -> dict[str, Any]:
    fields, evaluation = asdict(replace(row, evaluation=None)), row.evaluation
    del fields["evaluation"]
    fields["curve"] = [{"epoch": epoch, **asdict(spread)} for epoch, spread in row.curve.items()]
    by_seed = evaluation.by_seed if evaluation else {}
    values = [{"measure": asdict(measure), "values": found} for measure, found in by_seed.items()]
    judged = evaluation and {**asdict(replace(evaluation, by_seed={})), "by_seed": values}
    return {**fields, "judged": judged, "mean": row.mean, "std": row.std}
