"""What training will cost, measured by what will train, before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.devices import nominal_flops_per_second
from pure_nas.errors import RunError
from pure_nas.plans.plan import FixedPlan
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.training.scoring import NORM_BATCH
from pure_nas.workers import Executor
from pure_nas.workers.resources import Resources

SCORING_SHARE = 0.35  # time of an evaluated image relative to a trained one: a forward pass, of three
_SECONDS = 0.125  # how long each network is timed, once it has taken a step
_TIMES = 2
_TRAINING_PASSES = 3


@dataclass(frozen=True)
class Expected:
    """How long a training is expected to take: seconds of an epoch with its evaluation, and of what follows them."""

    epochs: int
    epoch: float
    after: float

    @property
    def seconds(self) -> float:
        return self.epochs * self.epoch + self.after


def expected_of(
    plan: FixedPlan,
    executor: Executor,
    resources: Resources,
    scored: int,
    epoch_seconds: Mapping[str, float] | None = None,
) -> dict[str, Expected]:
    """How long each missing training will take, by its name; `scored` images are evaluated after its last epoch.

    It is measured, but where `epoch_seconds` has it by its digest.
    """
    trainings, after = plan.missing, scored if plan.final else 0
    if plan.evaluation:
        after += plan.evaluation.passes * min(plan.evaluation.images or scored, scored)
    in_epoch = images_of_epoch(resources.train_images, resources.dataset, scored=not plan.final or plan.curve)
    per_image = {digest: seconds / in_epoch for digest, seconds in (epoch_seconds or {}).items()}
    by_digest = {each.candidate.digest: each.candidate for each in trainings}
    unknown = [candidate for digest, candidate in by_digest.items() if digest not in per_image]
    per_image |= seconds_per_image(unknown, executor)
    found = ((each.name, each.candidate.recipe.epochs, per_image[each.candidate.digest]) for each in trainings)
    return {name: Expected(epochs, in_epoch * each, SCORING_SHARE * after * each) for name, epochs, each in found}


def images_of_epoch(train: int, dataset: Dataset, *, scored: bool) -> float:
    """Images of an epoch that trains on `train`, with those that are evaluated after it counted for what they cost."""
    return train + SCORING_SHARE * (len(dataset.validation) + min(NORM_BATCH, len(dataset.train))) * scored


def seconds_per_image(candidates: Sequence[Candidate], executor: Executor) -> dict[str, float]:
    """Expected training time of an image, by digest; of networks of the same units, two are timed."""
    groups: defaultdict[frozenset[str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.architecture.unit_set].append(candidate)
    found: dict[str, float] = {}
    for units, group in groups.items():
        ordered = sorted(group, key=lambda each: flops_of(each.architecture))
        per_image = interpolation(ordered[0], ordered[-1], executor, of=f"of {', '.join(sorted(units))} units")
        found |= {each.digest: per_image(flops_of(each.architecture)) for each in group}
    return found


def nominal_seconds_per_trial(space: SearchSpace, dataset: Dataset, device: torch.device) -> float:
    """How long a trial takes on a usual device, for decisions that must not depend on how busy the machine is."""
    flops = [flops_of(each) for each in (*space.smallest_architectures(), *space.largest_architectures())]
    images = len(dataset.train) * space.run.epochs
    return _TRAINING_PASSES * images * (min(flops) + max(flops)) / 2 / nominal_flops_per_second(device)


def interpolation(small: Candidate, large: Candidate, executor: Executor, *, of: str) -> Callable[[float], float]:
    """Seconds of an image by flops, from two networks that `executor` times, as many at once as it trains."""
    least, most = flops_of(small.architecture), flops_of(large.architecture)
    seconds_small = _timed(small, executor)
    if seconds_small is None:
        raise RunError(
            f"The smallest network {of} cannot be trained here with a batch size of "
            f"{small.recipe.batch_size}: there is not enough memory.",
            hint="Use fewer --workers, a smaller batch_size or a larger device.",
        )
    if least == most:
        return lambda flops: seconds_small
    # Where the largest does not fit, its time is taken to grow with its flops; its trainings will fail and say why.
    seconds_large = _timed(large, executor) or seconds_small * most / least
    slope = max(seconds_large - seconds_small, 0.0) / (most - least)
    return lambda flops: seconds_small + slope * (flops - least)


def _timed(candidate: Candidate, executor: Executor) -> float | None:
    """The best of a few times: a busy machine, or a first use, only ever makes one longer. None: it does not fit."""
    times = [executor.seconds_per_image(candidate, _SECONDS) for _ in range(_TIMES)]
    return min((seconds for seconds in times if seconds is not None), default=None)


def flops_of(architecture: Architecture) -> int:
    """Of one image."""
    return cost_of(architecture).flops
