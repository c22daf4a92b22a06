"""What a search that started warm made of what earlier searches knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pure_nas.forecast.variation import point_of
from pure_nas.plans.search.forecasts import forecasts_of
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import Results
from pure_nas.run.warm_start import EarlierSearch

_FEWEST = 3


@dataclass(frozen=True)
class EarlierKnowledge:
    """How it went.

    Attributes:
        repeated: trials here that an earlier search had trained too.
        compared: complete trials here, with which earlier searches are compared.
        correlation: Spearman's, of what they expect with the errors here; None where it says nothing.
        weight: how much of what they expect the sampler uses, from 0 to 1; None where it took their front only.
    """

    searches: tuple[EarlierSearch, ...]
    repeated: int
    compared: int
    correlation: float | None
    weight: float | None


def earlier_knowledge(run: RunDirectory, settings: Mapping[str, Any], results: Results) -> EarlierKnowledge | None:
    """What earlier searches were worth to this one; None where it did not start warm."""
    forecasts = forecasts_of(run, settings, results) if settings.get("warm_start") else None
    if forecasts is None or forecasts.warm_start is None or forecasts.prior is None:
        return None
    trained = [each for each in results.complete if each.replay_of is None]
    prior = forecasts.prior
    features = prior.encoding.features([point_of(forecasts.space, each.candidate) for each in trained])
    return EarlierKnowledge(
        searches=forecasts.warm_start.searches,
        repeated=sum(bool(each.source) for each in results.trials),
        compared=len(trained),
        correlation=_correlation(prior.expected(features)[0].tolist(), [each.error for each in trained]),
        weight=forecasts.trust(results.trials) if settings["chosen_sampler"]["name"] == "forecast" else None,
    )


def _correlation(expected: list[float], errors: list[float]) -> float | None:
    from scipy.stats import spearmanr

    if len(errors) < _FEWEST or min(len(set(expected)), len(set(errors))) < 2:
        return None
    return float(spearmanr(expected, errors).statistic)
