"""What follows from the trials of a run, and how their files are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from pure_nas.errors import RunError, UsageError
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import Results, TrialRecord, load_results, read_trial
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import get_unit

CANDIDATE = Candidate(Architecture.uniform("conv", (1, 1)), Recipe.usual(get_unit("conv")))
NAMES = ("error", "flops")


def trial(number: int, error: float, flops: float, baseline: str = "") -> TrialRecord:
    unit = baseline.partition(" ")[0] or "conv"
    return TrialRecord(
        number=number,
        state="complete",
        candidate=replace(CANDIDATE, architecture=CANDIDATE.architecture.with_unit(unit)),
        baseline=baseline,
        objectives=(error, flops),
        metrics={"error": error},
    )


def results(*trials: TrialRecord) -> Results:
    return Results(NAMES, (1.0, 1000.0), trials)


def ended(number: int, state: Any, reason: str = "") -> TrialRecord:
    return TrialRecord(number=number, state=state, candidate=CANDIDATE, reason=reason)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    run.write_settings({"objectives": list(NAMES), "reference": {"error": 1.0, "flops": 1000}})
    return run


def write_trial(run: RunDirectory, number: int, **result: Any) -> None:
    folder = run.trial(number)
    folder.write_candidate(CANDIDATE)
    complete = {"state": "complete", "objectives": {"error": 0.5, "flops": 100}, "metrics": {"error": 0.5}}
    folder.write_result({**complete, **result})


def test_front_groups_trials_that_are_close_in_everything() -> None:
    found = results(trial(0, 0.1, 500), trial(1, 0.102, 497), trial(2, 0.3, 100), trial(3, 0.5, 600))
    assert [[each.number for each in group] for group in found.groups] == [[0, 1], [2]]
    assert [each.number for each in found.front] == [0, 2]
    close_in_error_alone = results(trial(0, 0.1, 500), trial(1, 0.102, 100))
    assert [[each.number for each in group] for group in close_in_error_alone.groups] == [[0], [1]]


def test_best_knee_and_smallest_are_selected_by_name() -> None:
    found = results(trial(3, 0.1, 900), trial(4, 0.12, 200), trial(5, 0.6, 100), trial(6, 0.9, 950))
    assert [found.select(which).number for which in ("best", "knee", "smallest")] == [3, 4, 5]
    assert found.select("6").number == 6
    assert results(trial(0, 0.1, 900), trial(1, 0.1, 300)).best.number == 1  # the cheapest of equally accurate ones


def test_trials_that_cannot_be_selected_are_refused_with_those_that_can() -> None:
    rejected = ended(3, "rejected", "1,440 params is over 700 params")
    found = results(*(trial(number, 0.1, 100) for number in (0, 1, 2, 4, 5)), rejected)
    for which, words in (
        ("99", "There is no trial 99.\nThe complete trials are 0 to 2, 4 to 5."),
        ("bst", 'There is no trial "bst".\nUse best, knee, smallest or a number; complete trials are 0 to 2, 4 to 5.'),
        ("", 'There is no trial "".'),
        ("3", "Trial 3 is rejected: 1,440 params is over 700 params"),
    ):
        with pytest.raises(UsageError, match=words):
            found.select(which)
    failed = results(ended(0, "failed"), ended(1, "failed", "out of memory on cpu"))
    with pytest.raises(RunError, match=r"complete yet \(2 failed; the last one: out of memory on cpu\)\."):
        failed.require_complete()


NOISE_NAMES = ("error", "noise_error", "flops")


def noisy(number: int, error: float, noise_error: float, flops: float, baseline: str = "") -> TrialRecord:
    record = trial(number, error, flops, baseline)
    return replace(record, objectives=(error, noise_error, flops), cost={"flops": flops})


def of_errors_alone(*trials: TrialRecord) -> Results:
    """The same without a cost among the objectives."""
    names = ("error", "noise_error")
    return Results(names, (1.0, 1.0), tuple(replace(each, objectives=each.objectives[:2]) for each in trials))


def test_smallest_and_best_are_the_cheapest_and_not_the_most_robust() -> None:
    trials = (noisy(0, 0.1, 0.2, 900), noisy(1, 0.1, 0.4, 300), noisy(2, 0.5, 0.6, 100), noisy(3, 0.2, 0.1, 950))
    found = Results(NOISE_NAMES, (1.0, 1.0, 1000.0), trials)
    assert (found.best.number, found.smallest.number) == (1, 2)
    # Without a cost among the objectives the cheapest may be beaten in both.
    by_errors = of_errors_alone(*trials, noisy(4, 0.9, 0.9, 1), noisy(5, 0.1, 0.2, 700))
    assert [each.number for each in by_errors.front] == [0, 3]
    assert (by_errors.best.number, by_errors.smallest.number) == (5, 0)


def test_knee_takes_both_errors_as_they_are() -> None:
    """By its logarithm, the noise error of the third would seem far from that of the first."""
    trials = (trial(0, 0.5, 0.001), trial(1, 0.05, 0.5), trial(2, 0.4, 0.1))
    found = Results(("error", "noise_error"), (1.0, 1.0), trials)
    assert found.knee.number == 2
    assert results(*trials).knee.number != 2


def test_noise_error_is_no_cost_of_a_baseline() -> None:
    trials = (
        noisy(0, 0.4, 0.9, 100, "conv small, usual recipe"),
        noisy(1, 0.3, 0.1, 900, "product large, usual recipe"),
        noisy(2, 0.2, 0.3, 500),
    )
    found = Results(NOISE_NAMES, (1.0, 1.0, 1000.0), trials)
    assert {unit: each.number for unit, each in found.baselines_within(trials[2]).items()} == {"conv": 0}
    by_flops = of_errors_alone(*trials)
    assert {unit: each.number for unit, each in by_flops.baselines_within(by_flops.trials[2]).items()} == {"conv": 0}


def test_hypervolume_is_the_share_of_the_reference_box() -> None:
    found = results(trial(0, 0.5, 500), ended(1, "failed"), trial(2, 0.25, 750))
    assert found.hypervolume == pytest.approx(0.25 + 0.25 * 0.25)
    assert found.hypervolume_history() == [(0, pytest.approx(0.25)), (2, pytest.approx(found.hypervolume))]


def test_results_without_complete_trials_have_no_front_and_no_volume() -> None:
    assert [ended(0, state).counts for state in ("diverged", "failed", "rejected")] == [True, True, False]
    found = results(ended(0, "rejected"))
    assert found.groups == found.front == ()
    assert found.hypervolume == 0.0
    assert found.hypervolume_history() == []


def test_baselines_within_are_the_most_accurate_that_cost_no_more() -> None:
    found = results(
        trial(0, 0.4, 100, "conv small, usual recipe"),
        trial(1, 0.3, 200, "conv medium, usual recipe"),
        trial(2, 0.1, 900, "conv large, usual recipe"),
        trial(3, 0.5, 100, "product small, usual recipe"),
        trial(4, 0.2, 199, ""),
    )
    within = found.baselines_within(found.select("4"))
    assert {unit: baseline.number for unit, baseline in within.items()} == {"conv": 1, "product": 3}
    assert found.baselines_within(trial(9, 0.9, 50)) == {}


def test_baselines_must_be_within_every_cost() -> None:
    cheaper = replace(trial(0, 0.1, 90, "conv small"), objectives=(0.1, 90, 6))
    chosen = replace(trial(1, 0.1, 100), objectives=(0.1, 100, 5))
    assert Results(("error", "flops", "latency"), (1, 1000, 10), (cheaper, chosen)).baselines_within(chosen) == {}


def test_trials_are_read_from_a_run(run: RunDirectory) -> None:
    write_trial(run, 0, baseline="conv small, usual recipe", cost={"params": 7}, seconds=2.5)
    run.trial(0).weights.write_bytes(b"12345")
    write_trial(run, 12, state="diverged", objectives={}, reason="the loss became infinite")
    run.trial(13).write_candidate(CANDIDATE)
    found = load_results(run)
    assert [record.number for record in found.trials] == [0, 12]
    first, second = found.trials
    assert (first.objectives, first.weights_bytes, first.candidate) == ((0.5, 100.0), 5, CANDIDATE)
    assert (second.state, second.reason, second.objectives) == ("diverged", "the loss became infinite", ())
    assert read_trial(run.trial(13), NAMES) is None


@pytest.mark.parametrize(
    "settings",
    [{}, {"objectives": ["error"]}, {"objectives": ["error"], "reference": {"error": "high"}}, {"objectives": 3}],
)
def test_settings_without_objectives_or_reference_are_damaged(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = RunDirectory(tmp_path)
    run.settings_path.write_text(tomli_w.dumps(settings), encoding="utf-8")
    with pytest.raises(RunError, match=r"run\.toml is damaged"):
        load_results(run)
