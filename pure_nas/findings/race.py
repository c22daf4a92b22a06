"""Whether forecasts pay: what each search of a race found for what it had paid."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pure_nas.analysis.course import Box, Course, Payment, Step, course_of, price
from pure_nas.cost.layers import cost_of
from pure_nas.plans.budget import seconds_when_ended
from pure_nas.plans.race import OURS, RaceSettings, name_of
from pure_nas.quantities import counted
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import Results, TrialRecord, load_results
from pure_nas.space.search_space import SearchSpace

SHARES = (0.25, 0.5, 1.0)
"""Of the time of the longer one of two searches, after which their hypervolumes are compared."""
_MARGIN = 0.05  # of the logarithm of FLOPs, below the smallest network and above the largest


def box_of(space: SearchSpace, worst: float) -> Box:
    """Where networks of a space may be: errors up to `worst`, FLOPs from its smallest network to its largest."""
    extremes = (*space.smallest_architectures(), *space.largest_architectures())
    logs = [math.log(cost_of(each).flops) for each in extremes]
    margin = _MARGIN * (max(logs) - min(logs)) or _MARGIN
    return Box(worst, math.exp(min(logs) - margin), math.exp(max(logs) + margin))


@dataclass(frozen=True, kw_only=True)
class RacedSearch:
    """One search of a race, as far as it is within what a search may cost."""

    sampler: str
    seed: int
    path: Path  # its run
    results: Results
    course: Course  # what it had paid and found after each training
    seconds: float  # on the clock, until its last trial ended

    @property
    def best_error(self) -> float:
        """The lowest validation error of a network that was trained to its end."""
        return min((trial.error for trial in self.results.complete), default=math.nan)


@dataclass(frozen=True, kw_only=True)
class Race:
    """A search with forecasts against one with another sampler, which trains everything to its end."""

    path: Path  # the folder with a run for each sampler and seed
    dataset: str
    space: str
    against: str  # the other sampler
    time_seconds: float | None  # that a search had; None: as long as its trials took
    trials: int | None  # that a search had; None: as many as fitted into its time
    searches: tuple[RacedSearch, ...]  # seed by seed

    def of(self, sampler: str) -> tuple[RacedSearch, ...]:
        """The searches with a sampler, by seed."""
        return tuple(each for each in self.searches if each.sampler == sampler)

    @property
    def pairs(self) -> tuple[tuple[RacedSearch, RacedSearch], ...]:
        """The search with forecasts and the other one, for each seed."""
        return tuple(zip(self.of(OURS), self.of(self.against), strict=True))

    def prices(self, by: Payment = "time") -> tuple[float, ...]:
        """What forecasts paid for the hypervolume that both searches reached, by what the other paid; for each seed.

        Args:
            by: "time", "epochs" or "work" (FLOPs × epochs).
        """
        return tuple(price(ours.course, other.course, by) for ours, other in self.pairs)

    @property
    def verdict(self) -> str:
        """Whether forecasts pay, in a sentence."""
        prices = self.prices()
        if any(map(math.isnan, prices)):
            return "No answer: a search found no network that is better than guessing. Give each search more."
        same = all(ours.course.volume == other.course.volume for ours, other in self.pairs)
        if same and all(each == 1 for each in self.prices("epochs")):
            return "No answer: both searches trained the same networks. Give each search more trials or time."
        low, high = min(prices), max(prices)
        answer, more = "may or may not pay", " More seeds or a longer time would tell."
        if high < 1 or low > 1:
            answer, more = "pays" if high < 1 else "does not pay", ""
        spread = f"{low:.2f} to {high:.2f}, " if len(prices) > 1 else ""
        return (
            f"On your data the forecast search {answer}: it had as good a front as {self.against} after "
            f"{statistics.median(prices):.2f} of its time ({spread}{counted(len(prices), 'seed')}).{more}"
        )


def race_of(settings: RaceSettings, folder: Path, space: SearchSpace) -> Race:
    """Read a race whose searches have ended; `space` is fitted to its images."""
    return Race(
        path=folder,
        dataset=settings.search.dataset,
        space=settings.search.space_name,
        against=settings.against,
        time_seconds=settings.search.time_seconds,
        trials=settings.trials,
        searches=tuple(
            _raced(RunDirectory.open(folder / name_of(sampler, seed)), sampler, seed, settings, space)
            for seed in range(settings.seeds)
            for sampler in settings.samplers
        ),
    )


def _raced(run: RunDirectory, sampler: str, seed: int, settings: RaceSettings, space: SearchSpace) -> RacedSearch:
    found = load_results(run)
    ended = sorted(_ended(run, found), key=lambda each: each[1])
    within = [each for each in ended if each[1] <= (settings.search.time_seconds or math.inf)][: settings.trials]
    trials = sorted((_unconfirmed(trial) for trial, _ in within), key=lambda trial: trial.number)
    steps = [
        Step(
            seconds,
            len(trial.curve),
            cost_of(trial.candidate.architecture).flops,
            trial.errors[0] if trial.state == "complete" else None,
        )
        for trial, seconds in within
        if trial.replay_of is None
    ]
    return RacedSearch(
        sampler=sampler,
        seed=seed,
        path=run.path,
        results=Results(found.objective_names, found.reference, tuple(trials)),
        course=course_of(steps, box_of(space, found.reference[0])),
        seconds=within[-1][1] if within else 0.0,
    )


def _unconfirmed(trial: TrialRecord) -> TrialRecord:
    """As the search had left it: without further seeds, which a run may get by itself."""
    if trial.state != "complete":
        return trial
    return replace(trial, objectives=(trial.errors[0], *trial.objectives[1:]), seeds=())


def _ended(run: RunDirectory, results: Results) -> Iterator[tuple[TrialRecord, float]]:
    """Each trial and when it ended; where the log does not say, its training time after the one before."""
    clock, seconds = seconds_when_ended(run), 0.0
    for trial in results.trials:
        seconds = clock.get(trial.number, seconds + trial.seconds)
        yield trial, seconds
