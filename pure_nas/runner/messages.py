"""What goes to a worker and what comes back: plain data, so that a worker may be another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pure_nas.candidate import Candidate
from pure_nas.training import EpochMetrics

Measure = Literal["params", "flops", "latency", "memory"]
"""params and flops come from the architecture; latency (ms, one image) and memory (activation bytes, one image)
are measured."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network to train and score.

    Attributes:
        directory: where its curve, checkpoint and weights go.
        seed: decides weights, order and augmentation.
        measures: what to measure besides parameters and flops.
        final: train on train + validation and score once on the test split, instead of scoring on the validation
            split after each epoch.
    """

    number: int
    candidate: Candidate
    directory: Path
    seed: int
    measures: tuple[Measure, ...] = ()
    final: bool = False
    keep_weights: bool = True


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    Attributes:
        state: "complete", "diverged" (NaN or infinite loss) or "failed" (out of memory, or its worker died twice).
        reason: why it is not complete.
        metrics: error, accuracy and loss of the last epoch.
        cost: params, flops and their parts, and what was measured.
        seconds: time from start to end, over every session that worked on it.
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
