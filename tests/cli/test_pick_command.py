"""pure-nas pick"""

from __future__ import annotations

import pytest
from studies import Study, invoke, json_in

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results


def test_the_pick_is_told_with_its_reason_its_rivals_and_the_next_commands(finished: Study) -> None:
    answer = invoke("pick", finished.run).done()
    knee = load_results(RunDirectory(finished.run)).knee.number
    assert f"Trial {knee} is the knee of the front: from it on, more cost buys little accuracy." in answer.stdout
    assert "on the front in" in answer.stdout
    assert "others outright, in error and cost" in answer.stdout
    assert f"next: pure-nas retrain {finished.run} --trials {knee} --seeds 3" in answer.stderr
    assert f"pure-nas export {finished.run} --trial {knee}" in answer.stderr


def test_costs_that_were_no_objective_are_measured(finished: Study) -> None:
    answer = invoke(
        "pick", finished.run, "--max-latency", "10s", "--max-memory", "1G", "--device", "cpu", "--json"
    ).done()
    found = answer.json
    assert set(found["costs"]) == {"params", "flops", "latency", "memory"}
    assert 0 < found["costs"]["latency"] < 10_000
    assert found["keeping"] == found["complete"]
    results = load_results(RunDirectory(finished.run))
    assert found["error"] == min(trial.error for trial in results.complete)
    assert (
        json_in(finished.run / "trials" / f"{found['trial']:04d}" / "result.json")["metrics"]["error"] == found["error"]
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-params", "1"], "None of 6 complete trials has at most 1 params; the nearest is trial"),
        (["--within", "1pt", "--one-se"], "A network is chosen by one rule, not by --within and --one-se"),
        (["--within", "much"], '"much" is not a number of percentage points'),
        (["--weights", "error"], '"error" is not a weight'),
        (["--trial", "900"], "There is no trial 900"),
    ],
)
def test_a_wish_that_cannot_be_met_says_so(finished: Study, options: list[str], words: str) -> None:
    assert words in invoke("pick", finished.run, *options).refusal()
