"""What becomes of a search whose study another program changes, breaks or takes away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from heard import Acting
from searches import Settings, outcomes, results_of, run_search, stored_in, stored_trials

from pure_nas.errors import RunError
from pure_nas.plans.search.baselines import Baseline
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.search import reconcile
from pure_nas.plans.search.session import prepare
from pure_nas.plans.search.storage import open_storage
from pure_nas.plans.search.study import SearchStudy
from pure_nas.run.directory import RunDirectory


def test_a_trial_that_another_program_adds_is_refused_and_moving_the_study_away_helps(
    tiny: Settings, tmp_path: Path
) -> None:
    settings, database = tiny(trials=4), tmp_path / "met" / "study" / "study.db"

    def add_a_trial() -> None:
        study = optuna.load_study(study_name="study", storage=f"sqlite:///{database}")
        study.add_trial(optuna.trial.create_trial(values=[0.5, 100.0]))

    with pytest.raises(RunError, match="Another program added trials") as raised:
        run_search(settings, tmp_path / "met", Acting({("started", 1): add_a_trial}))
    assert "move study.db" in raised.value.hint
    assert "rebuilt" in raised.value.hint
    with pytest.raises(RunError, match="Trial 2 is complete in the study, but") as raised:
        run_search(settings, tmp_path / "met")
    assert "move study.db away" in raised.value.hint
    database.unlink()
    run_search(settings, tmp_path / "met")
    run_search(settings, tmp_path / "alone")
    assert outcomes(tmp_path / "met") == outcomes(tmp_path / "alone")


def test_a_study_that_breaks_during_the_search_loses_no_trial(tiny: Settings, tmp_path: Path) -> None:
    def drop_trials() -> None:
        with closing(sqlite3.connect(tmp_path / "study" / "study.db")) as connection:
            connection.execute("DROP TABLE trials")
            connection.commit()

    with pytest.raises(RunError, match='The study "study" cannot be used') as raised:
        run_search(tiny(trials=2), tmp_path, Acting({("started", 0): drop_trials}))
    assert "\n" not in raised.value.message
    assert [trial.state for trial in results_of(tmp_path).trials] == ["complete"]


def test_a_search_killed_while_it_told_the_limits_tells_the_rest_on_the_next_start(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(trials=1, limits=Limits(params=10_000, flops=10**9))
    original = optuna.trial.Trial.set_constraint
    told: list[str] = []

    def killed(self: optuna.trial.Trial, key: str, value: float) -> None:
        told.append(key)
        if len(told) == 2:
            raise KeyboardInterrupt
        original(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.trial.Trial, "set_constraint", killed)
        with pytest.raises(KeyboardInterrupt):
            run_search(settings, tmp_path)
    assert len(stored_in(tmp_path)[0].constraints) == 1
    run_search(settings, tmp_path)
    (stored,) = stored_in(tmp_path)
    assert stored.state.name == "COMPLETE"
    assert stored.constraints == results_of(tmp_path).trials[0].constraints
    assert len(stored.constraints) == 2


def test_a_study_kept_elsewhere_works_and_goes_on(tiny: Settings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    run_search(tiny(trials=2, storage=url), tmp_path / "parts")
    assert not (tmp_path / "parts" / "study" / "study.db").exists()
    run_search(tiny(trials=4, storage=url), tmp_path / "parts")
    run_search(tiny(trials=4), tmp_path / "whole")
    assert outcomes(tmp_path / "parts") == outcomes(tmp_path / "whole")
    assert [trial.state.name for trial in stored_trials(url)] == ["COMPLETE"] * 4
    with pytest.raises(RunError, match="Trial 0 is complete in the study, but"):
        run_search(tiny(storage=url), tmp_path / "another")


def test_a_rebuilt_study_takes_for_a_baseline_only_what_was_one(tiny: Settings, tmp_path: Path) -> None:
    """A sampled trial may train what a baseline trains; samplers count it as theirs."""
    settings = tiny(trials=2)
    run_search(settings, tmp_path / "out")
    run = RunDirectory(tmp_path / "out" / "study")
    plan = [Baseline(f"baseline {number}", run.trial(number).candidate()) for number in (0, 1)]
    (run.trial(1).path / "result.json").unlink()
    study = SearchStudy(
        open_storage(tmp_path / "rebuilt.db", None),
        "study",
        space=prepare(settings).space,
        objectives=settings.objectives,
        sampler="tpe",
        seed=0,
    )
    finished, unfinished = reconcile(run, study, settings.objectives, plan)
    assert list(finished) == [0]
    assert [trial.user_attrs.get("baseline") for trial in study.trials] == [None, "baseline 1"]
    assert [(asked.number, asked.baseline) for asked in unfinished] == [(1, "baseline 1")]
