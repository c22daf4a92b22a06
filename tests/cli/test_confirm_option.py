"""pure-nas search --confirm"""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import invoke


@pytest.mark.parametrize("share", ["0%", "0", "100%", "1", "20", "-5%", "half", "", "20%%"])
def test_what_is_no_share_is_one_message_and_leaves_nothing(share: str, tmp_path: Path) -> None:
    answer = invoke("search", "--dataset", "digits", "--confirm", share, "--out", tmp_path / "runs")
    assert answer.code == 2
    assert "is not a share between 0 and 100 %, such as 20% or 0.2" in answer.message
    assert not (tmp_path / "runs").exists()


def test_a_single_trial_has_nothing_to_confirm(tmp_path: Path) -> None:
    answer = invoke("search", "--dataset", "digits", "--trials", "1", "--confirm", "20%", "--out", tmp_path / "runs")
    assert answer.code == 2
    assert "Ask for more --trials, or leave --confirm out." in answer.message
    assert not (tmp_path / "runs").exists()


def test_a_search_says_what_it_confirms(image_folder: Path, tiny_space_file: Path, tmp_path: Path) -> None:
    command = ("search", "--dataset", image_folder, "--space", tiny_space_file, "--no-baselines", "--out", tmp_path)
    answer = invoke(*command, "--trials", "4", "--confirm", "25 %", "--workers", "1")
    assert answer.code == 0
    assert "1 of them further seeds of networks whose place on the front is in doubt" in answer.message
    assert "[4/4] trial" in answer.message
    assert "Stopped: all 3 trials are done, and 1 confirmation" in answer.message
    assert "3 trials, 1 further seed" in answer.message
    assert "on front" in answer.stdout
