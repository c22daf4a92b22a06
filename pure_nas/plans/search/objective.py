"""The evaluation of a search as a plain callable, for people who run their own Optuna study."""

from __future__ import annotations

import operator
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import optuna
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, Trial
from pydantic import ValidationError

from pure_nas.data.sources.own import AnyDataset, dataset_name
from pure_nas.errors import UsageError, reason
from pure_nas.objectives import METRICS, Metric, require_objective
from pure_nas.paths import expanded
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.settings import SearchSettings, objective_values
from pure_nas.plans.search.setup import prepare
from pure_nas.process_state import usual_defaults
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import default_space_for, load_space
from pure_nas.space.search_space import SearchSpace
from pure_nas.workers import Ended, InlineExecutor, Job, Outcome

_ANY_SEED = 2**32
AnyTrial = Trial | FrozenTrial | FixedTrial
AnySpace = SearchSpace | str | os.PathLike[str] | None
AnyLimits = Limits | Mapping[str, float | str | None] | None
AnyObjective = str | Metric | Callable[..., float]


class Objective:
    """Suggests a PURe network, trains it, and returns its validation error and costs.

    Each trial gets the user attributes "architecture" and "recipe" (JSON), "params" and "flops". A trial over a
    limit, or whose loss became NaN, is pruned with a constraint, which samplers learn from. Where a study runs threads
    (`n_jobs`), one of them trains at a time; for more at once, let several processes share a storage.

    Training is in float32 on `device` whatever PyTorch's default dtype and device are.

    Args:
        dataset: a dataset's name, the path of an image folder, or images of your own: see `own_dataset`.
        space: a search space, its name or file; the one that suits the dataset if left out.
        objectives: "error" first, then one or more of flops, params, latency, memory and noise_error, as names or as
            one string ("error,flops"); all are minimised. Metrics of your own may be among them.
        images: another word for `dataset`.
        metric: a further objective: a `Metric`, or the function that computes one; see `Metric`.
        epochs: epochs of each trial; the space's if left out.
        limits: what a candidate may cost, also as a mapping: {"params": "300k", "flops": 80e6, "latency": "2ms"}.
        device: "auto", "cpu", "cuda" or "cuda:N".
        seed: decides the validation split, weights and order; None draws one, which `seed` then tells.
        data_dir: where datasets are kept.
        image_size: pixels to bring images to; their own if left out.
        skip_corrupt: leave corrupt images out instead of refusing.

    Attributes:
        seed: the seed in use.

    Raises:
        UsageError: a name or value cannot be used.
        DataError: the images cannot be had.

    Example:
        >>> import optuna
        >>> objective = pure_nas.Objective("digits", epochs=1, limits={"params": "20k"})
        >>> study = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.RandomSampler(0))
        >>> study.optimize(objective, n_trials=3)
        >>> objective(study.best_trials[0]) == tuple(study.best_trials[0].values)
        True
    """

    def __init__(
        self,
        dataset: AnyDataset | None = None,
        space: AnySpace = None,
        *,
        images: AnyDataset | None = None,
        objectives: str | Sequence[AnyObjective] = ("error", "flops"),
        metric: AnyObjective | None = None,
        epochs: int | None = None,
        limits: AnyLimits = None,
        device: str = "auto",
        seed: int | None = 0,
        data_dir: Path | str | None = None,
        image_size: int | None = None,
        skip_corrupt: bool = False,
    ) -> None:
        images = images if dataset is None else dataset
        if images is None:
            raise UsageError("An objective needs a dataset, or images of your own.")
        self.seed = secrets.randbelow(_ANY_SEED) if seed is None else _whole("seed", seed)
        settings = settings_for(
            images,
            space,
            objectives=_listed(objectives) if metric is None else [*_listed(objectives), metric],
            epochs=epochs,
            limits=limits,
            device=device,
            seed=self.seed,
            data_dir=data_dir,
            image_size=None if image_size is None else _whole("image_size", image_size),
            skip_corrupt=skip_corrupt,
        )
        with usual_defaults():
            self._prepared = prepare(settings)

    @property
    def directions(self) -> list[str]:
        """Directions for `optuna.create_study`: every objective is minimised."""
        return ["minimize"] * len(self._prepared.settings.objectives)

    def __call__(self, trial: AnyTrial) -> tuple[float, ...]:
        """Evaluate the candidate that `trial` suggests.

        Args:
            trial: of a study that runs, or one that has its parameters: one that has ended (such as those in
                `study.best_trials`) or a `FixedTrial`.

        Raises:
            optuna.TrialPruned: it is over a limit, diverged, or ran out of memory.
            UsageError: the study has another number of objectives or maximises one, or the trial's parameters are
                not those of a candidate of the space.
        """
        settings = self._prepared.settings
        self._check(trial)
        candidate = self._suggested(trial)
        trial.set_user_attr("architecture", candidate.architecture.to_json())
        trial.set_user_attr("recipe", candidate.recipe.to_json())
        with usual_defaults():
            constraints = settings.limits.constraints(candidate.architecture, self._prepared.latency)
            _constrain(trial, constraints)
            if any(value > 0 for value in constraints.values()):
                raise optuna.TrialPruned("over a limit")
            outcome = self._train(candidate, trial.number)
        if outcome.state != "complete":
            _constrain(trial, {outcome.state: 1.0})
            raise optuna.TrialPruned(outcome.reason)
        for name in ("params", "flops"):
            trial.set_user_attr(name, outcome.cost[name])
        return objective_values(settings.objectives, outcome.metrics, outcome.cost)

    def _check(self, trial: AnyTrial) -> None:
        if not isinstance(trial, AnyTrial):
            raise UsageError(
                f"An objective is called with a trial, not with a {type(trial).__name__}.",
                hint="For parameters of your own: objective(optuna.trial.FixedTrial(parameters)).",
            )
        if not isinstance(trial, Trial):
            return
        names, directions = self._prepared.settings.objectives, trial.study.directions
        hint = "Create it with optuna.create_study(directions=objective.directions)."
        if len(directions) != len(names):
            raise UsageError(
                f"The study has {len(directions)} objective(s), but this one returns {len(names)}: {', '.join(names)}.",
                hint=hint,
            )
        for name, direction in zip(names, directions, strict=True):
            if direction != StudyDirection.MINIMIZE:
                raise UsageError(f"The study maximises {name}, which is better when it is lower.", hint=hint)

    def _suggested(self, trial: AnyTrial) -> Candidate:
        try:
            return self._prepared.space.suggest(trial)
        except ValueError as error:
            fault = _faults(error) if isinstance(error, ValidationError) else reason(error)
            raise UsageError(
                f"The parameters of trial {trial.number} are not those of a candidate of this space: {fault}.",
                hint="A trial that is evaluated again, and a FixedTrial, need every parameter of a trial that this "
                "space has suggested, such as study.best_trials[0].params.",
            ) from error

    def _train(self, candidate: Candidate, number: int) -> Outcome:
        settings = self._prepared.settings
        executor = InlineExecutor(self._prepared.dataset, self._prepared.device)
        with tempfile.TemporaryDirectory(prefix="pure-nas-") as folder:
            executor.submit(
                Job(
                    number=number,
                    candidate=candidate,
                    directory=Path(folder),
                    seed=settings.seed,
                    measures=settings.measures,
                    keep_weights=False,
                )
            )
            while True:
                event = executor.next_event()
                if isinstance(event, Ended):
                    return event.outcome


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))} is {each['input']!r}: {each['msg']}" for each in error.errors()
    )


