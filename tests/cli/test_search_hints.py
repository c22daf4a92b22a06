"""What the plan of a search warns of."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Study

WARM = """
[run]
trials = 2
[architecture]
stages = 1
blocks_per_stage = 1
base_width = 2
units = { choices = ["conv", "product"], per = "layer" }
[recipe]
warmup_epochs = WARMUP
"""


def planned(study: Study, *more: object) -> str:
    answer = study.go("--dry-run", *more)
    assert answer.code == 0, answer.message
    return answer.message


def test_baselines_that_leave_no_trial_to_search_with_are_said(new_study: Study) -> None:
    with_baselines = Study(new_study.dataset, new_study.space, new_study.out, "b", baselines=True)
    assert "every trial is a baseline, none of them with a product unit." in planned(with_baselines, "--trials", 1)
    assert "every trial is a baseline. Take more than 8 --trials" in planned(with_baselines, "--trials", 8)
    assert "every trial is a baseline" not in planned(with_baselines, "--trials", 9)
    assert "every trial is a baseline" not in planned(new_study, "--trials", 1)


@pytest.mark.parametrize(
    ("warmup", "epochs", "long"),
    [
        ("{ low = 0.0, high = 2.46 }", 1, True),
        ("{ low = 0.0, high = 2.46 }", 3, False),
        ("2", 2, True),
        ("0", 1, False),
    ],
)
def test_a_warm_up_that_does_not_end_is_said(
    new_study: Study, tmp_path: Path, warmup: str, epochs: int, long: bool
) -> None:
    space = tmp_path / "warm.toml"
    space.write_text(WARM.replace("WARMUP", warmup))
    shown = planned(Study(new_study.dataset, space, new_study.out, "w"), "--epochs", epochs)
    assert ("the learning rate may never reach its peak" in shown) == long
