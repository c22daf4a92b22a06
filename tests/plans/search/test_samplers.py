"""The sampler suits the length of the search, and baselines do not count as its start."""

from __future__ import annotations

from typing import get_args

import optuna
import pytest

from pure_nas.plans.search.samplers import OptunaSampler, SamplerName, choose_sampler, make_sampler


@pytest.mark.parametrize(
    ("trials", "seconds", "chosen"),
    [
        (150, 30.0, "gp"),
        (1, 1e6, "gp"),
        (150, 29.9, "tpe"),
        (151, 30.0, "tpe"),
        (500, 1e6, "tpe"),
        (500, 0.1, "tpe"),
        (501, 0.1, "nsga2"),
        (501, 1e6, "nsga2"),
    ],
)
def test_auto_chooses_by_the_number_and_length_of_trials(trials: int, seconds: float, chosen: str) -> None:
    found = choose_sampler("auto", trials, seconds)
    assert found.name == chosen
    assert found.reason not in ("", "as requested")


def test_auto_forecasts_errors_where_costs_are_known() -> None:
    assert choose_sampler("auto", 1000, 0.1, closed_form=True).name == "forecast"


@pytest.mark.parametrize("name", get_args(SamplerName))
def test_what_was_asked_for_is_taken(name: SamplerName) -> None:
    found = choose_sampler(name, 10_000, 0.0)
    assert (found.name, found.reason) == (name, "as requested")


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_models_begin_to_decide_after_ten_suggestions_besides_those_given(name: OptunaSampler) -> None:
    def decided_by_model(trials: int, given: int) -> bool:
        """Whether what was learned changes what is suggested next."""
        found = []
        for best in (0.0, 1.0):
            study = optuna.create_study(directions=["minimize", "minimize"])
            for number in range(trials):
                x = number / trials
                distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}
                value = abs(x - best)
                study.add_trial(
                    optuna.trial.create_trial(params={"x": x}, distributions=distributions, values=[value, value])
                )
            study.sampler = make_sampler(name, 0, trials, given)
            found.append(study.ask().suggest_float("x", 0, 1))
        return found[0] != found[1]

    assert not decided_by_model(9, 0)
    assert decided_by_model(10, 0)
    assert not decided_by_model(13, 4)
    assert decided_by_model(14, 4)
