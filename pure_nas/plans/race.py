"""A race: the search with forecasts against the same one with another sampler and no early stopping, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pure_nas.data.sources.own import AnyDataset
from pure_nas.errors import UsageError
from pure_nas.plans.plan import Listener
from pure_nas.plans.search.confirmations import Confirmed
from pure_nas.plans.search.lost_weights import Restored
from pure_nas.plans.search.samplers import OptunaSampler, SamplerName
from pure_nas.plans.search.session import Prepared, opened, prepare
from pure_nas.plans.search.settings import AnySpace, SearchSettings, settings_for
from pure_nas.plans.settings import ANOTHER, require_room
from pure_nas.run.search_results import TrialRecord

OURS: SamplerName = "forecast"
_UNBOUNDED = 100_000  # trials of a search that only its time ends


@dataclass(frozen=True)
class RaceSettings:
    """What a race was asked to do."""

    search: SearchSettings  # what its searches have in common; the study is the race's name
    against: OptunaSampler
    seeds: int

    @property
    def samplers(self) -> tuple[SamplerName, SamplerName]:
        return OURS, self.against

    @property
    def trials(self) -> int | None:
        """Of each search; None where only its time ends it."""
        return None if self.search.time_seconds is not None else self.search.trials

    def searches(self) -> Iterator[Prepared]:
        """Every search, ready to go: both samplers with the first seed, then with the next."""
        for seed in range(self.seeds):
            ours = prepare(replace(self.search, study=name_of(OURS, seed), sampler=OURS, seed=seed))
            yield ours
            changes: dict[str, Any] = {"sampler": self.against, "early_stopping": False}
            yield replace(ours, settings=replace(ours.settings, study=name_of(self.against, seed), **changes))


def name_of(sampler: str, seed: int) -> str:
    """Name of a search of a race, and of its folder in the race's."""
    return f"{sampler}-{seed}"


def settings_of_race(
    dataset: AnyDataset,
    space: AnySpace,
    *,
    time_seconds: float | None,
    trials: int | None,
    study: str | None,
    against: OptunaSampler,
    seeds: int,
    **others: Any,
) -> RaceSettings:
    """The settings of a race from what a caller may give."""
    if (time_seconds is None) == (trials is None):
        raise UsageError(
            "A race needs to know what one search may cost: either a time or a number of trials.",
            hint="For example --time 20m, or --trials 40.",
        )
    search = settings_for(
        dataset,
        space,
        objectives=("error", "flops"),
        limits=None,
        time_seconds=time_seconds,
        trials=trials or _UNBOUNDED,
        **others,
    )
    return RaceSettings(replace(search, study=study if study is not None else f"race-{search.study}"), against, seeds)


def run_race(
    searches: Iterable[Prepared],
    folder: Path,
    listening: Callable[[Prepared], AbstractContextManager[Listener[TrialRecord | Restored | Confirmed]]],
) -> None:
    """Run the searches of a race in its folder, one after the other; those that were stopped resume."""
    if not (folder / name_of(OURS, 0)).exists():
        require_room(folder, lambda _: False, what="race", hint=f"Choose {ANOTHER}.")
    for prepared in searches:
        with opened(prepared, folder) as search:
            with listening(prepared) as listener:
                search.driver.go(search.plan, listener)
            if not search.plan.results.complete:
                raise UsageError(
                    f"{search.driver.run.path} ended without a network that was trained to its end.",
                    hint="Give each search more time or trials.",
                )
