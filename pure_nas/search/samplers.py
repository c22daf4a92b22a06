"""Which sampler proposes candidates, and why."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

SamplerName = Literal["tpe", "nsga2", "gp", "random"]
SamplerChoice = Literal["auto", "tpe", "nsga2", "gp", "random"]
SAMPLER_CHOICES: tuple[SamplerChoice, ...] = get_args(SamplerChoice)

FEW_TRIALS = 150
MANY_TRIALS = 500
LONG_TRIAL_SECONDS = 30.0


@dataclass(frozen=True)
class ChosenSampler:
    """A sampler and the reason for it, in words for the user."""

    name: SamplerName
    reason: str


def choose_sampler(choice: SamplerChoice, trials: int, seconds_per_trial: float) -> ChosenSampler:
    """Resolve "auto" for a study of `trials` trials of `seconds_per_trial` each.

    On an analytic model of this search (docs/performance.md) a Gaussian process found most within 150 trials but
    needs half a second a suggestion, independent TPE came next, and a genetic algorithm catches up beyond 500.
    """
    if choice != "auto":
        return ChosenSampler(choice, "as asked for")
    if trials > MANY_TRIALS:
        return ChosenSampler("nsga2", f"more than {MANY_TRIALS} trials leave a genetic algorithm time to improve")
    if trials <= FEW_TRIALS and seconds_per_trial >= LONG_TRIAL_SECONDS:
        return ChosenSampler("gp", f"few ({trials}) and long trials repay a Gaussian process's half second each")
    kind = "short" if seconds_per_trial < LONG_TRIAL_SECONDS else "many"
    return ChosenSampler("tpe", f"independent TPE costs milliseconds and finds most with {kind} trials")


def make_sampler(name: SamplerName, seed: int, number: int) -> BaseSampler:
    """The sampler for the trial `number` of a study.

    A fresh one for every trial, seeded by (seed, number), so that a study that was stopped suggests what one that
    was not would have. Never multivariate or grouped TPE, which collapse with several objectives.
    """
    state = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)[0])
    return _MAKERS[name](state)


def _gaussian_process(state: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return GPSampler(seed=state, independent_sampler=_tpe(state), warn_independent_sampling=False)


def _tpe(state: int) -> BaseSampler:
    return TPESampler(seed=state)


def _genetic(state: int) -> BaseSampler:
    return NSGAIISampler(seed=state, population_size=20)


def _random(state: int) -> BaseSampler:
    return RandomSampler(seed=state)


_MAKERS: dict[SamplerName, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "nsga2": _genetic,
    "gp": _gaussian_process,
    "random": _random,
}
