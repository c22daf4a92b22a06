"""The Optuna study of a run: the only place that asks and tells.

Suggestions are drawn in memory and each trial is stored whole, with all its parameters, in one transaction: a
process killed at any moment leaves a trial that exists with everything it needs, or not at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from pure_nas.errors import RunError
from pure_nas.plans.search.samplers import SamplerName, make_sampler
from pure_nas.plans.search.storage import REBUILD, fault_of
from pure_nas.run.results import TrialRecord
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

BASELINE_KEY = "baseline"


@dataclass(frozen=True)
class Asked:
    """A trial that has been begun; the label of the baseline that it is, or empty."""

    number: int
    candidate: Candidate
    baseline: str = ""


class SearchStudy:
    """Asks for candidates of a space and is told what became of them; seed and number decide every suggestion."""

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        *,
        space: SearchSpace,
        objectives: Sequence[str],
        sampler: SamplerName,
        seed: int,
    ) -> None:
        self.space = space
        self._sampler: SamplerName = sampler
        self._seed = seed
        directions = [StudyDirection.MINIMIZE] * len(objectives)
        with _explained(name):
            self._stored = optuna.create_study(
                storage=storage, study_name=name, directions=directions, load_if_exists=True
            )
            trials = self._stored.get_trials(deepcopy=False)
        if self._stored.directions != directions:
            raise RunError(f'The study "{name}" has other objectives than {", ".join(objectives)}.')
        if not trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._stored.set_metric_names(list(objectives))
        self._memory = optuna.create_study(directions=directions)
        for trial in trials:
            self._memory.add_trial(trial)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial that the study knows, by number."""
        return self._memory.get_trials(deepcopy=False)

    def ask(self) -> Asked:
        """Begin a trial with a candidate that the sampler suggests."""
        number = len(self.trials)
        given = sum(BASELINE_KEY in trial.user_attrs for trial in self.trials)
        self._memory.sampler = make_sampler(self._sampler, self._seed, number, given)
        trial = self._memory.ask()
        candidate = self.space.suggest(trial)
        self._store(number)
        return Asked(number, candidate)

    def begin(self, candidate: Candidate, baseline: str = "") -> Asked:
        """Begin a trial with a given candidate; what of it lies in the space teaches the sampler."""
        number = len(self.trials)
        located, labels = self.space.parameters_of(candidate), {BASELINE_KEY: baseline} if baseline else {}
        self._memory.add_trial(_running(located.params, located.distributions, labels, {}))
        self._store(number)
        return Asked(number, candidate, baseline)

    def candidate_of(self, number: int) -> Candidate:
        """The candidate that trial `number` suggested, rebuilt from its parameters."""
        try:
            return self.space.suggest(FixedTrial(self.trials[number].params))
        except ValueError as error:
            raise RunError(
                f'Trial {number} of the study "{self._stored.study_name}" was not suggested by this search: {error}',
                hint=REBUILD,
            ) from error

    def tell(self, record: TrialRecord) -> None:
        """Tell how a trial ended.

        A complete one has values. Any other is pruned with a constraint that it breaks: told as failed, samplers
        would learn nothing from it.
        """
        state, values, constraints = TrialState.COMPLETE, list(record.objectives), record.constraints
        if record.state != "complete":
            state, values = TrialState.PRUNED, []
            constraints = {key: value for key, value in constraints.items() if value > 0} or {record.state: 1.0}
        with _explained(self._stored.study_name):
            for study in (self._memory, self._stored):
                frozen = study.get_trials(deepcopy=False)[record.number]
                trial = Trial(study, frozen._trial_id)
                # A search killed while it told the constraints has left some of them.
                for key in constraints:
                    if key not in frozen.constraints:
                        trial.set_constraint(key, constraints[key])
                study.tell(record.number, values or None, state=state)

    def _store(self, number: int) -> None:
        """Write the trial that memory just began as one transaction."""
        drawn = self.trials[number]
        with _explained(self._stored.study_name):
            self._stored.add_trial(_running(drawn.params, drawn.distributions, drawn.user_attrs, drawn.system_attrs))
            stored = len(self._stored.get_trials(deepcopy=False))
        if stored != number + 1:
            raise RunError(
                f'Another program added trials to the study "{self._stored.study_name}" while this search ran; a study '
                "has one search.",
                hint=REBUILD,
            )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what goes wrong in the storage of the study `name` into a RunError."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, KeyError, ValueError) as error:
        fault = fault_of(error)
        raise RunError(f'The study "{name}" cannot be used: {fault.cause}.', hint=fault.hint) from error


def _running(
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    user_attrs: Mapping[str, Any],
    system_attrs: Mapping[str, Any],
) -> FrozenTrial:
    """A trial as it is stored when it begins."""
    trial = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=dict(user_attrs),
        system_attrs=dict(system_attrs),
    )
    trial.datetime_start = datetime.now()
    return trial
