"""Trials that end early, and a search that does not depend on how many workers train."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from interleaved import train_interleaved
from searches import outcomes, results_of, run_search, settings_for, small_space, stored_in, trials_of

from pure_nas.errors import RunError, UsageError
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.quantities import counted
from pure_nas.report.data import report_data
from pure_nas.report.pages import search_page
from pure_nas.report.search_tables import trials_table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas.workers.executor import Execution

EPOCHS, TRIALS = 8, 18
Make = Callable[..., SearchSettings]


@pytest.fixture(scope="module")
def make(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes settings of a search whose rates spread so far that many trials are hopeless."""

    path = tmp_path_factory.mktemp("space") / "stopping.toml"
    path.write_text(small_space(EPOCHS, 1e-5), encoding="utf-8")

    def settings(**changes: Any) -> SearchSettings:
        return settings_for(image_folder, path, **{"sampler": "forecast", "trials": TRIALS, **changes})

    return settings


@pytest.fixture(scope="module")
def whole(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    run_search(make(), out)
    assert {"complete", "stopped"} <= {each.state for each in results_of(out).trials}
    return out


def stopped_trials(out: Path) -> list[TrialRecord]:
    return [each for each in results_of(out).trials if each.state == "stopped"]


def test_a_trial_stops_after_the_first_epoch_whose_error_is_too_high(whole: Path) -> None:
    run = RunDirectory(whole / "study")
    for trial in results_of(whole).trials:
        stops = json.loads(run.trial(trial.number).stops_path.read_text())
        errors = [epoch["validation_error"] for epoch in trial.curve]
        over = [int(epoch) for epoch, most in stops["errors"].items() if errors[: int(epoch)][-1] > most]
        assert stops["known"] == max(trial.number - 4, 0)
        if trial.state == "stopped":
            assert not stops["audit"]
            assert trial.stopped_after == len(errors) == min(over) < EPOCHS
            assert trial.metrics["error"] == errors[-1]
            assert f"stopped after epoch {len(errors)} of {EPOCHS}" in trial.reason
        else:
            assert len(errors) == EPOCHS
            assert not over or stops["audit"]


def test_a_stopped_trial_is_kept_apart_and_the_study_learns_what_it_lacks(whole: Path) -> None:
    results, stored = results_of(whole), stored_in(whole)
    for trial in stopped_trials(whole):
        assert trial not in results.complete
        assert trial.weights_bytes == 0
        with pytest.raises(UsageError, match=f"Trial {trial.number} is stopped: stopped after epoch"):
            results.select(str(trial.number))
        told = stored[trial.number]
        assert (told.state.name, tuple(told.values)) == ("COMPLETE", trial.objectives)
        assert told.constraints == {"fidelity": 1 - (trial.stopped_after or 0) / EPOCHS}
        assert trial.objectives[0] == trial.metrics["error"]
    assert sum(trial.counts for trial in results.trials) == TRIALS


def test_the_page_and_the_table_of_trials_say_what_stopped(whole: Path) -> None:
    data = report_data(RunDirectory(whole / "study"))
    page, stopped = search_page(data), stopped_trials(whole)
    assert f"{counted(len(stopped), 'trial')} ended early, which saved" in page
    assert "No early stop has been audited yet" in page or "As an audit, " in page
    lines = {record["trial"]: record for record in trials_table(data).records()}
    assert all(lines[each.number]["stopped_after"] == each.stopped_after for each in stopped)
    assert {each.number for each in data.front}.isdisjoint(each.number for each in stopped)


@pytest.mark.parametrize("slots", [2, 4])
def test_any_number_of_workers_gives_the_same_search(
    slots: int, make: Make, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_interleaved(monkeypatch, slots)
    run_search(make(), tmp_path)
    assert outcomes(tmp_path) == outcomes(whole)


@pytest.mark.parametrize("events_at_once", [9, 41])
def test_a_search_that_is_interrupted_again_and_again_takes_the_same_decisions(
    events_at_once: int, make: Make, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pure_nas.workers.work._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    train_interleaved(monkeypatch, 1, stop_after=events_at_once)
    for _ in range(60):
        with suppress(KeyboardInterrupt):
            run_search(make(), tmp_path)
            break
    assert outcomes(tmp_path) == outcomes(whole)


def test_an_audited_trial_is_trained_to_its_end(make: Make, whole: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pure_nas.plans.search.forecasts.AUDIT", 1.0)
    run_search(make(), tmp_path)
    run = RunDirectory(tmp_path / "study")
    assert {each.state for each in results_of(tmp_path).trials} == {"complete"}
    stops = [json.loads(run.trial(number).stops_path.read_text()) for number in range(TRIALS)]
    assert all(each["audit"] for each in stops)
    assert any(each["errors"] for each in stops)


@pytest.mark.parametrize("changes", [{"early_stopping": False}, {"objectives": ("error", "memory"), "sampler": "tpe"}])
def test_nothing_stops_where_that_was_not_asked_for_or_costs_are_not_known(
    changes: dict[str, Any], make: Make, tmp_path: Path
) -> None:
    assert {each.state for each in trials_of(make(**changes, trials=10), tmp_path)} <= {"complete", "diverged"}
    assert not list(tmp_path.rglob("stops.json"))


def test_baselines_are_trained_to_their_end(make: Make, tmp_path: Path) -> None:
    for trial in trials_of(make(baselines=True, trials=8), tmp_path):
        assert not (trial.baseline and trial.state == "stopped")
        assert RunDirectory(tmp_path / "study").trial(trial.number).stops_path.exists() is not bool(trial.baseline)


def test_stops_that_were_changed_afterwards_are_noticed(make: Make, tmp_path: Path) -> None:
    run_search(make(trials=1), tmp_path)
    path = RunDirectory(tmp_path / "study").trial(0).stops_path
    path.write_text(path.read_text().replace('"known": 0', '"known": 1'))
    with pytest.raises(RunError, match=r"stops\.json was changed after the trial had ended"):
        run_search(make(trials=2), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "forecast", "objectives": ("error", "latency")}, "forecast needs costs that are known before"),
        ({"lag": -1}, "A lag is 0 or more, not -1"),
        ({"lag": 10**20}, "A lag is at most 100,000"),
        ({"trial_timeout": 3.0, "execution": Execution(kind="inline")}, "A trial in this process cannot be ended"),
        ({"lag": 1, "workers": 2}, "With a lag of 1 trials, 2 workers would wait for each other"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str, make: Make) -> None:
    with pytest.raises(UsageError, match=message):
        make(**changes)


def test_a_run_that_began_without_a_lag_goes_on_without_early_stopping(make: Make, tmp_path: Path) -> None:
    settings = make(sampler="tpe", trials=2)
    run_search(settings, tmp_path)
    run = RunDirectory(tmp_path / "study")
    text = run.settings_path.read_text().splitlines(keepends=True)
    run.settings_path.write_text("".join(line for line in text if not line.startswith(("lag", "early_stopping"))))
    assert {each.state for each in trials_of(make(sampler="tpe", trials=14), tmp_path)} <= {"complete", "diverged"}
    assert not run.trial(10).stops_path.exists()
