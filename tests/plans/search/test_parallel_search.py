"""A search that trains several networks at once: nothing lost, nothing twice, never too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from heard import Heard
from interleaved import train_interleaved
from searches import Settings, results_of, run_search, stored_in, trials_of

from pure_nas.files import read_json_lines
from pure_nas.plans.search.session import opened, prepare
from pure_nas.run.directory import RunDirectory
from pure_nas.workers import ProcessExecutor
from pure_nas.workers import work as work_module
from pure_nas.workers.resources import WorkerPlan


@pytest.mark.usefixtures("forked_workers")
def test_workers_get_ready_before_the_search_goes_and_end_with_it(tiny: Settings, tmp_path: Path) -> None:
    prepared = prepare(tiny(trials=3, workers=2))
    with opened(prepared, tmp_path) as search:
        executor, plan = search.driver.workers(search.left)
        assert isinstance(executor, ProcessExecutor)
        assert plan.count == len(executor.process_ids) == 2
        assert prepared.seconds_per_trial(executor) > 0
        assert search.driver.workers(search.left) == (executor, plan)
    assert executor.process_ids == []
    with opened(prepared, tmp_path) as search:
        executor, _ = search.driver.workers(search.left)
        assert isinstance(executor, ProcessExecutor)
        assert search.driver.go(search.plan, Heard()) == "all 3 trials are done"
        assert executor.process_ids == []
        assert search.left == 0


@pytest.mark.parametrize(("slots", "trials"), [(2, 5), (3, 7), (4, 3)])
def test_a_search_ends_with_as_many_trials_as_asked_for(
    tiny: Settings, slots: int, trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executors, heard = train_interleaved(monkeypatch, slots), Heard()
    assert run_search(tiny(trials=trials), tmp_path, heard) == (f"all {trials} trials are done")
    assert executors[0].most == min(slots, trials)
    assert [trial.number for trial in results_of(tmp_path).trials] == list(range(trials))
    assert sorted(record.number for record in heard.trials) == list(range(trials))
    assert [trial.state.name for trial in stored_in(tmp_path)] == ["COMPLETE"] * trials
    assert heard.workers == [WorkerPlan(slots, "for a test")]
    events = {event["event"]: event for event in read_json_lines(RunDirectory(tmp_path / "study").log_path)}
    assert (events["workers started"]["count"], events["workers started"]["reason"]) == (slots, "for a test")
    assert events["search stopped"]["reason"] == f"all {trials} trials are done"
    assert events["search stopped"]["images_per_second"] > 0


def test_a_candidate_that_is_being_trained_is_waited_for_and_repeated(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executors = train_interleaved(monkeypatch, 4)
    trials = trials_of(small(epochs=2, trials=30), tmp_path)
    assert len(trials) == 30
    trained = [job.candidate.digest for job in executors[0].submitted]
    assert len(trained) == len(set(trained)) == 6
    firsts = {trial.candidate.digest: trial for trial in trials if trial.replay_of is None}
    for trial in trials:
        first = firsts[trial.candidate.digest]
        assert trial.objectives == first.objectives
        assert trial.replay_of in (None, first.number)
        assert stored_in(tmp_path)[trial.number].values == list(first.objectives)


def test_a_candidate_that_waited_is_not_tried_where_the_first_one_ran_out_of_memory(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [2]
    original = work_module.build

    def out_of_memory(*arguments: Any, **named: Any) -> object:
        if failures[0]:
            failures[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*arguments, **named)

    monkeypatch.setattr(work_module, "build", out_of_memory)
    executors = train_interleaved(monkeypatch, 4)
    trials = trials_of(small(epochs=2, trials=12), tmp_path)
    assert len([trial for trial in trials if trial.counts]) == 12
    (failed,) = [trial for trial in trials if trial.state == "failed"]
    assert "in 2 parts" in failed.reason
    for trial in trials:
        if trial.candidate.digest == failed.candidate.digest and trial is not failed:
            assert trial.state == "rejected"
            assert trial.reason == f"it needs more memory than trial {failed.number}, which ran out of it"
    trained = {trial.candidate.digest for trial in trials if trial.state == "complete"}
    assert len(executors[0].submitted) == len(trained) + 1


@pytest.mark.parametrize(
    ("stop_after", "slots_after", "lost_study"), [(1, 1, False), (1, 3, True), (5, 1, True), (9, 3, False)]
)
def test_every_trial_that_was_begun_goes_on_under_its_own_number(
    small: Settings,
    stop_after: int,
    slots_after: int,
    lost_study: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = small(epochs=2, trials=12)
    train_interleaved(monkeypatch, 3, stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path)
    run = RunDirectory(tmp_path / "study")
    begun = {trial.number: trial.candidate() for trial in run.trials()}
    assert sum(trial.result() is None for trial in run.trials()) >= 3
    last = read_json_lines(run.log_path)[-1]
    assert (last["event"], last["reason"]) == ("search stopped", "interrupted")
    if lost_study:
        for path in run.path.glob("study.db*"):
            path.unlink()
    train_interleaved(monkeypatch, slots_after)
    trials = trials_of(settings, tmp_path)
    assert [trial.number for trial in trials] == list(range(12))
    assert {number: trials[number].candidate for number in begun} == begun
    assert [trial.state.name for trial in stored_in(tmp_path)] == ["COMPLETE"] * 12
    trained = [trial.candidate.digest for trial in trials if trial.replay_of is None]
    assert len(trained) == len(set(trained))
