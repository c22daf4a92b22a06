"""The sampler of a search as one of Optuna's, for people who run their own study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import Forecaster, Known
from pure_nas.forecast.proposal import propose
from pure_nas.forecast.variation import Point
from pure_nas.plans.search.objective import Objective
from pure_nas.plans.search.settings import require_closed_form
from pure_nas.plans.search.study import FIDELITY
from pure_nas.run.schema import Count
from pure_nas.validation import checked


class ForecastSampler(BaseSampler):
    """Suggests the networks that promise most hypervolume for their cost.

    A Gaussian process learns errors from placements, depth, width and recipe; costs are known. It learns from the user
    attribute "errors" of trials too, which `Objective` sets: the error after each epoch. A complete trial with a
    constraint "fidelity" above 0 has stopped early.

    Args:
        objective: what the study optimises; all its objectives but the error must be flops or params.
        seed: with a trial's number it decides what is suggested after the same trials.

    Raises:
        UsageError: an objective is measured, not known before a training.

    Example:
        >>> import optuna
        >>> objective = pure_nas.Objective("digits", epochs=1)
        >>> study = optuna.create_study(directions=objective.directions, sampler=pure_nas.ForecastSampler(objective))
        >>> study.optimize(objective, n_trials=2)
        >>> len(study.trials)
        2
    """

    @checked
    def __init__(self, objective: Objective, seed: Count = 0) -> None:
        prepared = objective._prepared
        settings = prepared.settings
        require_closed_form("A ForecastSampler", settings.objectives, hint="Take one of Optuna's samplers.")
        self._space, self._limits, self._seed = prepared.space, settings.limits, seed
        encoding = Encoding(prepared.space, settings.objectives[1:])
        self._forecaster = Forecaster(
            encoding, prepared.space.run.epochs, prepared.worst("error"), 1 / len(prepared.dataset.validation)
        )
        self._points: dict[int, Point] = {}
        self._proposed: dict[int, Mapping[str, Any]] = {}
        self._random = RandomSampler(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters of the candidate that is proposed: not every candidate has the same."""
        earlier = [each for each in study.get_trials(deepcopy=False) if each.number < trial.number]
        known = [found for each in earlier if (found := self._known(each)) is not None]
        begun = [each.params for each in earlier]

        def taken(point: Point) -> bool:
            return point.params in begun or not self._limits.kept_by(point.candidate.architecture)

        rng = np.random.default_rng([self._seed, trial.number])
        point = propose(self._forecaster.after(known), trial.number, taken, rng)
        self._proposed[trial.number] = point.params
        return self._space.parameters_of(point.candidate).distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._proposed.pop(trial.number))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _known(self, trial: FrozenTrial) -> Known | None:
        """What a trial teaches; None where it has not ended, or was not trained."""
        errors = trial.user_attrs.get("errors", ())
        if trial.state == TrialState.COMPLETE:
            state = "stopped" if trial.constraints.get(FIDELITY, 0.0) > 0 else "complete"
            errors = errors or trial.values[:1]
        elif trial.state == TrialState.PRUNED and "diverged" in trial.constraints:
            state = "diverged"
        else:
            return None
        if trial.number not in self._points:
            try:
                candidate = self._space.suggest(FixedTrial(trial.params))
            except ValueError:  # it lacks a parameter: a trial of something else
                return None
            self._points[trial.number] = Point(candidate, trial.params)
        return Known.ended(self._points[trial.number], errors, state)
