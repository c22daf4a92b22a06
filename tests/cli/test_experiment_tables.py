"""The comparisons of an experiment on terminals of several widths."""

from __future__ import annotations

import pytest
from pure_nas_cli.experiment_comparisons import comparison_notes, comparison_tables, further_differences
from pure_nas_cli.plain_tables import fitting
from rich.console import Console

from pure_nas.experiment.compared import Comparison
from pure_nas.experiment.findings import Findings
from pure_nas.experiment.judged import Measure

LONG, OTHER = "product+relu, ResNet's rates", "conv+relu, ResNet's rates"
PLAIN = Comparison(
    label=LONG,
    reference=OTHER,
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
    speed={},
)
SHOWN = Comparison(
    label="conv, ResNet's rates",
    reference=OTHER,
    measure=Measure("noise", "gaussian"),
    difference=0.02,
    low=0.01,
    high=0.03,
    p=1e-5,
    p_adjusted=1e-4,
    verdict="better",
    seeds=3,
    diverged=0,
    reference_seeds=3,
    reference_diverged=0,
    speed={},
)
SICK = Comparison(
    label=LONG,
    reference=OTHER,
    measure=Measure("noise", "gaussian"),
    difference=0.3,
    verdict="seeds diverged",
    seeds=1,
    diverged=2,
    reference_seeds=3,
    reference_diverged=0,
    speed={},
)


def printed(width: int, compared: list[Comparison]) -> list[str]:
    console = Console(width=width, record=True, file=None)
    with console.capture() as capture:
        console.print(fitting(console, comparison_tables(compared)))
    return [line for line in capture.get().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (120, [LONG, "-43.04", "-100.00 to +75.08", "0.900", "no difference shown"]),
        (80, [LONG, "-43.04 ± 100.00", "0.900", "no difference shown"]),
        (72, [LONG, "-43.04 ± 100.00", "no difference shown"]),
    ],
)
def test_comparisons_take_one_line_each_however_narrow(width: int, row: list[str]) -> None:
    lines = printed(width, [PLAIN])
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert lines[2].split() == ["vs", *OTHER.split()]
    assert lines[3].split() == " ".join(row).split()


def test_differences_of_survivors_are_in_brackets_and_said() -> None:
    (line,) = [line for line in printed(120, [SICK]) if LONG in line]
    assert line.split() == [*LONG.split(), "(+30.00)", "2", "of", "3", "seeds", "diverged"]


def test_differences_by_another_measure_are_starred_where_they_are_shown() -> None:
    findings = Findings(rows=(), comparisons=(PLAIN, SHOWN, SICK), curve_kind="training")
    table = further_differences(findings, "noise")
    assert table is not None
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["conv,", "ResNet's", "rates", "+2.00", "*"] in lines
    assert [*LONG.split(), "(+30.00)"] in lines
    assert further_differences(findings, "intensity") is None
    notes = comparison_notes(findings)
    assert "corrected for the 2 tests" in notes
    assert "*: shown by the corrected p. ( ): of the seeds that came through." in notes
    assert "flatters the side that lost some" in notes
