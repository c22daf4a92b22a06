"""What a search trains, rejects, repeats and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from heard import Heard
from interleaved import train_interleaved
from searches import Settings, results_of, run_search, stored_in, trials_of

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import RunError, UsageError
from pure_nas.plans.budget import Budget
from pure_nas.plans.search import search as search_module
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.session import opened, prepare
from pure_nas.report import write_report
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas.workers import work as work_module

TIGHT = Limits(params=800)
"""Kept by about a third of the tiny space."""


def ran(records: tuple[TrialRecord, ...]) -> list[TrialRecord]:
    return [record for record in records if record.state != "rejected" and record.replay_of is None]


def test_a_search_reads_no_test_images_and_ends_with_as_many_trials_as_asked_for(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    def forbidden(self: Dataset) -> None:
        raise AssertionError("the test images were read")

    monkeypatch.setattr(Dataset, "test", forbidden)
    heard = Heard()
    with opened(prepare(tiny()), tmp_path) as search:
        assert search.driver.go(search.plan, heard) == "all 3 trials are done"
        results = search.plan.results
    assert results == results_of(tmp_path)
    assert [trial.number for trial in results.trials] == [0, 1, 2]
    assert len(trained) == len(heard.epochs) == 3
    assert heard.begun == [(0, 0), (1, 0), (2, 0)]
    assert heard.trials == list(results.trials)
    for trial, stored in zip(results.trials, stored_in(tmp_path), strict=True):
        assert trial.objectives == (trial.error, cost_of(trial.candidate.architecture).flops)
        assert tuple(stored.values) == trial.objectives
        assert trial.weights_bytes > 0
        assert len(trial.curve) == 1


def test_candidates_over_a_limit_are_rejected_before_any_training(
    tiny: Settings, tmp_path: Path, trained: list[str]
) -> None:
    heard = Heard()
    run_search(tiny(trials=16, limits=TIGHT, baselines=True, sampler="random"), tmp_path, heard)
    trials = results_of(tmp_path).trials
    rejected = [trial for trial in trials if trial.state == "rejected"]
    counted = [trial for trial in trials if trial.counts]
    assert {f"conv large, {recipe} recipe" for recipe in ("usual", "shared")} <= {trial.baseline for trial in rejected}
    assert len(counted) == 16
    assert len(trained) == len(ran(trials))
    assert len(heard.trials) == len(trials)
    for trial in trials:
        params = cost_of(trial.candidate.architecture).params
        assert trial.constraints == {"max_params": pytest.approx(params / 800 - 1)}
        assert (trial.state == "rejected") == (params > 800)
    for trial in rejected:
        assert trial.reason == f"{cost_of(trial.candidate.architecture).params:,} params is over 800 params"
        assert (trial.weights_bytes, trial.curve, trial.objectives) == (0, (), ())


def test_rejections_in_a_row_end_the_search(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    monkeypatch.setattr(search_module, "REJECTIONS_IN_A_ROW", 5)
    settings = tiny(trials=50, limits=Limits(params=380), sampler="random")
    with pytest.raises(RunError, match=r"5 suggestions in a row were rejected; the last one: .* is over 380 params"):
        run_search(settings, tmp_path)
    states = [trial.state for trial in results_of(tmp_path).trials]
    assert states[-5:] == ["rejected"] * 5
    assert ["rejected"] * 5 not in [states[start : start + 5] for start in range(len(states) - 5)]


def test_a_candidate_that_was_trained_before_is_repeated_for_nothing(
    small: Settings, tmp_path: Path, trained: list[str]
) -> None:
    trials = trials_of(small(trials=12), tmp_path)
    assert len(trials) == 12
    assert len(trained) == len(set(trained)) == len(ran(trials)) <= 6
    for trial in trials:
        if trial.replay_of is not None:
            first = trials[trial.replay_of]
            assert first.number < trial.number
            assert first.replay_of is None
            same = attrgetter("state", "candidate.digest", "objectives", "metrics", "cost")
            assert same(trial) == same(first)
            assert (trial.seconds, trial.weights_bytes) == (0, 0)
            assert tuple(stored_in(tmp_path)[trial.number].values) == first.objectives


def test_a_candidate_that_diverged_counts_and_is_not_trained_again(
    small: Settings, tmp_path: Path, diverging: Callable[..., None], trained: list[str]
) -> None:
    diverging(lambda training: "product" in training.network.architecture.unit_set)
    trials = trials_of(small(trials=12), tmp_path)
    diverged = [trial for trial in trials if trial.state == "diverged"]
    assert len(trials) == 12
    assert all(trial.counts for trial in diverged)
    assert len(trained) == len(set(trained))
    assert any(trial.replay_of is not None for trial in diverged)
    for trial in diverged:
        assert (trial.reason, trial.objectives) == ("training loss became nan in epoch 1 of 1", ())


def test_what_needs_more_memory_than_one_that_ran_out_of_it_is_not_tried(
    tiny: Settings, tmp_path: Path, out_of_memory: Callable[[str], None]
) -> None:
    out_of_memory("product")
    trials = trials_of(tiny(trials=12, sampler="random"), tmp_path)
    failed = [trial for trial in trials if trial.state == "failed"]
    rejected = [trial for trial in trials if trial.state == "rejected"]
    assert failed
    assert rejected
    assert len([trial for trial in trials if trial.counts]) == 12
    for trial in rejected:
        number = int(re.fullmatch(r"it needs more memory than trial (\d+), which ran out of it", trial.reason)[1])
        cost, other = (cost_of(each.candidate.architecture) for each in (trial, trials[number]))
        assert trials[number].state == "failed"
        assert cost.params >= other.params
        assert cost.norm + cost.elementwise >= other.norm + other.elementwise


def test_cheap_baselines_come_first_and_large_ones_by_and_by(tiny: Settings, tmp_path: Path) -> None:
    settings = tiny(trials=25, baselines=True)
    plan = sorted(prepare(settings).baselines, key=lambda each: cost_of(each.candidate.architecture).flops)
    turns = [0, 1, 4, 8, 12, 16, 20, 24]
    run_search(tiny(trials=5, baselines=True), tmp_path)
    trials = trials_of(settings, tmp_path)
    assert [trial.number for trial in trials if trial.baseline] == turns
    assert [trials[turn].baseline for turn in turns] == [baseline.label for baseline in plan]
    assert [trials[turn].candidate for turn in turns] == [baseline.candidate for baseline in plan]
    assert [trial.user_attrs.get("baseline", "") for trial in stored_in(tmp_path)] == [
        trial.baseline for trial in trials
    ]


def test_a_start_that_was_cut_short_is_taken_up_and_a_run_that_another_search_holds_is_refused(
    tiny: Settings, tmp_path: Path
) -> None:
    settings, run = tiny(trials=1), RunDirectory(tmp_path / "study")
    run.path.mkdir()
    for path in (run.study_path, run.path / "run.lock"):
        path.touch()
    with opened(prepare(settings), tmp_path), pytest.raises(RunError, match=r"in use by process \d+"):
        run_search(settings, tmp_path)
    assert run_search(settings, tmp_path) == "all 1 trials are done"


def tens_of_seconds(monkeypatch: pytest.MonkeyPatch, trained: list[str]) -> None:
    """Every trial takes ten seconds, and nothing else takes any."""
    monkeypatch.setattr(work_module, "_seconds", lambda folder: 10.0)
    monkeypatch.setattr(Budget, "session_seconds", property(lambda self: 10.0 * len(trained)))


def test_no_trial_begins_that_would_end_after_the_time(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    tens_of_seconds(monkeypatch, trained)
    for seconds in (35.0, 39.0):
        assert run_search(tiny(trials=20, time_seconds=seconds), tmp_path) == "the time is used up"
        assert [trial.seconds for trial in results_of(tmp_path).trials] == [10.0] * 3


def test_repeats_do_not_count_as_short_trials(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    tens_of_seconds(monkeypatch, trained)
    settings = small(trials=50, time_seconds=69.0, seed=1)
    assert run_search(settings, tmp_path) == "the time is used up"
    trials = results_of(tmp_path).trials
    assert any(trial.replay_of is not None for trial in trials)
    assert len(ran(trials)) == 6


def test_earlier_sessions_count_towards_the_time(tiny: Settings, tmp_path: Path) -> None:
    run_search(tiny(trials=1), tmp_path)
    state = tmp_path / "study" / "state.json"
    assert 0 < json.loads(state.read_text())["seconds"] < 600
    state.write_text('{"schema": 1, "seconds": 3600.0}', encoding="utf-8")
    assert run_search(tiny(trials=2, time_seconds=3500.0), tmp_path) == ("the time is used up")
    assert run_search(tiny(trials=2, time_seconds=3700.0), tmp_path) == ("all 2 trials are done")


def test_a_trial_that_was_begun_is_finished_although_the_time_is_used_up(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_interleaved(monkeypatch, 1, stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        run_search(tiny(), tmp_path)
    train_interleaved(monkeypatch, 1)
    assert run_search(tiny(time_seconds=0.0), tmp_path) == "the time is used up"
    assert [trial.state for trial in results_of(tmp_path).trials] == ["complete"]


def test_every_cost_can_be_an_objective(tiny: Settings, tmp_path: Path) -> None:
    names = ("error", "noise_error", "params", "latency", "memory", "flops")
    run_search(tiny(trials=2, objectives=names), tmp_path)
    results = results_of(tmp_path)
    assert results.objective_names == names
    for trial in results.trials:
        cost = cost_of(trial.candidate.architecture)
        error, noise_error, params, latency, memory, flops = trial.objectives
        assert (error, params, flops) == (trial.error, cost.params, cost.flops)
        assert 0 <= noise_error == trial.metrics["noise_error"] <= 1
        assert latency == trial.cost["latency_ms"] > 0
        assert memory == trial.cost["memory_bytes"] > 1000
        costs = dict(zip(names, zip(trial.objectives, results.reference, strict=True), strict=True))
        assert all(costs[name][0] <= costs[name][1] for name in ("params", "memory", "flops"))
    assert results.reference[:2] == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    write_report(RunDirectory(tmp_path / "study"))
    assert (tmp_path / "study" / "figures" / "front-noise_error.svg").exists()


def test_the_reference_and_the_sampler_are_decided_once(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(trials=1, sampler="auto", objectives=("error", "latency"))
    run_search(settings, tmp_path)
    decided = RunDirectory(tmp_path / "study").settings()
    environment = (tmp_path / "study" / "environment.json").read_bytes()
    assert decided["chosen_sampler"]["name"] == "tpe"
    monkeypatch.setattr("pure_nas.plans.search.session.latency_ms", lambda *_: 1e9)
    monkeypatch.setattr(
        "pure_nas.plans.search.session.nominal_seconds_per_trial", lambda *_: pytest.fail("estimated again")
    )
    run_search(tiny(trials=2, sampler="auto", objectives=("error", "latency")), tmp_path)
    after = RunDirectory(tmp_path / "study").settings()
    assert {**after, "trials": 1} == decided
    assert (tmp_path / "study" / "environment.json").read_bytes() == environment
    assert results_of(tmp_path).reference == tuple(decided["reference"].values())


def test_a_limit_on_latency_rejects_by_what_is_measured(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    measured: list[str] = []

    def by_width(network: torch.nn.Module, *_: object) -> float:
        measured.append(network.architecture.digest)  # type: ignore[union-attr, arg-type]
        return float(network.architecture.base_width)  # type: ignore[union-attr, arg-type]

    monkeypatch.setattr("pure_nas.plans.search.session.latency_ms", by_width)
    settings = small(trials=8, limits=Limits(latency_ms=2.5))
    trials = trials_of(settings, tmp_path)
    assert {trial.candidate.architecture.base_width for trial in trials if trial.counts} == {2}
    assert {trial.reason for trial in trials if not trial.counts} <= {
        "3 ms is over 2.5 ms",
        "4 ms is over 2.5 ms",
    }
    assert len(measured) == len(set(measured)) <= 6


@pytest.mark.parametrize(
    "changes", [{"objectives": ("error", "latency")}, {"limits": Limits(latency_ms=100.0)}], ids=["objective", "limit"]
)
def test_latency_is_measured_with_nothing_else_in_training(tiny: Settings, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Latency cannot be measured while 2 networks"):
        tiny(workers=2, **changes)
    settings = tiny(workers="auto", **changes)
    assert settings.resolved()["workers"] == "auto"
    plan = prepare(settings).workers_for(5)
    assert plan.count == 1
    assert "latency" in plan.reason
