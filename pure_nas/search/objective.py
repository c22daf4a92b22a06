"""The evaluation of a search as a plain callable, for people who run their own Optuna study."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import optuna

from pure_nas.candidate import Candidate
from pure_nas.errors import UsageError
from pure_nas.runner import Ended, InlineExecutor, Job, Outcome
from pure_nas.search.catalogue import default_space_for, load_space
from pure_nas.search.limits import Limits
from pure_nas.search.settings import SearchSettings, objective_names, objective_values
from pure_nas.search.setup import prepare
from pure_nas.search.space import SearchSpace


class Objective:
    """Suggests a PURe network, trains it, and returns its validation error and costs.

    Each trial gets the user attributes "architecture" and "recipe" (JSON), "params" and "flops". A trial over a
    limit, or whose loss became NaN, is pruned with a constraint, which samplers learn from.

    Args:
        dataset: a dataset's name, or the path of an image folder.
        space: a search space, its name or file; the one that suits the dataset if left out.
        objectives: "error" first, then one or more of flops, params, latency, memory and noise_error; all are
            minimised.
        epochs: epochs of each trial; the space's if left out.
        limits: what a candidate may cost.
        device: "auto", "cpu", "cuda" or "cuda:N".
        seed: decides the validation split, weights and order.
        data_dir: where datasets lie.

    Raises:
        UsageError: a name or value cannot be used.
        DataError: the images cannot be had.

    Example:
        >>> import optuna, pure_nas
        >>> objective = pure_nas.Objective(dataset="digits", epochs=1)  # doctest: +SKIP
        >>> study = optuna.create_study(directions=objective.directions)  # doctest: +SKIP
        >>> study.optimize(objective, n_trials=20)  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: str,
        space: SearchSpace | str | None = None,
        *,
        objectives: Sequence[str] = ("error", "flops"),
        epochs: int | None = None,
        limits: Limits | None = None,
        device: str = "auto",
        seed: int = 0,
        data_dir: Path | str | None = None,
    ) -> None:
        name = space if isinstance(space, str) else default_space_for(dataset)
        chosen = space if isinstance(space, SearchSpace) else load_space(name)
        chosen = chosen.with_run(epochs=epochs)
        self._prepared = prepare(
            SearchSettings(
                study="objective",
                dataset=dataset,
                space_name=name,
                space=chosen,
                trials=chosen.run.trials,
                objectives=objective_names(",".join(objectives)),
                limits=limits or Limits(),
                device=device,
                seed=seed,
                data_dir=Path(data_dir) if data_dir is not None else None,
            )
        )

    @property
    def directions(self) -> list[str]:
        """Directions for `optuna.create_study`: every objective is minimised."""
        return ["minimize"] * len(self._prepared.settings.objectives)

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Evaluate the candidate that `trial` suggests.

        Raises:
            optuna.TrialPruned: it is over a limit, diverged, or ran out of memory.
            UsageError: the study has another number of objectives.
        """
        settings = self._prepared.settings
        if len(trial.study.directions) != len(settings.objectives):
            raise UsageError(
                f"The study has {len(trial.study.directions)} objective(s), but this one returns "
                f"{len(settings.objectives)}: {', '.join(settings.objectives)}.",
                hint="Create it with optuna.create_study(directions=objective.directions).",
            )
        candidate = settings.space.suggest(trial)
        trial.set_user_attr("architecture", candidate.architecture.to_json())
        trial.set_user_attr("recipe", candidate.recipe.to_json())
        constraints = settings.limits.constraints(candidate.architecture, self._prepared.latency)
        for key, value in constraints.items():
            trial.set_constraint(key, value)
        if any(value > 0 for value in constraints.values()):
            raise optuna.TrialPruned("over a limit")
        outcome = self._train(candidate, trial.number)
        if outcome.state != "complete":
            trial.set_constraint(outcome.state, 1.0)
            raise optuna.TrialPruned(outcome.reason)
        for name in ("params", "flops"):
            trial.set_user_attr(name, outcome.cost[name])
        return objective_values(settings.objectives, outcome.metrics, outcome.cost)

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
