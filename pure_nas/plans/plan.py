"""What the driver asks of a plan and tells a listener; and the plan over a fixed list."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

from pure_nas.errors import RunError
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.schema import SCHEMA
from pure_nas.space.candidate import Candidate
from pure_nas.training.training import EpochMetrics
from pure_nas.workers.messages import EvaluationSettings, Job, Outcome
from pure_nas.workers.resources import WorkerPlan

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Plan(Protocol[R]):
    """What to train next. Its records say what came of it, in the words of its command."""

    kind: str  # in the log: "search", "experiment", "retraining"

    @property
    def left(self) -> int: ...  # trainings to go, as far as is known
    @property
    def finished(self) -> str: ...  # why nothing is left, as a clause

    @property
    def unfinished(self) -> int:
        """Those of them that are begun however little time is left, because an earlier session began them."""
        return 0

    @property
    def expected_seconds(self) -> float:
        """How long a training is expected to take, as far as earlier ones tell; 0 where that decides nothing."""
        return 0.0

    def next(self) -> Job | R | None: ...  # a job, or what came of one that needs no training; None: nothing now
    def tell(self, job: Job, outcome: Outcome) -> R: ...  # keep how a job ended
    def noun(self, training: Job | R) -> str: ...  # what it is in the log: "trial", "training"
    def name(self, job: Job) -> Mapping[str, Any]: ...  # what a job is called in the log
    def entry(self, record: R) -> Mapping[str, Any]: ...  # what the log says of a record


class Listener(Protocol[R_contra]):
    """Is told what happens, to show it, from one thread. Whoever inherits from it overrides what it wants to hear."""

    def workers_started(self, workers: WorkerPlan) -> None:
        return None

    def started(self, job: Job, epochs_done: int) -> None:
        """A job begins, or resumes after `epochs_done` epochs."""
        return None

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        return None

    def ended(self, record: R_contra) -> None:
        """A job has ended, or needs no training."""


@dataclass(frozen=True)
class Training:
    """One network, trained once; the label is what people call it, without the seed."""

    label: str
    candidate: Candidate
    seed: int
    directory: TrialDirectory

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.directory.path.name


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    training: Training
    outcome: Outcome


@dataclass
class FixedPlan(Plan[Trained]):
    """Trains what is missing of a list, in its order; `experiment`, `retrain` and `train` are such."""

    kind: str
    trainings: tuple[Training, ...]  # all of them; a training has ended that has a result.json
    final: bool = False  # as in `Job`, like `curve` and `evaluation`
    curve: bool = False
    evaluation: EvaluationSettings | None = None
    insists: bool = False  # whether one that fails ends the plan, with an error
    failed: list[tuple[Training, str]] = field(default_factory=list)  # and why; the same command tries them again

    def __post_init__(self) -> None:
        self._ended = {each.name for each in self.trainings if each.directory.result() is not None}
        self._waiting = deque(enumerate(self.missing))
        self._running: dict[int, Training] = {}

    @property
    def missing(self) -> list[Training]:
        return [each for each in self.trainings if each.name not in self._ended]

    @property
    def done(self) -> int:
        return len(self._ended)

    @property
    def left(self) -> int:
        """Trainings to go that have not failed in this session."""
        return len(self._waiting) + len(self._running)

    @property
    def finished(self) -> str:
        total = len(self.trainings)
        if self.failed:
            return f"{self.done} of {total} trainings are done"
        return f"all {total} trainings are done" if total > 1 else "the training is done"

    def next(self) -> Job | Trained | None:
        if not self._waiting:
            return None
        number, training = self._waiting.popleft()
        self._running[number] = training
        if not training.directory.has_candidate:
            training.directory.write_candidate(training.candidate)
        return Job(
            number=number,
            candidate=training.candidate,
            directory=training.directory.path,
            seed=training.seed,
            final=self.final,
            curve=self.curve,
            evaluation=self.evaluation,
            label=training.name,
        )

    def tell(self, job: Job, outcome: Outcome) -> Trained:
        training = self._running.pop(job.number)
        if outcome.state != "failed":
            training.directory.finish({"schema": SCHEMA, "seed": training.seed, **asdict(outcome)})
            self._ended.add(training.name)
        elif self.insists:
            raise RunError(
                f"{training.name} cannot be trained: {outcome.reason}.",
                hint="Free the device or choose another with --device, then run the same command again.",
            )
        else:
            self.failed.append((training, outcome.reason))
        return Trained(training, outcome)

    def noun(self, training: Job | Trained) -> str:
        return "training"

    def name(self, job: Job) -> Mapping[str, Any]:
        return {"training": job.label}

    def entry(self, record: Trained) -> Mapping[str, Any]:
        return {"training": record.training.name, "state": record.outcome.state, "reason": record.outcome.reason}
