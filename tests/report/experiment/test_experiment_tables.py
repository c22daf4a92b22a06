"""The tables of an experiment, as the terminal and the page show them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pure_nas.analysis.convergence import Convergence, Speed
from pure_nas.analysis.statistics import Spread
from pure_nas.findings.findings import Comparison, Findings
from pure_nas.findings.rows import EvaluationOverSeeds, Factor, Measure, Row, Viewed
from pure_nas.report.experiment.tables import experiment_tables
from pure_nas.report.table import Table

PLAIN = Comparison(
    label="pure8",
    reference="resnet8",
    difference=-0.4304,
    low=-1.0,
    high=0.7508,
    p=0.1,
    p_adjusted=0.9,
    verdict="no difference shown",
    seeds=3,
    diverged=0,
    reference_seeds=3,
    reference_diverged=0,
)
NOISE = Measure("noise", "gaussian")
SHOWN = replace(
    PLAIN, label="conv", measure=NOISE, difference=0.02, low=0.01, high=0.03, p=1e-5, p_adjusted=1e-4, verdict="better"
)
SICK = replace(
    PLAIN, difference=0.3, low=None, high=None, p=None, p_adjusted=None, verdict="seeds diverged", seeds=1, diverged=2
)


def tables_of(*comparisons: Comparison, rows: tuple[Row, ...] = ()) -> dict[str, Table]:
    """The tables of made-up findings."""
    results = SimpleNamespace(
        file=SimpleNamespace(split="test", validation_curve=True),
        grid=SimpleNamespace(seeds=3),
        scale=SimpleNamespace(epochs=4),
        settings={"data": {"scored": 10_000}},
        curve_kind="validation",
    )
    return experiment_tables(Findings(results=results, rows=rows, comparisons=comparisons))  # type: ignore[arg-type]


def texts(table: Table) -> list[list[str]]:
    """What people read in each cell."""
    rows = ([row.cell(column) for column in table.shown] for row in table.rows)
    return [[" ".join(f"{cell.text} {cell.more}".split()) for cell in row] for row in rows]


def row(label: str, *convergence: Convergence, evaluation: EvaluationOverSeeds | None = None) -> Row:
    return Row(
        label=label,
        repeats=None,
        table=label,
        recipe="usual",
        series=label,
        axis="",
        place=None,
        kind="conv",
        depth=8,
        params=1000,
        flops=1000,
        accuracies=(0.5, 0.6, 0.7),
        interval=(0.4, 0.8),
        diverged=0,
        reasons=(),
        missing=0,
        seconds=8.0,
        convergence=convergence,
        curve={},
        evaluation=evaluation,
    )


def test_comparisons_have_difference_interval_p_and_verdict() -> None:
    again = replace(PLAIN, label="twin", repeats=("pure8", "resnet8"))
    elsewhere = replace(PLAIN, label="other", repeats=("pure8", "resnet14"))
    compared = tables_of(PLAIN, again, elsewhere, SICK)["comparisons"]
    figures = ["resnet8", "−43.04", "−100.00 to +75.08", "0.100", "0.900", "no difference shown"]
    assert texts(compared) == [
        ["pure8", *figures],
        ["twin = pure8", *figures],
        ["other = pure8, compared with resnet14", *figures],
        ["pure8", "resnet8", "(+30.00)", "–", "–", "–", "2 of 3 seeds diverged"],
    ]
    notes = " ".join(compared.notes)
    assert "In brackets: only the seeds that did not diverge." in notes
    assert "favours the network that lost seeds" in notes
    assert "one are" not in notes


def test_differences_by_another_measure_are_starred_where_they_are_shown() -> None:
    tables = tables_of(PLAIN, SHOWN, replace(SICK, measure=NOISE))
    differences = tables["noise-differences"]
    assert texts(differences) == [
        ["conv", "resnet8", "+2.00 * +1.00 to +3.00 p < 0.001, < 0.001 corrected better"],
        ["pure8", "resnet8", "(+30.00) 2 of 3 seeds diverged"],
    ]
    assert differences.notes[0].startswith("*: shown, with p")
    assert "intensity-differences" not in tables
    assert "2 were tested (1 of them on measures other than plain accuracy)" in " ".join(tables["comparisons"].notes)


def test_speeds_are_of_each_accuracy_with_epochs_and_seconds() -> None:
    faster = Speed(
        target=0.9,
        epochs=Spread(mean=1.5, low=1.0, high=2.0),
        seconds=Spread(mean=0.5, low=0.4, high=0.7),
        own_epochs=(2, 2, 2),
        reference_epochs=(3, 2, 4),
    )
    speeds = tables_of(replace(PLAIN, speeds=(replace(faster, target=0.5, seconds=None), faster)), SICK)["speeds"]
    assert [column.title for column in speeds.shown[2:]] == ["50 %", "90 %"]
    assert texts(speeds) == [["pure8", "resnet8", "1.5 2 against 2 to 4", "1.5 / 0.5 2 against 2 to 4"]]
    assert speeds.rows[0].cells["0.9"].tip == "1.00 to 2.00 / 0.40 to 0.70 between any two seeds"


def reached(target: float, *epochs: int, missed: int = 0) -> Convergence:
    return Convergence(target=target, epochs=epochs, seconds=tuple(2.5 * each for each in epochs), missed=missed)


def test_convergence_says_what_nobody_reached_and_of_how_many_seeds_a_mean_is() -> None:
    never = [reached(target, missed=3) for target in (0.9, 0.95)]
    every, some = row("all", reached(0.5, 1, 2, 3), *never), row("some", reached(0.5, 2, missed=2), *never)
    table = tables_of(rows=(every, some))["convergence"]
    assert texts(table) == [["all", "2 / 5.0 s 1 to 3 / 2.5 s to 7.5 s"], ["some", "1 of 3: 2 / 5.0 s"]]
    assert table.notes[-1] == "No network reached 90 or 95 %."
    nobody = tables_of(rows=(row("all", *never),))["convergence"]
    assert (nobody.rows, nobody.notes) == ((), ("No network reached 90 or 95 %.",))


@pytest.mark.parametrize(
    ("changes", "seeds"),
    [
        ({"diverged": 2, "reasons": ("the loss became nan",)}, "3, 2 diverged the loss became nan"),
        ({"missing": 1}, "3, 1 to go"),
        ({"accuracies": (), "missing": 3, "interval": None}, "0, 3 to go"),
    ],
)
def test_seeds_are_told_where_some_are_not_complete(changes: dict[str, object], seeds: str) -> None:
    table = tables_of(rows=(row("whole"), replace(row("part"), **changes)))["networks"]  # type: ignore[arg-type]
    place = [column.title for column in table.shown].index("seeds")
    assert [cells[place] for cells in texts(table)] == ["3", seeds]


def test_evaluations_have_tables_of_their_own() -> None:
    same = Spread(mean=0.5, low=0.5, high=0.5)
    evaluation = EvaluationOverSeeds(
        images=100,
        top5=same,
        calibration_error=None,
        views=Viewed(name="flip", accuracy=same, top5=Spread.of([0.75])),
        noise={},
        noise_accuracy={},
        intensity=(Factor(factor=2.0, accuracy=same, agreement=same, cosine=Spread.of([0.875])),),
        intensity_accuracy=same,
        by_seed={},
    )
    twin = replace(row("twin", evaluation=evaluation), repeats="first")
    tables = tables_of(rows=(row("first", evaluation=evaluation), twin, row("other")))
    assert [cells[0] for cells in texts(tables["networks"])] == ["first", "twin = first", "other"]
    assert [column.title for column in tables["quality"].shown] == ["network", "top-5", "flip, top-1", "flip, top-5"]
    figures = {name: texts(tables[name])[0] for name in ("quality", "intensity", "features")}
    assert figures == {
        "quality": ["first", "50.00 %", "50.00 %", "75.00 %"],
        "intensity": ["first", "50.00 % 50 % same class"],
        "features": ["first", "0.875"],
    }
    assert all(len(tables[name].rows) == 2 for name in figures)
    assert tables["quality"].notes == ("Evaluated on 100 of the 10,000 test images, drawn once for all networks.",)
    assert "noise" not in tables
