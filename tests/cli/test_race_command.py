from __future__ import annotations

from pathlib import Path

import pytest
from studies import Answer, invoke, json_in


@pytest.fixture
def race(image_folder: Path, tiny_space_file: Path, tmp_path: Path) -> list[object]:
    """The command of a race of two searches."""
    given = ["race", "--dataset", image_folder, "--space", tiny_space_file, "--out", tmp_path / "runs"]
    return [*given, "--study", "raced", "--seeds", 1, "--device", "cpu"]


def test_a_race_says_what_it_costs_and_what_came_out(race: list[object], tmp_path: Path) -> None:
    answer = invoke(*race, "--trials", 6)
    assert answer.code == 0, answer.stderr
    assert "2 searches x 1 seed x at most 6 trials" in answer.message
    assert "forecast-0 trial 0 complete" in answer.message
    assert "tpe-0 trial 5" in answer.message
    folder = tmp_path / "runs" / "raced"
    assert json_in(folder / "race.json")["verdict"] in " ".join(answer.stdout.split())
    assert f"report: {folder / 'report.html'}" in answer.stderr
    again = invoke(*race, "--trials", 6, "--json")
    assert "trial 0" not in again.message  # all is done
    assert again.json == json_in(folder / "race.json")


def test_a_dry_run_says_the_cost_and_writes_nothing(race: list[object], tmp_path: Path) -> None:
    answer = invoke(*race, "--time", "20m", "--seeds", 3, "--dry-run")
    assert answer.code == 0
    assert "2 searches x 3 seeds x 20 min = 2 h" in answer.message
    assert invoke(*race, "--time", "20m", "--dry-run", "--json").json == {"schema": 1, "searches": 2, "seconds": 2400.0}
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "what one search may cost"),
        (["--trials", 3, "--time", "1h"], "what one search may cost"),
        (["--trials", 0], "--trials"),
        (["--time", "soon"], '"soon" is not a time'),
        (["--trials", 3, "--seeds", 0], "--seeds"),
        (["--trials", 3, "--against", "forecast"], "--against"),
        (["--trials", 3, "--space", "digit"], 'did you mean "digits"?'),
        (["--trials", 3, "--dataset", "cifar1"], 'did you mean "cifar10"?'),
        (["--trials", 3, "--study", ""], "is empty"),
        (["--trials", 3, "--workers", 0], '"0" is not auto or a number of 1 or more'),
        (["--trials", 3, "--workers", 5], "With a lag of 4 trials, 5 workers would wait"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(
    race: list[object], given: list[object], message: str, tmp_path: Path
) -> None:
    answer: Answer = invoke(*race, *given)
    assert answer.code == 2
    assert message in answer.message
    assert answer.stderr.count("╭") == 1
    assert not (tmp_path / "runs").exists()


def test_too_little_time_is_said(race: list[object]) -> None:
    answer = invoke(*race, "--time", "1ms")
    assert answer.code == 2
    assert "ended without a network that was trained to its end" in answer.message
