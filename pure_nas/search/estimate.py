"""What a search will cost, before it begins."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import islice

import torch

from pure_nas.architecture import Architecture
from pure_nas.candidate import Candidate
from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset
from pure_nas.devices import hand_back_freed_memory, threads_for
from pure_nas.nn import build
from pure_nas.recipe import Recipe
from pure_nas.search.space import SearchSpace
from pure_nas.training import Training
from pure_nas.training.evaluation import NORM_BATCH
from pure_nas.units import get_unit

_STEPS = 6
_SECONDS = 1.0
"""How long each network is timed at most, once it has taken a step."""
_TRAINING_PASSES = 3
_NOMINAL_FLOPS_PER_SECOND = {"cpu": 5e9, "cuda": 1e12}
_SCORING_SHARE = 0.35
"""Time of a scored image relative to a trained one: a forward pass, of three."""


@dataclass(frozen=True)
class Estimate:
    """Expected training time.

    Attributes:
        seconds_per_trial: mean over the space, baselines included.
        trials: how many.
    """

    seconds_per_trial: float
    trials: int

    @property
    def seconds(self) -> float:
        """In total."""
        return self.seconds_per_trial * self.trials


def estimate(
    space: SearchSpace, dataset: Dataset, trials: int, planned: list[Candidate], device: torch.device
) -> Estimate:
    """Time a few steps of a small and a large network and interpolate between them by flops.

    Args:
        planned: candidates that are sure to be trained; the others are taken as networks of mean cost.
    """
    small = min(space.smallest_architectures(), key=lambda each: cost_of(each).flops)
    large = max(space.largest_architectures(), key=lambda each: cost_of(each).flops)
    recipe = space.baseline_recipe([get_unit(name) for name in sorted(small.unit_set | large.unit_set)])
    flops_small, flops_large = cost_of(small).flops, cost_of(large).flops
    seconds_small = _seconds_per_image(small, recipe, dataset, device)
    seconds_large = max(_seconds_per_image(large, recipe, dataset, device), seconds_small)
    hand_back_freed_memory(device)
    slope = (seconds_large - seconds_small) / max(flops_large - flops_small, 1)
    known = [cost_of(candidate.architecture).flops for candidate in planned[:trials]]
    mean = (flops_small + flops_large) / 2
    flops = (sum(known) + mean * (trials - len(known))) / trials
    per_image = seconds_small + slope * (flops - flops_small)
    scored = len(dataset.validation) + min(NORM_BATCH, len(dataset.train))
    return Estimate(per_image * (len(dataset.train) + _SCORING_SHARE * scored) * recipe.epochs, trials)


def nominal_seconds_per_trial(space: SearchSpace, dataset: Dataset, device: torch.device) -> float:
    """How long a trial takes on a usual device of that type, from the work alone.

    For decisions that must not depend on how busy the machine is at the moment.
    """
    flops = [cost_of(each).flops for each in (*space.smallest_architectures(), *space.largest_architectures())]
    images = len(dataset.train) * space.run.epochs
    return _TRAINING_PASSES * images * (min(flops) + max(flops)) / 2 / _NOMINAL_FLOPS_PER_SECOND[device.type]


def _seconds_per_image(architecture: Architecture, recipe: Recipe, dataset: Dataset, device: torch.device) -> float:
    """The median of a few steps, fewer where they are slow, after what warms up."""
    training = Training(
        build(architecture), recipe, train=dataset.train, validation=None, flip=dataset.flip, device=device, seed=0
    )
    batches = list(islice(dataset.train.batches(recipe.batch_size, device=device), _STEPS))
    seconds: list[float] = []
    with threads_for(cost_of(architecture).flops * recipe.batch_size):
        # On a GPU the first steps are recorded.
        training.rehearse(batches[: 4 if device.type == "cuda" else 1])
        begun = time.perf_counter()
        for batch in batches:
            if seconds and time.perf_counter() - begun > _SECONDS:
                break
            start = time.perf_counter()
            training.rehearse([batch])
            seconds.append((time.perf_counter() - start) / len(batch[1]))
    return statistics.median(seconds)
