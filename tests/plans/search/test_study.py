"""Every trial is stored whole when it begins, and told so that samplers learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from pure_nas.errors import RunError
from pure_nas.plans.search.baselines import baselines
from pure_nas.plans.search.samplers import SamplerName
from pure_nas.plans.search.storage import close_storage, open_storage
from pure_nas.plans.search.study import SearchStudy, attributes_of
from pure_nas.run.search_results import TrialRecord
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.search_space import SearchSpace


@pytest.fixture
def space(tiny_space_file: Path) -> SearchSpace:
    return load_space(str(tiny_space_file)).with_images(in_chans=1, num_classes=3, image_size=8)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def study_in(
    url: str,
    space: SearchSpace,
    *,
    sampler: SamplerName = "random",
    objectives: Sequence[str] = ("error", "flops"),
    seed: int = 0,
) -> SearchStudy:
    storage = optuna.storages.get_storage(url)
    return SearchStudy(storage, "study", space=space, objectives=objectives, sampler=sampler, seed=seed)


def stored(url: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="study", storage=url).get_trials()


def record(number: int, candidate: Candidate, state: Any = "complete", **fields: Any) -> TrialRecord:
    objectives = {"objectives": (0.25, 100.0)} if state == "complete" else {}
    return TrialRecord(number=number, state=state, candidate=candidate, **{**objectives, **fields})


def test_a_trial_is_stored_whole_when_it_begins(url: str, space: SearchSpace) -> None:
    study = study_in(url, space)
    asked = study.ask()
    (trial,) = stored(url)
    assert trial.state == TrialState.RUNNING
    assert trial.datetime_start is not None
    assert space.suggest(optuna.trial.FixedTrial(trial.params)) == asked.candidate
    assert trial.distributions == study.trials[0].distributions
    assert study_in(url, space).candidate_of(0) == asked.candidate


def test_a_baseline_teaches_what_of_it_lies_in_the_space(url: str, space: SearchSpace) -> None:
    baseline = baselines(space)[0]
    study = study_in(url, space)
    asked = study.begin(baseline.candidate, baseline.label)
    assert (asked.number, asked.candidate, asked.baseline) == (0, baseline.candidate, baseline.label)
    (trial,) = stored(url)
    assert trial.params == space.parameters_of(baseline.candidate).params
    assert trial.user_attrs == {**attributes_of(baseline.candidate), "baseline": baseline.label}


def test_a_complete_trial_is_told_its_values_and_constraints(url: str, space: SearchSpace) -> None:
    study = study_in(url, space)
    asked = study.ask()
    study.tell(record(0, asked.candidate, constraints={"max_params": -0.5, "max_flops": 0.0}))
    for trial in (*stored(url), *study.trials):
        assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.25, 100.0])
        assert trial.constraints == {"max_params": -0.5, "max_flops": 0.0}


@pytest.mark.parametrize(
    ("state", "given", "told"),
    [
        ("rejected", {"max_params": 0.5, "max_flops": -0.5}, {"max_params": 0.5}),
        ("diverged", {"max_params": -0.5}, {"diverged": 1.0}),
        ("failed", {}, {"failed": 1.0}),
    ],
)
def test_any_other_trial_is_pruned_with_a_constraint_that_it_breaks(
    state: str, given: dict[str, float], told: dict[str, float], url: str, space: SearchSpace
) -> None:
    study = study_in(url, space)
    study.tell(record(0, study.ask().candidate, state, constraints=given))
    for trial in (*stored(url), *study.trials):
        assert trial.state == TrialState.PRUNED
        assert trial.constraints == told


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp", "random"])
def test_suggestions_follow_from_the_seed_whether_a_study_is_opened_again_or_not(
    sampler: SamplerName, limited: bool, space: SearchSpace, tmp_path: Path
) -> None:
    """Also where some trials diverged or were rejected, which must not raise a warning either."""

    def go(name: str, *, reopen: bool = False, seed: int = 0, trials: int = 16) -> list[str]:
        url = f"sqlite:///{tmp_path / name}.db"
        study = study_in(url, space, sampler=sampler, seed=seed)
        digests = []
        for number in range(trials):
            if reopen and number % 5 == 0:
                study = study_in(url, space, sampler=sampler, seed=seed)
            asked = study.ask()
            digests.append(asked.candidate.digest)
            state = {0: "rejected" if limited else "failed", 1: "diverged"}.get(number % 6, "complete")
            constraints = {"max_params": 0.5 if state == "rejected" else -0.1} if limited else {}
            objectives = (asked.candidate.recipe.learning_rate.trunk, float(asked.candidate.architecture.base_width))
            values = {"objectives": objectives} if state == "complete" else {}
            study.tell(record(number, asked.candidate, state, constraints=constraints, **values))
        return digests

    whole = go("whole")
    assert whole == go("opened again", reopen=True)
    assert len(set(whole)) == 16
    assert go("another seed", seed=1, trials=1) != whole[:1]


def test_objectives_are_named_and_minimised(url: str, space: SearchSpace) -> None:
    study_in(url, space, objectives=("error", "params", "memory"))
    study = optuna.load_study(study_name="study", storage=url)
    assert study.metric_names == ["error", "params", "memory"]
    assert {direction.name for direction in study.directions} == {"MINIMIZE"}


def test_a_study_of_other_objectives_is_refused(url: str, space: SearchSpace) -> None:
    study_in(url, space)
    with pytest.raises(RunError, match="has other objectives than error, params, flops"):
        study_in(url, space, objectives=("error", "params", "flops"))
    optuna.create_study(study_name="other", storage=url, directions=["maximize", "minimize"])
    storage = optuna.storages.get_storage(url)
    with pytest.raises(RunError, match="has other objectives"):
        SearchStudy(storage, "other", space=space, objectives=("error", "flops"), sampler="tpe", seed=0)


def test_a_trial_with_other_parameters_is_no_candidate(url: str, space: SearchSpace) -> None:
    study_in(url, space)
    foreign = optuna.load_study(study_name="study", storage=url).ask()
    foreign.suggest_float("something.else", 0, 1)
    with pytest.raises(RunError, match='Trial 0 of the study "study" was not suggested by this search'):
        study_in(url, space).candidate_of(0)


@pytest.mark.parametrize(
    ("pragma", "cause", "way_out"),
    [
        ("max_page_count = 1", "database or disk is full", "Free some space"),
        ("query_only = 1", "attempt to write a readonly database", "can be written"),
    ],
)
def test_the_fault_of_a_storage_is_named(
    pragma: str, cause: str, way_out: str, space: SearchSpace, tmp_path: Path
) -> None:
    storage = open_storage(tmp_path / "study.db", None)
    study = SearchStudy(storage, "study", space=space, objectives=("error", "flops"), sampler="random", seed=0)
    event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}"))
    # There may be room for a few trials in pages that are there already.
    with pytest.raises(RunError) as raised:
        [study.ask() for _ in range(50)]
    assert f'The study "study" cannot be used: {cause}.' in raised.value.message
    assert way_out in raised.value.hint
    assert isinstance(raised.value.__cause__, StorageInternalError | SQLAlchemyError)
    close_storage(storage)
