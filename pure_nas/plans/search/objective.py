"""The evaluation of a search as a plain callable, for people who run their own Optuna study."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, Trial

from pure_nas.data.sources.own import AnyDataset
from pure_nas.data.sources.registry import ImageSize
from pure_nas.devices import AnyDevice, hand_back_freed_memory
from pure_nas.errors import UsageError, reason
from pure_nas.paths import AnyPath, path_of
from pure_nas.plans.search.session import prepare
from pure_nas.plans.search.settings import (
    AnyLimits,
    AnyObjective,
    AnySpace,
    listed,
    objective_values,
    settings_for,
)
from pure_nas.plans.search.study import attributes_of, constrain
from pure_nas.process_state import usual_defaults
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.schema import Count
from pure_nas.space.candidate import Candidate
from pure_nas.validation import checked
from pure_nas.workers.messages import Ended, Job, Outcome
from pure_nas.workers.work import work

_ANY_SEED = 2**32
AnyTrial = Trial | FrozenTrial | FixedTrial


class Objective:
    """Suggests a PURe network, trains it, and returns its validation error and costs.

    Each trial gets the user attributes "architecture" and "recipe" (JSON), "params", "flops" and "errors", of the
    validation images after each epoch; `ForecastSampler` suggests by them. A trial over a
    limit, or whose loss became NaN, is pruned with a constraint, which samplers learn from. Where a study runs threads
    (`n_jobs`), one of them trains at a time; for more at once, let several processes share a storage.

    Training is in float32 on `device` whatever PyTorch's default dtype and device are.

    Args:
        dataset, space, objectives, epochs, limits, device, data_dir, image_size, skip_corrupt: as in `search`.
        images: another word for `dataset`.
        metric: a further objective: a `Metric`, or the function that computes one; see `Metric`.
        seed: decides the validation split, weights and order; None draws one, which `seed` then tells.

    Attributes:
        seed: the seed in use.

    Raises:
        UsageError: a name or value cannot be used.
        DataError: the images are not available.

    Example:
        >>> import optuna
        >>> objective = pure_nas.Objective("digits", epochs=1, limits={"params": "20k"})
        >>> study = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.RandomSampler(0))
        >>> study.optimize(objective, n_trials=3)
        >>> objective(study.best_trials[0]) == tuple(study.best_trials[0].values)
        True
    """

    @checked
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
        device: AnyDevice = "auto",
        seed: Count | None = 0,
        data_dir: AnyPath | None = None,
        image_size: ImageSize | None = None,
        skip_corrupt: bool = False,
    ) -> None:
        images = images if dataset is None else dataset
        if images is None:
            raise UsageError("An objective needs a dataset, or images of your own.")
        self.seed = secrets.randbelow(_ANY_SEED) if seed is None else seed
        settings = settings_for(
            images,
            space,
            study="objective",
            objectives=listed(objectives) if metric is None else [*listed(objectives), metric],
            epochs=epochs,
            limits=limits,
            device=str(device),
            seed=self.seed,
            data_dir=path_of(data_dir),
            image_size=image_size,
            skip_corrupt=skip_corrupt,
        )
        with usual_defaults():
            self._prepared = prepare(settings)

    @property
    def directions(self) -> list[str]:
        """Directions for `optuna.create_study`: every objective is minimised."""
        return ["minimize"] * len(self._prepared.settings.objectives)

    @checked
    def __call__(self, trial: AnyTrial) -> tuple[float, ...]:
        """Evaluate the candidate that `trial` suggests.

        Args:
            trial: of a study that runs, or one that has its parameters: one that has ended (such as those in
                `study.best_trials`) or a `FixedTrial`.
        """
        settings = self._prepared.settings
        self._check(trial)
        candidate = self._suggested(trial)
        for key, value in attributes_of(candidate).items():
            trial.set_user_attr(key, value)
        with usual_defaults():
            constraints = settings.limits.constraints(candidate.architecture, self._prepared.latency)
            constrain(trial, constraints)
            if any(value > 0 for value in constraints.values()):
                raise optuna.TrialPruned("over a limit")
            outcome, errors = self._train(candidate, trial.number)
        trial.set_user_attr("errors", errors)
        if outcome.state != "complete":
            constrain(trial, {outcome.state: 1.0})
            raise optuna.TrialPruned(outcome.reason)
        return objective_values(settings.objectives, outcome.metrics, outcome.cost)

    def _check(self, trial: AnyTrial) -> None:
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
            raise UsageError(
                f"The parameters of trial {trial.number} are not those of a candidate of this space: {reason(error)}.",
                hint="A trial that is evaluated again, and a FixedTrial, need every parameter of a trial that this "
                "space has suggested, such as study.best_trials[0].params.",
            ) from error

    def _train(self, candidate: Candidate, number: int) -> tuple[Outcome, list[float | None]]:
        prepared = self._prepared
        with tempfile.TemporaryDirectory(prefix="pure-nas-") as folder:
            job = Job(
                number=number,
                candidate=candidate,
                directory=Path(folder),
                seed=self.seed,
                measures=prepared.settings.measures,
                keep_weights=False,
            )
            *_, ended = work(job, prepared.dataset, prepared.device)  # to its end, so that it holds no memory any more
            errors = [epoch["validation_error"] for epoch in TrialDirectory(job.directory, number).curve()]
        hand_back_freed_memory(prepared.device)
        assert isinstance(ended, Ended)
        return ended.outcome, errors
