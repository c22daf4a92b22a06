"""What goes to a worker and what comes back: plain data, so that a worker may be another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pure_nas.evaluation.noise import Noise
from pure_nas.evaluation.views import Views
from pure_nas.space.candidate import Candidate
from pure_nas.training.training import EpochMetrics


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What a trained network is evaluated on in addition to its error, on at most so many `images`, always the same."""

    noises: tuple[Noise, ...] = ()
    factors: tuple[float, ...] = ()
    views: Views | None = None
    images: int | None = None

    @property
    def passes(self) -> int:
        """How often an image goes through the network."""
        views = self.views.count if self.views and not self.views.single else 0
        return 1 + len(self.noises) + len(self.factors) + views


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network to train and evaluate."""

    number: int
    candidate: Candidate
    directory: Path  # where its curve, checkpoint and weights go
    seed: int  # decides weights, order and augmentation
    measures: tuple[str, ...] = ()  # objectives to measure besides error, parameters and flops
    final: bool = False  # train on train + validation, evaluate once on test, not on validation after each epoch
    curve: bool = False  # with `final`: leave validation images out of training and evaluate on them after each epoch
    evaluation: EvaluationSettings | None = None  # what evaluation.json is to say; None writes none
    stops: Mapping[int, float] = field(default_factory=dict)  # by epoch, the validation error above which it ends there
    keep_weights: bool = True
    every_epoch: bool = False  # write a checkpoint after each epoch: the session may be stopped early
    label: str = ""  # what people call it, where that is more than its number


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: stopped as its `stops` say; diverged by a NaN or infinite loss; failed for want of memory or as
    its process died twice."""

    state: Literal["complete", "stopped", "diverged", "failed"]
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)  # of the last epoch
    cost: dict[str, float] = field(default_factory=dict)  # params, flops and their parts, and what was measured
    seconds: float = 0.0  # of training, over every session that worked on it
    execution: str = ""  # of steps at the end: "eager", "recorded", "compiled, recorded", or why not


@dataclass(frozen=True)
class Started:
    """A job has begun; `epoch` epochs of it were already done before."""

    number: int
    epoch: int


@dataclass(frozen=True)
class EpochDone:
    """A job has finished an epoch; `saved` says whether its checkpoint is of that epoch."""

    number: int
    metrics: EpochMetrics
    saved: bool = False


@dataclass(frozen=True)
class Ended:
    """A job has ended; its files are complete."""

    number: int
    outcome: Outcome


@dataclass(frozen=True)
class WorkerLost:
    """The worker that did a job died or hung; another one takes the job up from its checkpoint."""

    number: int
    reason: str


Event = Started | EpochDone | WorkerLost | Ended
