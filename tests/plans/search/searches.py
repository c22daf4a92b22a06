"""Whole small searches, and what they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from heard import Heard
from optuna.trial import FrozenTrial

from pure_nas.plans.search.objective import Objective
from pure_nas.plans.search.session import opened, prepare
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import Results, TrialRecord, load_results
from pure_nas.space.catalogue import load_space

Settings = Callable[..., SearchSettings]
Objectives = Callable[..., Objective]


def small_space(epochs: int, least_rate: float) -> str:
    """A space of networks that train in no time, whose rates spread down to `least_rate`."""
    return f"""
schema = 1
[run]
epochs = {epochs}
batch_size = 16
[architecture]
stages = 2
blocks_per_stage = 1
base_width = {{ choices = [2, 3, 4, 6, 8] }}
units = {{ choices = ["conv", "product"], per = "layer" }}
[recipe]
crop_padding = 1
learning_rate = {{ low = {least_rate}, high = 0.5, log = true }}
"""


def settings_for(dataset: Path | str, space: Path | str, **changes: Any) -> SearchSettings:
    """A search of three trials without baselines; TPE, so that no time needs to be estimated."""
    fields: dict[str, Any] = {
        "study": "study",
        "dataset": str(dataset),
        "space_name": str(space),
        "space": load_space(str(space)),
        "trials": 3,
        "sampler": "tpe",
        "baselines": False,
        "device": "cpu",
        **changes,
    }
    return SearchSettings(**fields)


def run_search(settings: SearchSettings, out: Path, heard: Heard | None = None, **options: bool) -> str:
    with opened(prepare(settings), out, **options) as search:
        return search.driver.go(search.plan, heard or Heard())


def trials_of(settings: SearchSettings, out: Path) -> tuple[TrialRecord, ...]:
    """Search, and return every trial."""
    run_search(settings, out)
    return results_of(out).trials


def results_of(out: Path, study: str = "study") -> Results:
    return load_results(RunDirectory.open(out / study))


def stored_trials(storage: str, study: str = "study") -> list[FrozenTrial]:
    return optuna.load_study(study_name=study, storage=storage).get_trials(deepcopy=False)


def stored_in(out: Path, study: str = "study") -> list[FrozenTrial]:
    return stored_trials(f"sqlite:///{out / study / 'study.db'}", study)


def outcomes(out: Path, study: str = "study") -> list[tuple[Any, ...]]:
    """What was found, trial by trial, but for how long it took."""
    return [
        (each.number, each.state, each.candidate.digest, each.objectives, each.stopped_after, each.metrics)
        for each in results_of(out, study).trials
    ]
