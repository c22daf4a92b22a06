"""What an experiment will cost, before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.space.candidate import Candidate
from pure_nas.workers import Executor

SCORING_SHARE = 0.35
"""Time of a scored image relative to a trained one: a forward pass, of three."""
_SECONDS = 0.25
"""How long each network is timed, once it has taken a step."""
_TIMES = 2


@dataclass(frozen=True)
class Expected:
    """How long a training is expected to take.

    Attributes:
        epoch: seconds of one, with the scoring that belongs to it.
        after: seconds of what follows the last.
    """

    epochs: int
    epoch: float
    after: float

    @property
    def seconds(self) -> float:
        """In all."""
        return self.epochs * self.epoch + self.after


def seconds_per_image(candidates: Sequence[Candidate], executor: Executor) -> dict[str, float]:
    """Expected training time of an image, by digest.

    Of the networks of the same units the smallest and the largest are timed by `executor`, as many at once as it
    trains; flops interpolate between them.

    Raises:
        RunError: not even the smallest fits into memory.
    """
    groups: defaultdict[frozenset[str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.architecture.unit_set].append(candidate)
    found: dict[str, float] = {}
    for group in groups.values():
        found |= _interpolated(sorted(group, key=_flops), executor)
    return found


def _interpolated(group: list[Candidate], executor: Executor) -> dict[str, float]:
    small, large = group[0], group[-1]
    seconds_small = _timed(small, executor)
    if seconds_small is None:
        raise RunError(
            f"Not even the smallest network of {', '.join(sorted(small.architecture.unit_set))} units can be trained "
            f"here with {small.recipe.batch_size} images a batch: memory runs out.",
            hint="Fewer --workers, a smaller batch_size in the scale, or a larger device.",
        )
    if _flops(large) == _flops(small):
        return {candidate.digest: seconds_small for candidate in group}
    # Where the largest does not fit, its time is taken to grow with its flops; its trainings will fail and say why.
    seconds_large = _timed(large, executor) or seconds_small * _flops(large) / _flops(small)
    slope = max(seconds_large - seconds_small, 0.0) / (_flops(large) - _flops(small))
    return {candidate.digest: seconds_small + slope * (_flops(candidate) - _flops(small)) for candidate in group}


def _timed(candidate: Candidate, executor: Executor) -> float | None:
    """The best of a few times: a busy machine, or a first use, only ever makes one longer. None: it does not fit."""
    times = [executor.seconds_per_image(candidate, _SECONDS) for _ in range(_TIMES)]
    return min((seconds for seconds in times if seconds is not None), default=None)


def _flops(candidate: Candidate) -> int:
    return cost_of(candidate.architecture).flops
