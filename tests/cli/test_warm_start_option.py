"""`pure-nas search --warm-start`: what it says of earlier searches."""

from __future__ import annotations

from studies import Study, contents


def test_the_plan_names_the_earlier_search_and_the_end_says_what_it_was_worth(
    finished: Study, new_study: Study
) -> None:
    answer = new_study.go("--trials", 3, "--sampler", "forecast", "--warm-start", finished.run)
    assert answer.code == 0, answer.stderr
    assert f"warm start: 6 of 6 trials in {finished.run.resolve()}, of 1 epoch at 8 pixels" in answer.message
    assert "The search began with 6 trials of tiny (1 epoch, 8 pixels)." in answer.message
    assert "Rank correlation of what it predicts with the errors of the 3 complete trials here: " in answer.message
    assert "It is still used." in answer.message


def test_a_folder_that_is_no_run_is_named_and_nothing_is_begun(new_study: Study, finished: Study) -> None:
    for more in ((), ("--dry-run",)):
        answer = new_study.go("--warm-start", f"{finished.run},{new_study.dataset}", *more)
        assert answer.code == 1
        assert f"{new_study.dataset.resolve()} is not a run" in answer.message
        assert not new_study.run.exists()


def test_a_run_that_began_without_it_does_not_resume_with_it(study: Study, finished: Study) -> None:
    before = contents(study.run)
    answer = study.go("--warm-start", finished.run)
    assert answer.code == 1
    assert f"warm_start: nothing in the run, ['{finished.run.resolve()}'] now" in answer.message
    assert contents(study.run) == before
