"""What goes to a worker and what comes back: plain data, so that a worker may be another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pure_nas.evaluation import Noise, Views
from pure_nas.space.candidate import Candidate
from pure_nas.training import EpochMetrics


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
    """One network to train and score.

    Attributes:
        label: what people call it, where that is more than its number.
        directory: where its curve, checkpoint and weights go.
        seed: decides weights, order and augmentation.
        measures: objectives to measure besides error, parameters and flops.
        final: train on train + validation and score once on the test split, instead of scoring on the validation
            split after each epoch.
        curve: with `final`, leave the validation split out of training and score on it after each epoch all the same.
        evaluation: what evaluation.json is to say of the trained network; None writes none.
        every_epoch: write a checkpoint after each epoch, the last included, because the session may be stopped early.
    """

    number: int
    candidate: Candidate
    directory: Path
    seed: int
    measures: tuple[str, ...] = ()
    final: bool = False
    curve: bool = False
    evaluation: EvaluationSettings | None = None
    keep_weights: bool = True
    every_epoch: bool = False
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: a diverged one has a NaN or infinite loss, a failed one ran out of memory or died twice.

    Attributes:
        metrics: error, accuracy and loss of the last epoch, and what else was to be measured.
        cost: params, flops and their parts, and what was measured.
        seconds: training time, over every session that worked on it.
        execution: how its steps were carried out at the end: "eager", "recorded", "compiled, recorded", or why not.
    """

    state: Literal["complete", "diverged", "failed"]
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    execution: str = ""


@dataclass(frozen=True)
class Started:
    """A job has begun; `epoch` epochs of it were already done before."""

    number: int
    epoch: int


@dataclass(frozen=True)
class EpochDone:
    """A job has finished an epoch."""

    number: int
    metrics: EpochMetrics


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
