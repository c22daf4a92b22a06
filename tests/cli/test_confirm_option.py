"""pure-nas search --confirm"""

from __future__ import annotations

from studies import Study


def test_a_single_trial_has_nothing_to_confirm(new_study: Study) -> None:
    refused = new_study.go("--trials", 1, "--confirm", "20%").refusal()
    assert "Ask for more --trials, or leave --confirm out." in refused
    assert not new_study.out.exists()


def test_a_search_says_what_it_confirms(new_study: Study) -> None:
    answer = new_study.go("--trials", 4, "--confirm", "25 %", "--workers", 1).done()
    assert "1 of them further seeds of networks whose place on the front is in doubt" in answer.message
    assert "[4/4] trial" in answer.message
    assert "Stopped: all 3 trials are done, and 1 confirmation" in answer.message
    assert "3 trials, 1 further seed" in answer.message
    assert "front_share" in (new_study.run / "front.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