def settings_for(
    dataset: AnyDataset,
    space: AnySpace,
    *,
    objectives: str | Sequence[AnyObjective],
    epochs: int | None,
    limits: AnyLimits,
    seed: int,
    data_dir: os.PathLike[str] | str | None,
    study: str = "objective",
    trials: int | None = None,
    **others: Any,
) -> SearchSettings:
    """The settings of a search from what a caller may give, own images, metrics and spaces included.

    Args:
        others: further fields of `SearchSettings`.

    Raises:
        UsageError: a name or value cannot be used.
    """
    name = dataset_name(dataset)
    space_name, chosen = _space(space, name)
    whole = {"trials": trials, "epochs": epochs}
    chosen = chosen.with_run(**{key: None if value is None else _whole(key, value) for key, value in whole.items()})
    return SearchSettings(
        study=study,
        dataset=name,
        space_name=space_name,
        space=chosen,
        trials=chosen.run.trials,
        objectives=tuple(map(_objective, _listed(objectives))),
        limits=_limits(limits),
        seed=_whole("seed", seed),
        data_dir=None if data_dir is None else expanded(_path("data_dir", data_dir)),
        **others,
    )


def _objective(objective: AnyObjective) -> str:
    """The name of an objective; a metric is registered under its own, a function under the function's."""
    if isinstance(objective, str):
        return require_objective(objective.strip())
    metric = objective if isinstance(objective, Metric) else Metric(name=objective.__name__, compute=objective)
    if METRICS.find(metric.name) is not metric:
        METRICS.register(metric)
    return metric.name


def _space(space: AnySpace, dataset: str) -> tuple[str, SearchSpace]:
    """The space that was asked for, and what to call it."""
    match space:
        case SearchSpace():
            return "of its own", space
        case None:
            name = default_space_for(dataset)
            return name, load_space(name)
        case str():
            return space, load_space(space)
        case os.PathLike():
            return os.fspath(space), SearchSpace.load(expanded(os.fspath(space)))
    raise UsageError(f"A space is a SearchSpace, a name or the path of a file, not {space!r}.")


def _limits(limits: AnyLimits) -> Limits:
    match limits:
        case Limits():
            return limits
        case None:
            return Limits()
        case Mapping():
            return Limits.of(limits)
    raise UsageError(
        f"Limits are a mapping of costs to bounds, not {limits!r}.", hint='For example {"params": "300k"}.'
    )


def _listed(objectives: str | Sequence[AnyObjective]) -> list[AnyObjective]:
    found = objectives.split(",") if isinstance(objectives, str) else objectives
    if not isinstance(found, Iterable) or not all(isinstance(each, str | Metric) or callable(each) for each in found):
        raise UsageError(f"Objectives are names, not {objectives!r}.", hint='For example ("error", "flops").')
    return list(found)


def _path(name: str, value: str | os.PathLike[str]) -> str:
    """A name or path, which may be an object of `pathlib`."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str) or not path:
        raise UsageError(f"{name} is a name or the path of a folder, not {value!r}.")
    return path


def _whole(name: str, value: SupportsIndex) -> int:
    """A whole number, which may be one of NumPy's."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name} is a whole number, not {value!r}.") from error


def _constrain(trial: AnyTrial, constraints: Mapping[str, float]) -> None:
    """Set constraints; a trial that is evaluated again has them already, and Optuna keeps the first."""
    for key, value in constraints.items():
        if key not in trial.constraints:
            trial.set_constraint(key, value)
