"""The findings of an experiment on terminals of several widths."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from pure_nas_cli import experiment_tables
from pure_nas_cli.experiment_comparisons import comparison_notes, comparison_tables, further_differences, speed_tables
from pure_nas_cli.plain_tables import fitting
from rich.console import Console

from pure_nas.analysis.convergence import Convergence, Speed, TimesFewer
from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.judged import Factor, Judged, Measure, Spread, Viewed
from pure_nas.findings.rows import Row

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
        (80, [LONG, "-43.04 ± >100", "0.900", "no difference shown"]),
        (72, [LONG, "-43.04 ± >100", "no difference shown"]),
    ],
)
def test_comparisons_take_one_line_each_however_narrow(width: int, row: list[str]) -> None:
    lines = printed(width, [PLAIN])
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert lines[2].split() == ["vs", *OTHER.split()]
    assert lines[3].split() == " ".join(row).split()


def test_reaches_within_what_can_be_are_numbers() -> None:
    """Welch's interval is from -0.6 - 0.7, which is cut off, to -0.6 + 0.7."""
    (line,) = [line for line in printed(80, [replace(PLAIN, difference=-0.6, low=-1.0, high=0.1)]) if LONG in line]
    assert "-60.00 ± 70.00" in line


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


FASTER = Speed(
    target=0.9,
    epochs=TimesFewer(mean=1.5, low=1.0, high=2.0),
    seconds=TimesFewer(mean=0.5, low=0.4, high=0.7),
    against="2 against 2 to 4",
)


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (110, [LONG, "90 %", "2 against 2 to 4", "1.50 (1.00 to 2.00)", "0.50 (0.40 to 0.70)"]),
        (90, [LONG, "90 %", "2 against 2 to 4", "1.50", "0.50"]),
    ],
)
def test_speeds_are_at_the_highest_accuracy_with_epochs_and_seconds(width: int, row: list[str]) -> None:
    compared = [replace(PLAIN, speeds=(replace(FASTER, target=0.5, seconds=None), FASTER)), SICK]
    console = Console(width=width)
    with console.capture() as capture:
        console.print(fitting(console, speed_tables(compared)))
    lines = [line for line in capture.get().splitlines() if line.strip()]
    assert lines[3].split() == " ".join(row).split()
    assert len(lines) == 4


def test_comparisons_of_the_same_networks_name_what_they_repeat() -> None:
    again = replace(PLAIN, label="twin", repeats=(LONG, OTHER))
    assert f"twin = {LONG}" in " ".join(printed(120, [PLAIN, again]))


def shown(rows: list[Row], monkeypatch: pytest.MonkeyPatch, *comparisons: Comparison) -> str:
    """What the terminal shows of made-up rows."""
    findings = Findings(rows=tuple(rows), comparisons=comparisons, curve_kind="validation")
    file = SimpleNamespace(split="test")
    results = SimpleNamespace(
        file=file,
        grid=SimpleNamespace(seeds=3),
        scale=SimpleNamespace(epochs=4),
        settings={"data": {"scored": 10_000}},
    )
    console = Console(width=100)
    monkeypatch.setattr(experiment_tables, "stdout", console)
    with console.capture() as capture:
        experiment_tables.print_findings(results, findings)  # type: ignore[arg-type]
    return capture.get()


def row(label: str, *convergence: Convergence, judged: Judged | None = None, repeats: str | None = None) -> Row:
    return Row(
        label=label,
        repeats=repeats,
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
        curve=(),
        judged=judged,
    )


def reached(target: float, *epochs: int, missed: int = 0) -> Convergence:
    return Convergence(target=target, epochs=epochs, seconds=tuple(2.5 * each for each in epochs), missed=missed)


def test_convergence_says_what_nobody_reached_and_of_how_many_seeds_a_mean_is(monkeypatch: pytest.MonkeyPatch) -> None:
    never = [reached(target, missed=3) for target in (0.9, 0.95)]
    text = shown(
        [row("all", reached(0.5, 1, 2, 3), *never), row("some", reached(0.5, 2, missed=2), *never)], monkeypatch
    )
    words = [line.split() for line in text.splitlines()]
    assert ["all", "2.0"] in words
    assert ["all", "5.0"] in words
    assert ["some", "1/3:", "2.0"] in words
    assert ["some", "1/3:", "5.0"] in words
    assert "No network reached 90 or 95 %." in text
    nobody = shown([row("all", *never)], monkeypatch)
    assert "No network reached 90 or 95 %." in nobody
    assert "Mean epochs" not in nobody


def test_one_seed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(row(label), accuracies=(0.5,), interval=None) for label in ("pure8", "resnet8")]
    single = replace(PLAIN, low=None, high=None, p=None, p_adjusted=None, verdict="too few seeds", seeds=1)
    weak = replace(single, measure=Measure("noise", "gaussian"))
    text = " ".join(shown(rows, monkeypatch, single, weak).split())
    assert text.count(ONE_SEED) == 1
    assert not any(word in text for word in ("too few", "±", "interval", "compared vs", "Welch"))


def test_tables_say_how_many_images_they_are_of_and_which_networks_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = Spread(mean=0.5, low=0.5, high=0.5)
    cosine = Spread(mean=0.875, low=0.875, high=0.875)
    judged = Judged(
        images=100,
        top5=same,
        calibration_error=None,
        views=Viewed(name="flip", accuracy=same, top5=Spread(mean=0.75, low=0.75, high=0.75)),
        noise={},
        noise_accuracy={},
        intensity=(Factor(factor=2.0, accuracy=same, agreement=same, cosine=cosine),),
        intensity_accuracy=same,
        by_seed=(),
    )
    text = shown([row("first", judged=judged), row("twin", judged=judged, repeats="first")], monkeypatch)
    assert "twin = first" in text
    assert "of all 10,000 test images; all else" in text
    assert "is of 100 of them" in " ".join(text.split())
    words = [line.split() for line in text.splitlines()]
    assert ["first", "50.00", "%", "-", "50.00", "%", "75.00", "%"] in words
    assert ["first", "0.875"] in words
