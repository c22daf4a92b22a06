"""What a search was asked to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pure_nas.data.sources.own import AnyDataset, dataset_name
from pure_nas.data.sources.registry import dataset_names
from pure_nas.errors import UsageError
from pure_nas.objectives import CLOSED_FORM, COST_KEYS, METRICS, Metric, require_objective
from pure_nas.paths import AnyPath, absolute, expanded
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.samplers import SamplerChoice
from pure_nas.plans.settings import ImageSettings, check_study_name, placed
from pure_nas.quantities import share_of
from pure_nas.run.environment import without_password
from pure_nas.run.schema import SCHEMA
from pure_nas.space.catalogue import default_space_for, load_space
from pure_nas.space.search_space import SearchSpace
from pure_nas.workers.executor import HERE, Execution, stated
from pure_nas.workers.resources import Workers, check_workers

AnySpace = SearchSpace | str | os.PathLike[str] | None
AnyLimits: TypeAlias = "Limits | Mapping[str, float | str | None] | None"
AnyObjective = str | Metric | Callable[..., float]
KeptWeights = Literal["all", "front"]
_AS_THEY_ARE = (
    *("sampler", "seed", "device", "workers", "baselines", "early_stopping", "until_flat", "keep_weights", "lag"),
)
"""Settings that run.toml has as they are."""


_LONGEST_LAG = 100_000


@dataclass(frozen=True, kw_only=True)
class SearchSettings(ImageSettings):
    """Everything that decides a search."""

    study: str  # its name, and its folder's
    space_name: str  # where the space came from, for people
    space: SearchSpace
    trials: int  # in total, over every session, as `time_seconds`
    time_seconds: float | None = None
    confirm: float | None = None  # share of both for further seeds of trials whose place on the front is in doubt
    objectives: tuple[str, ...] = ("error", "flops")  # costs, "noise_error" or metrics after the error
    limits: Limits = field(default_factory=Limits)
    sampler: SamplerChoice = "auto"
    workers: Workers = 1
    execution: Execution = HERE
    baselines: bool = True
    early_stopping: bool = True  # where costs are known before a training
    until_flat: bool = False  # end before `trials` where further ones are likely to bring little
    keep_weights: KeptWeights = "all"  # or of the front alone: others are removed once something beats them
    trial_timeout: float | None = None  # seconds that a trial may train, after which its worker is replaced
    retries: int = 1  # of a trial that lost its worker
    lag: int | None = (
        4  # trials before one that it does not follow from; None: it follows from what has ended (older runs)
    )
    warm_start: tuple[str, ...] = ()  # folders of earlier searches, whose trials are used
    storage: str | None = field(default=None, repr=False)  # a URL, which may hold a password; None: in the run's folder

    def __post_init__(self) -> None:
        check_study_name(self.study)
        for name in self.objectives:
            require_objective(name)
        if self.objectives[:1] != ("error",) or len(set(self.objectives)) != max(2, len(self.objectives)):
            raise UsageError(
                f'The objectives "{",".join(self.objectives)}" must begin with error and name costs, each once.',
                hint="For example error,params; noise_error counts as a cost.",
            )
        if self.confirm is not None:
            share_of(self.confirm)
            if not self.candidates:
                raise UsageError(
                    "To confirm a front takes 2 trials or more: one to confirm, and one for its further seed.",
                    hint="Ask for more --trials, or leave --confirm out.",
                )
        if self.trial_timeout is not None and self.trial_timeout <= 0:
            raise UsageError(f"A trial may take more than 0 s, not {self.trial_timeout:g}.")
        if self.trial_timeout is not None and self.execution.kind == "inline":
            raise UsageError(
                "A trial in this process cannot be ended when it takes too long.",
                hint="Leave --executor inline or --trial-timeout out.",
            )
        check_workers(self.workers, self.execution)
        if self.sampler == "forecast":
            hint = "Leave --sampler out, or choose tpe, nsga2, gp or random."
            require_closed_form("The sampler forecast", self.objectives, hint=hint)
        if self.lag is not None and self.lag < 0:
            raise UsageError(f"A lag is 0 or more, not {self.lag}.")
        if self.lag is not None and self.lag > _LONGEST_LAG:
            raise UsageError(f"A lag is at most {_LONGEST_LAG:,}, not {self.lag}.")
        if self.lag is not None and isinstance(self.workers, int) and self.workers > max(self.lag, 1):
            raise UsageError(
                f"With a lag of {self.lag} trials, {self.workers} workers would wait for each other.",
                hint=f"Give --lag {self.workers} (which is another search), or at most {max(self.lag, 1)} --workers.",
            )
        if (self.workers not in (1, "auto") or self.execution.kind == "ray") and self.measures_latency:
            where = (
                "on a Ray cluster" if self.execution.kind == "ray" else f"while {self.workers} networks train at once"
            )
            raise UsageError(
                f"Latency cannot be measured {where}.",
                hint="Train one network at a time on this machine, or use flops instead of latency.",
            )

    @property
    def confirmations(self) -> int:
        """Trainings with further seeds."""
        return 0 if self.confirm is None else max(1, round(self.confirm * self.trials))

    @property
    def candidates(self) -> int:
        """The trials without those that confirm others."""
        return self.trials - self.confirmations

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(name for name in self.objectives if name != "error")

    @property
    def closed_form(self) -> bool:
        """Whether every objective but the error is known before a training."""
        return closed_form(self.objectives)

    @property
    def stops(self) -> bool:
        """Whether trials that could hardly reach the front end early."""
        return self.early_stopping and self.closed_form and self.lag is not None

    @property
    def measures_latency(self) -> bool:
        """Whether latencies are measured, which other work on the machine would disturb."""
        return "latency" in self.objectives or self.limits.latency_ms is not None

    def resolved(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "study": self.study,
            "dataset": placed(self.dataset),
            "space": self.space_name,
            "trials": self.trials,
            "time_seconds": self.time_seconds,
            "confirm": self.confirm,
            "epochs": self.space.run.epochs,
            "batch_size": self.space.run.batch_size,
            "objectives": list(self.objectives),
            "metrics": [name for name in self.objectives if name in METRICS.names] or None,
            "limits": dict(self.limits.given),
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "execution": stated(self.execution),
            "warm_start": list(self.warm_start) or None,
            "storage": without_password(self.storage) if self.storage else None,
            "data_dir": absolute(self.data_dir) if self.data_dir else None,
            "image_size": self.image_size,
            "skip_corrupt": self.skip_corrupt,
            "search_space": self.space.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"run"}),
        }


def closed_form(objectives: Sequence[str]) -> bool:
    """Whether every objective but the error is known before a training."""
    return set(objectives[1:]) <= set(CLOSED_FORM)


def require_closed_form(what: str, objectives: Sequence[str], *, hint: str) -> None:
    """Check that a sampler that forecasts errors only has nothing else to forecast."""
    if not closed_form(objectives):
        raise UsageError(
            f"{what} needs costs that are known before a training ({' and '.join(CLOSED_FORM)}), but the objectives "
            f"are {', '.join(objectives)}.",
            hint=hint,
        )


def objective_values(
    names: Sequence[str], metrics: Mapping[str, float], cost: Mapping[str, float]
) -> tuple[float, ...]:
    """The value of each objective, out of the metrics and costs of a complete trial."""
    return tuple(cost[COST_KEYS[name]] if name in COST_KEYS else metrics[name] for name in names)


def settings_for(
    dataset: AnyDataset,
    space: AnySpace,
    *,
    study: str | None = None,
    objectives: str | Sequence[AnyObjective],
    trials: int | None = None,
    epochs: int | None,
    limits: AnyLimits,
    warm_start: AnyPath | Sequence[AnyPath] = (),
    **others: Any,
) -> SearchSettings:
    """The settings of a search from what a caller may give, own images, metrics and spaces included."""
    name = dataset_name(dataset)
    called = name if name in dataset_names() else expanded(name).resolve().name
    space_name, chosen = _space(space, name)
    chosen = chosen.with_run(trials=trials, epochs=epochs)
    return SearchSettings(
        study=called if study is None else study,
        dataset=name,
        space_name=space_name,
        space=chosen,
        trials=chosen.run.trials,
        objectives=tuple(map(_objective, listed(objectives))),
        warm_start=tuple(absolute(os.fspath(each)) for each in _several(warm_start)),
        limits=limits if isinstance(limits, Limits) else Limits.of({} if limits is None else limits),
        **others,
    )


def listed(objectives: str | Sequence[AnyObjective]) -> list[AnyObjective]:
    """Objectives one by one, also where they are one string."""
    return list(objectives.split(",") if isinstance(objectives, str) else objectives)


def _several(paths: AnyPath | Sequence[AnyPath]) -> Sequence[AnyPath]:
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def _objective(objective: AnyObjective) -> str:
    """The name of an objective; a metric is registered under its own, a function under the function's."""
    if isinstance(objective, str):
        return require_objective(objective.strip())
    metric = objective if isinstance(objective, Metric) else Metric(name=objective.__name__, compute=objective)
    if METRICS.find(metric.name) is not metric:
        METRICS.register(metric)
    return metric.name


def _space(space: AnySpace, dataset: str) -> tuple[str, SearchSpace]:
    if isinstance(space, SearchSpace):
        return "of its own", space
    if isinstance(space, os.PathLike):
        return os.fspath(space), SearchSpace.load(os.fspath(space))
    name = space or default_space_for(dataset)
    return name, load_space(name)
