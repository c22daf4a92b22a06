"""What follows from the measurements: rows and comparisons. The content of experiment.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pure_nas.analysis.convergence import CurveKind
from pure_nas.analysis.statistics import SIGNIFICANCE
from pure_nas.files import without_nan
from pure_nas.findings.comparisons import Comparison, comparisons_of
from pure_nas.findings.results import ExperimentResults
from pure_nas.findings.rows import MeasureName, Row, row_of

SCHEMA = 2


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
        comparisons=comparisons_of(results.grid, rows),
        curve_kind=results.curve_kind,
    )


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
