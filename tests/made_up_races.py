"""Races of which everything but the networks is made up."""

from __future__ import annotations

from pathlib import Path

from pure_nas.analysis.course import Course
from pure_nas.findings.race import Race, RacedSearch
from pure_nas.run.search_results import Results


def searched(sampler: str, seed: int, seconds: list[float], volume: list[float]) -> RacedSearch:
    course = Course(
        {"time": seconds, "epochs": seconds, "work": [10 * each for each in seconds]}, volume, [0.1] * len(volume)
    )
    results = Results(("error", "flops"), (0.9, 1e6), ())
    return RacedSearch(
        sampler=sampler, seed=seed, path=Path(sampler), results=results, course=course, seconds=seconds[-1]
    )


def raced(*speeds: float, volume: float = 0.5) -> Race:
    """A race in which forecasts paid, for each seed, so much of what TPE did."""
    searches = []
    for seed, speed in enumerate(speeds):
        searches.append(searched("forecast", seed, [100 * speed, 300.0], [volume, volume]))
        searches.append(searched("tpe", seed, [1.0, 100.0], [0.0, volume]))
    return Race(
        path=Path("race"),
        dataset="digits",
        space="digits",
        against="tpe",
        time_seconds=300.0,
        trials=None,
        searches=tuple(searches),
    )
