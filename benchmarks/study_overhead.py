"""Time of the sampler and of the study's storage, by number of trials that the study holds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from benchmarks.document import Row
from pure_nas.cost.layers import cost_of
from pure_nas.plans.search.samplers import FEW_TRIALS, SamplerName
from pure_nas.plans.search.storage import close_storage, open_storage
from pure_nas.plans.search.study import SearchStudy
from pure_nas.run.search_results import TrialRecord
from pure_nas.space.catalogue import load_space

SAMPLERS: tuple[SamplerName, ...] = ("random", "nsga2", "tpe", "gp")
_OBJECTIVES = ("error", "flops")
_ASKS = 3


def sampler_rows(space_name: str, levels: Sequence[int]) -> list[Row]:
    """Median time of a suggestion at each number of finished trials, for each sampler, in memory.

    The Gaussian process is left out beyond the number of trials up to which `auto` takes it.
    """
    rows: list[Row] = []
    for sampler in SAMPLERS:
        storage = optuna.storages.InMemoryStorage()
        row: dict[str, object] = {"space": space_name, "sampler": sampler}
        for level in levels:
            if sampler == "gp" and level > FEW_TRIALS:
                continue
            filler = _study(storage, space_name, "random")
            while len(filler.trials) < level:
                _ask_and_tell(filler)
            study = _study(storage, space_name, sampler)
            row[str(level)] = 1e3 * statistics.median(_seconds_to_ask(study) for _ in range(_ASKS))
        rows.append(row)
    return rows


def storage_rows(space_name: str, folder: Path, levels: Sequence[int], trials: int) -> list[Row]:
    """Time that SQLite adds to a trial (ask and tell, at random) over the same in memory, at each number of trials."""
    with _sqlite(folder / "study.db") as database:
        stored = _study(database, space_name, "random")
        in_memory = _study(optuna.storages.InMemoryStorage(), space_name, "random")
        rows: list[Row] = []
        for level in levels:
            for study in (stored, in_memory):
                while len(study.trials) < level:
                    _ask_and_tell(study)
            seconds: dict[str, list[float]] = {"stored": [], "in_memory": []}
            for _ in range(trials):
                seconds["stored"].append(_seconds_of_trial(stored))
                seconds["in_memory"].append(_seconds_of_trial(in_memory))
            medians = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
            adds = medians["stored"] - medians["in_memory"]
            rows.append({"space": space_name, "trials": level, **medians, "adds": adds})
    return rows


def _study(storage: BaseStorage, space_name: str, sampler: SamplerName) -> SearchStudy:
    return SearchStudy(
        storage, "overhead", space=load_space(space_name), objectives=_OBJECTIVES, sampler=sampler, seed=0
    )


def _ask_and_tell(study: SearchStudy) -> None:
    """A trial with a plausible result: larger networks are better, none is perfect."""
    asked = study.ask()
    flops = cost_of(asked.candidate.architecture).flops
    error = 0.9 / (1 + flops**0.1) + 0.01 * (asked.number % 7)
    study.tell(
        TrialRecord(number=asked.number, state="complete", candidate=asked.candidate, objectives=(error, float(flops)))
    )


def _seconds_to_ask(study: SearchStudy) -> float:
    start = time.perf_counter()
    study.ask()
    return time.perf_counter() - start


def _seconds_of_trial(study: SearchStudy) -> float:
    start = time.perf_counter()
    _ask_and_tell(study)
    return time.perf_counter() - start


@contextmanager
def _sqlite(path: Path) -> Iterator[BaseStorage]:
    storage = open_storage(path, None)
    try:
        yield storage
    finally:
        close_storage(storage)
