"""What a search will cost, before it begins."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset
from pure_nas.errors import RunError
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.training.evaluation import NORM_BATCH
from pure_nas.workers import Executor

_SECONDS = 0.25
"""How long each network is timed, once it has taken a step."""
_TRAINING_PASSES = 3
_NOMINAL_FLOPS_PER_SECOND = {"cpu": 5e9, "cuda": 1e12}
_SCORING_SHARE = 0.35
"""Time of a scored image relative to a trained one: a forward pass, of three."""


def seconds_per_trial(
    space: SearchSpace,
    dataset: Dataset,
    trials: int,
    planned: Sequence[Candidate],
    executor: Executor,
    *,
    scored_after: int = 0,
) -> float:
    """Expected training time of a trial: the mean over the space, and over `planned` as far as they are trained.

    A small and a large network are timed by `executor`, as many at once as it trains; flops interpolate between them.

    Args:
        scored_after: images that a trial is scored on once it is trained.

    Raises:
        RunError: not even the small one fits into memory.
    """
    small = min(space.smallest_architectures(), key=_flops)
    large = max(space.largest_architectures(), key=_flops)
    recipe = space.baseline_recipe([get_unit(name) for name in sorted(small.unit_set | large.unit_set)])
    seconds_small = executor.seconds_per_image(Candidate(small, recipe), _SECONDS)
    if seconds_small is None:
        raise RunError(
            f"The smallest network of the space cannot be trained here with {recipe.batch_size} images a batch: memory "
            "runs out.",
            hint="Fewer --workers, a smaller batch_size in the space's [run], or a larger device.",
        )
    # Where the largest does not fit, its time is taken to grow with its flops; its trials will fail and say why.
    seconds_large = executor.seconds_per_image(Candidate(large, recipe), _SECONDS) or (
        seconds_small * _flops(large) / _flops(small)
    )
    slope = max(seconds_large - seconds_small, 0.0) / max(_flops(large) - _flops(small), 1)
    known = [_flops(candidate.architecture) for candidate in planned[:trials]]
    mean = (_flops(small) + _flops(large)) / 2
    flops = (sum(known) + mean * (trials - len(known))) / trials
    per_image = seconds_small + slope * (flops - _flops(small))
    scored = len(dataset.validation) + min(NORM_BATCH, len(dataset.train))
    return per_image * ((len(dataset.train) + _SCORING_SHARE * scored) * recipe.epochs + _SCORING_SHARE * scored_after)


def nominal_seconds_per_trial(space: SearchSpace, dataset: Dataset, device: torch.device) -> float:
    """How long a trial takes on a usual device of that type, from the work alone.

    For decisions that must not depend on how busy the machine is at the moment.
    """
    flops = [_flops(each) for each in (*space.smallest_architectures(), *space.largest_architectures())]
    images = len(dataset.train) * space.run.epochs
    return _TRAINING_PASSES * images * (min(flops) + max(flops)) / 2 / _NOMINAL_FLOPS_PER_SECOND[device.type]


def _flops(architecture: Architecture) -> int:
    return cost_of(architecture).flops
