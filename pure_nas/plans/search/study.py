"""The Optuna study of a run: the only place that asks and tells. Drawn in memory, each trial is stored whole or not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.plans.search.samplers import SamplerName, make_sampler
from pure_nas.plans.search.storage import REBUILD, fault_of
from pure_nas.run.search_results import TrialRecord
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

BASELINE_KEY = "baseline"
FIDELITY = "fidelity"
"""The constraint of a trial that stopped: the share of its epochs that it lacks."""


@dataclass(frozen=True)
class Asked:
    """A trial that has been begun; the label of the baseline that it is, or empty."""

    number: int
    candidate: Candidate
    baseline: str = ""


@dataclass(eq=False)
class SearchStudy:
    """Asks for candidates of a space and is told what became of them; seed and number decide every suggestion."""

    storage: BaseStorage
    name: str
    _: KW_ONLY
    space: SearchSpace
    objectives: Sequence[str]
    sampler: SamplerName
    seed: int

    def __post_init__(self) -> None:
        directions = [StudyDirection.MINIMIZE] * len(self.objectives)
        with _explained(self.name):
            self._stored = optuna.create_study(
                storage=self.storage, study_name=self.name, directions=directions, load_if_exists=True
            )
            trials = self._stored.get_trials(deepcopy=False)
        if self._stored.directions != directions:
            raise RunError(f'The study "{self.name}" has other objectives than {", ".join(self.objectives)}.')
        if not trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._stored.set_metric_names(list(self.objectives))
        # It learns how a trial ended when suggestions may follow from that.
        self._memory = optuna.create_study(directions=directions)
        self._memory.add_trials([_as_begun(trial) for trial in trials])
        self._learned: set[int] = set()

    @property
    def trials(self) -> list[FrozenTrial]:
        return self._stored.get_trials(deepcopy=False)

    @property
    def begun(self) -> int:
        """How many trials this search has begun."""
        return len(self._memory.get_trials(deepcopy=False))

    @property
    def given(self) -> int:
        """Trials that were not suggested."""
        return sum(BASELINE_KEY in trial.user_attrs for trial in self.trials)

    def ask(self, known: int | None = None) -> Asked:
        """Begin a trial with a candidate that follows from those of the first `known` trials that have ended; of all
        if left out. The study's sampler is one of Optuna's."""
        assert self.sampler != "forecast"
        with _explained(self.name):
            self._learn(self.trials[:known])
        number = self.begun
        self._memory.sampler = make_sampler(self.sampler, self.seed, number, self.given)
        trial = self._memory.ask()
        candidate = self.space.suggest(trial)
        for key, value in attributes_of(candidate).items():
            trial.set_user_attr(key, value)
        self._store(number)
        return Asked(number, candidate)

    def begin(self, candidate: Candidate, baseline: str = "") -> Asked:
        """Begin a trial with a given candidate; what of it lies in the space teaches the sampler."""
        number = self.begun
        located, attributes = self.space.parameters_of(candidate), attributes_of(candidate)
        attributes |= {BASELINE_KEY: baseline} if baseline else {}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(located.params),
            distributions=dict(located.distributions),
            user_attrs=attributes,
        )
        self._memory.add_trial(trial)
        self._store(number)
        return Asked(number, candidate, baseline)

    def candidate_of(self, number: int) -> Candidate:
        try:
            return self.space.suggest(FixedTrial(self.trials[number].params))
        except ValueError as error:
            raise RunError(
                f'Trial {number} of the study "{self.name}" was not suggested by this search: {error}',
                hint=REBUILD,
            ) from error

    def tell(self, record: TrialRecord) -> None:
        """Tell how a trial ended.

        One that stopped is complete, but out of bounds by the share of epochs that it lacks: samplers learn from it and
        do not take it for as good as others. Any other is pruned: from one that failed they learn nothing.
        """
        state, values, constraints = TrialState.COMPLETE, list(record.objectives), dict(record.constraints)
        if record.stopped_after is not None:
            constraints[FIDELITY] = 1 - record.stopped_after / record.candidate.recipe.epochs
        elif record.state != "complete":
            state, values = TrialState.PRUNED, []
            constraints = {key: value for key, value in constraints.items() if value > 0} or {record.state: 1.0}
        with _explained(self.name):
            trial = Trial(self._stored, self.trials[record.number]._trial_id)
            constrain(trial, constraints)
            trial.set_user_attr("state", record.state)
            trial.set_user_attr("seconds", record.seconds)
            self._stored.tell(record.number, values or None, state=state)

    def _learn(self, trials: Sequence[FrozenTrial]) -> None:
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._learned:
                begun = self._memory.get_trials(deepcopy=False)[trial.number]
                constrain(Trial(self._memory, begun._trial_id), trial.constraints)
                self._memory.tell(trial.number, trial.values, state=trial.state)
                self._learned.add(trial.number)

    def _store(self, number: int) -> None:
        with _explained(self.name):
            self._stored.add_trial(self._memory.get_trials(deepcopy=False)[number])
            stored = len(self.trials)
        if stored != number + 1:
            raise RunError(
                f'Another program added trials to the study "{self.name}" while this search ran; only '
                "one search may use a study.",
                hint=REBUILD,
            )


def attributes_of(candidate: Candidate) -> dict[str, Any]:
    """What dashboards and data frames show of a trial besides its parameters."""
    architecture = candidate.architecture
    cost = cost_of(architecture)
    return {
        "params": cost.params,
        "flops": cost.flops,
        "depth": architecture.depth,
        "placement": " | ".join(" ".join(stage) for stage in architecture.units),
        "architecture": architecture.to_json(),
        "recipe": candidate.recipe.to_json(),
    }


def _as_begun(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
    )


def constrain(trial: Trial | FrozenTrial | FixedTrial, constraints: Mapping[str, float]) -> None:
    """Set constraints, but those that a trial has: it is evaluated again, or a search was killed as it told them."""
    for key, value in constraints.items():
        if key not in trial.constraints:
            trial.set_constraint(key, value)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, KeyError, ValueError) as error:
        cause, hint = fault_of(error)
        raise RunError(f'The study "{name}" cannot be used: {cause}.', hint=hint) from error
