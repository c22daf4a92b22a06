"""Which sampler proposes candidates, and why."""

from __future__ import annotations

import warnings
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
STARTUP_TRIALS = 10


@dataclass(frozen=True)
class ChosenSampler:
    """A sampler and the reason for it, in words for the user."""

    name: SamplerName
    reason: str


def choose_sampler(choice: SamplerChoice, trials: int, seconds_per_trial: float) -> ChosenSampler:
    """Resolve "auto" for a study of `trials` trials of nominally `seconds_per_trial` each.

    On an analytic model of such a search a Gaussian process found most within 150 trials but needed half a second a
    suggestion, independent TPE came next, and a genetic algorithm caught up later (docs/design.md).
    """
    if choice != "auto":
        return ChosenSampler(choice, "as asked for")
    if trials > MANY_TRIALS:
        return ChosenSampler("nsga2", f"more than {MANY_TRIALS} trials leave a genetic algorithm time to improve")
    if trials <= FEW_TRIALS and seconds_per_trial >= LONG_TRIAL_SECONDS:
        return ChosenSampler(
            "gp", f"only {trials} long trials: a Gaussian process is worth its half second per suggestion"
        )
    kind = "short" if seconds_per_trial < LONG_TRIAL_SECONDS else "many"
    return ChosenSampler("tpe", f"independent TPE costs milliseconds and finds most with {kind} trials")


def make_sampler(name: SamplerName, seed: int, number: int, given: int = 0) -> BaseSampler:
    """The sampler for the trial `number` of a study.

    A fresh one for every trial, seeded by (seed, number), so that a study that was stopped suggests what one that
    was not would have. Never multivariate or grouped TPE, which collapse with several objectives.

    Args:
        given: trials of the study that were given, not suggested. Model-based samplers draw at random until they have
            seen STARTUP_TRIALS suggestions besides: all-conv and all-product baselines alone would teach them never to
            mix.
    """
    state = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)[0])
    if name == "random":
        return RandomSampler(seed=state)
    if name == "nsga2":
        return NSGAIISampler(seed=state, population_size=20)
    startup = STARTUP_TRIALS + given
    tpe = TPESampler(seed=state, n_startup_trials=startup)
    if name == "tpe":
        return tpe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Over the parameters that every trial has; TPE draws those that only some have.
        return GPSampler(seed=state, n_startup_trials=startup, independent_sampler=tpe, warn_independent_sampling=False)
