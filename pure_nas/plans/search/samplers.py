"""Which sampler proposes candidates, and why."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

OptunaSampler = Literal["tpe", "nsga2", "gp", "random"]
SamplerName = Literal["forecast", "tpe", "nsga2", "gp", "random"]
SamplerChoice = Literal["auto", "forecast", "tpe", "nsga2", "gp", "random"]
FEW_TRIALS = 150
MANY_TRIALS = 500
LONG_TRIAL_SECONDS = 30.0
STARTUP_TRIALS = 10


@dataclass(frozen=True)
class ChosenSampler:
    """A sampler and the reason for it, in words for the user."""

    name: SamplerName
    reason: str


def choose_sampler(
    choice: SamplerChoice, trials: int, seconds_per_trial: float, *, closed_form: bool = False
) -> ChosenSampler:
    """Resolve "auto" for trials of nominally so many seconds each; docs/performance.md says what was measured.

    Args:
        closed_form: whether every cost that is minimised is known before a training.
    """
    if choice != "auto":
        return ChosenSampler(choice, "as requested")
    if closed_form:
        return ChosenSampler("forecast", "costs are known before a training, so that only errors are forecast")
    if trials > MANY_TRIALS:
        return ChosenSampler("nsga2", f"more than {MANY_TRIALS} trials leave a genetic algorithm time to improve")
    if trials <= FEW_TRIALS and seconds_per_trial >= LONG_TRIAL_SECONDS:
        return ChosenSampler(
            "gp", f"only {trials} long trials: a Gaussian process is worth its half second per suggestion"
        )
    kind = "short" if seconds_per_trial < LONG_TRIAL_SECONDS else "many"
    return ChosenSampler("tpe", f"independent TPE costs milliseconds and finds most with {kind} trials")


def make_sampler(name: OptunaSampler, seed: int, number: int, given: int = 0) -> BaseSampler:
    """A fresh sampler of Optuna for each trial, so that a study resumes as if it had not been stopped.

    Never multivariate or grouped TPE, which collapse with several objectives. Baselines are `given`, not startup: all
    are all-conv or all-product, and would teach a model never to mix.
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
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Over the parameters that every trial has; TPE draws those that only some have.
        return GPSampler(seed=state, n_startup_trials=startup, independent_sampler=tpe, warn_independent_sampling=False)
