"""Whether a search is likely to find more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pure_nas.objectives import CLOSED_FORM
from pure_nas.plans.budget import Budget
from pure_nas.plans.search.forecasts import Forecasts, forecasts_of
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import Results
from pure_nas.space.candidate import Candidate

AHEAD = 20
"""Trials that a search looks ahead to decide whether to end."""
FLAT = 0.002
"""Growth of the hypervolume, as a share of it, below which they are not worth training."""
_FEWEST = 30
"""Trials before a search says that."""
_FARTHEST = 50
"""Trials that a report looks ahead, at most."""


@dataclass(frozen=True)
class Outlook:
    """What further trials are likely to bring.

    Attributes:
        trials: how many.
        growth: of the hypervolume, as a share of what it is.
        modelled: whether a model of errors had a say, or the course of the hypervolume alone.
        seconds: that they are likely to take; 0 where that is not known.
    """

    trials: int
    growth: float
    modelled: bool
    seconds: float = 0.0

    @property
    def flat(self) -> bool:
        return self.growth < FLAT


def outlook_of(
    results: Results, trials: int = AHEAD, model: Forecasts | None = None, begun: Sequence[Candidate] = ()
) -> Outlook | None:
    """What so many trials are likely to add to these results; None where there are too few.

    The mean of what a model of errors expects and what the last `trials` brought: on recorded trainings the first is
    too low by half and the second too high (docs/performance.md). Without a model, half of the second.

    Args:
        begun: the candidates that are trained, or were.
    """
    trained = [each for each in results.trials if each.counts and each.replay_of is None]
    if len(trained) < max(_FEWEST, trials + 1) or not results.hypervolume:
        return None
    before = tuple(each for each in results.trials if each.number < trained[-trials].number)
    brought = results.hypervolume - replace(results, trials=before).hypervolume
    expected = 0.0 if model is None else model.growth(results.trials, begun, trials)
    return Outlook(trials, (expected + brought) / 2 / results.hypervolume, model is not None)


def outlook_of_run(run: RunDirectory, results: Results) -> Outlook | None:
    """What another hour is likely to bring, or, where many trials fit into that, half as many again."""
    trained = sum(each.counts and each.replay_of is None for each in results.trials)
    each = Budget(run=run).seconds / max(trained, 1)
    trials = int(min(max(3600 / each, 1) if each else _FARTHEST, _FARTHEST, max(trained // 2, 1)))
    modelled = set(results.objective_names[1:]) <= set(CLOSED_FORM)
    model = forecasts_of(run, run.settings(), results) if modelled else None
    found = outlook_of(results, trials, model, [trial.candidate for trial in results.trials])
    return None if found is None else replace(found, seconds=each * trials)
