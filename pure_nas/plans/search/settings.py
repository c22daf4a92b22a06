"""What a search was asked to do, and whether a run may go on with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from pure_nas.errors import RunError, UsageError, nearest
from pure_nas.objectives import COST_KEYS, METRICS, require_objective
from pure_nas.paths import absolute
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.samplers import SAMPLER_CHOICES, SamplerChoice
from pure_nas.plans.settings import placed, require_same
from pure_nas.run.directory import RunDirectory
from pure_nas.run.environment import without_password
from pure_nas.run.schema import SCHEMA
from pure_nas.space.search_space import SearchSpace
from pure_nas.validation import shown
from pure_nas.workers.count import Workers, check_workers

_MAY_DIFFER = frozenset({"study", "trials", "time_seconds", "device", "workers", "data_dir", "dataset", "space"})
"""Of dataset and space, only their names: images and axes are compared themselves."""
_LONGEST_NAME = 200
_WINDOWS = os.name == "nt"


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Everything that decides a search.

    Attributes:
        study: its name; also the name of its folder.
        dataset: a dataset's name, or the path of an image folder.
        space_name: where the space came from, for people.
        space: the space, with the run's epochs and batch size.
        trials: trials in total, over every session.
        time_seconds: time in total, by the clock on the wall and over every session; None is unbounded.
        objectives: "error" first, then one or more costs, "noise_error" or metrics.
        workers: networks trained at once, each in a process of its own unless it is one; "auto" finds out how many.
        storage: URL of the Optuna storage; None keeps it in the run's folder.
    """

    study: str
    dataset: str
    space_name: str
    space: SearchSpace
    trials: int
    time_seconds: float | None = None
    objectives: tuple[str, ...] = ("error", "flops")
    limits: Limits = field(default_factory=Limits)
    sampler: SamplerChoice = "auto"
    seed: int = 0
    device: str = "auto"
    workers: Workers = 1
    baselines: bool = True
    storage: str | None = field(default=None, repr=False)  # it may hold a password
    data_dir: Path | None = None
    image_size: int | None = None
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        _check_study_name(self.study)
        for name in self.objectives:
            require_objective(name)
        if self.objectives[:1] != ("error",) or len(set(self.objectives)) != len(self.objectives):
            raise UsageError(
                f"The objectives {','.join(self.objectives)} must begin with error and name each cost once.",
                hint="For example error,flops.",
            )
        if len(self.objectives) < 2:
            raise UsageError(
                "A search needs a cost beside error.",
                hint="For example error,params; noise_error counts as one.",
            )
        if self.sampler not in SAMPLER_CHOICES:
            raise UsageError(f'There is no sampler "{self.sampler}"; {nearest(self.sampler, SAMPLER_CHOICES)}.')
        if self.trials < 1:
            raise UsageError(f"A study needs at least one trial, but --trials is {self.trials}.")
        if self.seed < 0:
            raise UsageError(f"A seed is 0 or more, not {self.seed}.")
        check_workers(self.workers)
        if self.workers not in (1, "auto") and self.measures_latency:
            raise UsageError(
                f"Latency cannot be measured while {self.workers} networks train at once.",
                hint="Leave --workers out, or take flops for latency.",
            )

    @property
    def measures(self) -> tuple[str, ...]:
        """What to measure of a trial besides its error."""
        return tuple(name for name in self.objectives if name != "error")

    @property
    def measures_latency(self) -> bool:
        """Whether latencies are measured, which other work on the machine would disturb."""
        return "latency" in self.objectives or self.limits.latency_ms is not None

    def resolved(self) -> dict[str, Any]:
        """The settings as run.toml holds them."""
        return {
            "schema": SCHEMA,
            "study": self.study,
            "dataset": placed(self.dataset),
            "space": self.space_name,
            "trials": self.trials,
            "time_seconds": self.time_seconds,
            "epochs": self.space.run.epochs,
            "batch_size": self.space.run.batch_size,
            "objectives": list(self.objectives),
            "metrics": [name for name in self.objectives if name in METRICS.names] or None,
            "limits": dict(self.limits.given),
            "sampler": self.sampler,
            "seed": self.seed,
            "device": self.device,
            "workers": self.workers,
            "baselines": self.baselines,
            "storage": without_password(self.storage) if self.storage else None,
            "data_dir": absolute(self.data_dir) if self.data_dir else None,
            "image_size": self.image_size,
            "skip_corrupt": self.skip_corrupt,
            "search_space": self.space.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"run"}),
        }


def _check_study_name(name: str) -> None:
    fault = ""
    if not name:
        fault = "is empty"
    elif name.startswith(".") or "/" in name or "\\" in name:
        fault = "begins with a dot or has a slash"
    elif not name.isprintable():
        fault = "has characters that cannot be printed"
    elif len(name.encode()) > _LONGEST_NAME:
        fault = f"is longer than {_LONGEST_NAME} bytes"
    elif _WINDOWS and (set(name) & set('<>:"|?*') or name[-1] in ". " or PureWindowsPath(name).is_reserved()):
        fault = "cannot be a folder's on Windows"
    if fault:
        raise UsageError(
            f"The study name {shown(name)} {fault}.",
            hint="It names the folder of the run, in the folder that --out names: for example --study first-try",
        )


def objective_names(text: str) -> tuple[str, ...]:
    """Objectives from a list such as "error,flops".

    Raises:
        UsageError: a name is unknown.
    """
    return tuple(require_objective(name.strip()) for name in text.split(","))


def objective_values(
    names: Sequence[str], metrics: Mapping[str, float], cost: Mapping[str, float]
) -> tuple[float, ...]:
    """The value of each objective, out of the metrics and costs of a complete trial."""
    return tuple(cost[COST_KEYS[name]] if name in COST_KEYS else metrics[name] for name in names)


def require_same_search(run: RunDirectory, wanted: Mapping[str, Any]) -> None:
    """Check that a search may go on with the settings `wanted`.

    Trials, time, device, workers, data directory and the names of study, dataset and space may differ.

    Raises:
        RunError: something else differs; the message lists what.
    """

    def causes(differing: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> Sequence[str]:
        if list(differing) == ["data.name"]:  # equal images, in a folder that is called otherwise here
            return ()
        listed = _causes_first(differing, old, new)
        if listed and all(key.startswith("data.") for key in listed):
            raise RunError(
                f'The images of "{wanted["dataset"]}" have changed since {run.path} was searched.',
                hint="Put the old ones back, or search again with another --study.",
            )
        return listed

    hint = "Give it the same settings to go on, or choose another --study for a new run."
    require_same(run, wanted, may_differ=_MAY_DIFFER, causes=causes, hint=hint)


def _causes_first(differing: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys that differ, with the names they follow from; what follows from another dataset is left out."""
    found = list(differing)
    for cause, effect in (("space", "search_space"), ("dataset", "data")):
        if any(key.startswith(f"{effect}.") for key in found) and old.get(cause) != new.get(cause):
            found = [cause, *(key for key in found if not key.startswith(f"{effect}."))]
    if any(cause in found for cause in ("dataset", "seed", "image_size", "skip_corrupt")):
        found = [key for key in found if not key.startswith("data.")]
    return found
