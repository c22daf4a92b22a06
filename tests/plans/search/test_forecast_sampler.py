"""The forecast as a sampler of people's own studies."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from searches import Objectives

from pure_nas.errors import UsageError
from pure_nas.plans.search.forecast_sampler import ForecastSampler


def study_of(objective: object, sampler: ForecastSampler) -> optuna.Study:
    return optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)


def test_a_study_of_ones_own_goes_on_as_it_would_have(objective_of: Objectives) -> None:
    objective = objective_of()
    whole = study_of(objective, ForecastSampler(objective, seed=1))
    whole.optimize(objective, n_trials=14)
    assert [trial.state for trial in whole.trials] == [TrialState.COMPLETE] * 14
    assert len({frozenset(trial.params.items()) for trial in whole.trials}) > 8
    parts = study_of(objective, ForecastSampler(objective, seed=1))
    parts.add_trials(whole.trials[:11])
    parts.sampler = ForecastSampler(objective, seed=1)
    parts.optimize(objective, n_trials=3)
    assert [trial.params for trial in parts.trials] == [trial.params for trial in whole.trials]


def test_what_ended_decides_what_is_suggested(objective_of: Objectives) -> None:
    """Also what stopped early or diverged."""
    objective = objective_of()
    first = study_of(objective, ForecastSampler(objective))
    first.optimize(objective, n_trials=10)

    def next_after(*, rising: bool) -> dict[str, object]:
        study = study_of(objective, ForecastSampler(objective))
        for place, trial in enumerate(first.trials):
            stopped, diverged = place == 3, place == 4
            error = (place + 1 if rising else 10 - place) / 20
            study.add_trial(
                create_trial(
                    state=TrialState.PRUNED if diverged else TrialState.COMPLETE,
                    values=None if diverged else [error, trial.values[1]],
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs={"errors": [error]},
                    constraints={"fidelity": 0.5} if stopped else {"diverged": 1.0} if diverged else {},
                )
            )
        trial = study.ask()
        objective._prepared.space.suggest(trial)
        return trial.params

    assert next_after(rising=True) == next_after(rising=True)
    assert next_after(rising=True) != next_after(rising=False)


def test_objectives_that_are_measured_are_refused(objective_of: Objectives) -> None:
    with pytest.raises(UsageError, match="costs that are known before a training"):
        ForecastSampler(objective_of(objectives=("error", "latency")))


def test_a_limit_is_kept(objective_of: Objectives) -> None:
    objective = objective_of(limits={"params": 400})
    study = study_of(objective, ForecastSampler(objective))
    study.optimize(objective, n_trials=10)
    assert all(trial.user_attrs["params"] <= 400 for trial in study.trials if trial.state == TrialState.COMPLETE)
    assert sum(trial.state == TrialState.COMPLETE for trial in study.trials) >= 8
