"""Trainings told to what labs already look at: one listener, several outputs (TensorBoard, MLflow, W&B, Trackio)."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from pure_nas.errors import PureNasError
from pure_nas.plans.plan import Listener, Trained
from pure_nas.plans.search.study import attributes_of
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas.training.training import EpochMetrics
from pure_nas.workers import Job
from pure_nas.workers.resources import WorkerPlan

_log = logging.getLogger(__name__)

Tracker = Literal["tensorboard", "mlflow", "wandb", "trackio"]
TRACKERS: tuple[Tracker, ...] = get_args(Tracker)


class Output(Protocol):
    """Where trainings are told to; each has a name, which is that of its folder."""

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        """A training begins, or resumes."""

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        """An epoch of it has ended."""

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        """It has ended; its files are in `folder`."""

    def close(self) -> None:
        """Nothing more is told."""


def require_trackers(trackers: Sequence[Tracker]) -> None:
    """Check that their packages are installed, else raise a `PureNasError`."""
    missing = [tracker for tracker in trackers if importlib.util.find_spec(tracker) is None]
    if missing:
        listed = " and ".join(missing)
        raise PureNasError(f"Logging needs {listed}.", hint=f"Install it: pip install {' '.join(missing)}")


class Tracked(Listener[Any]):
    """Tells a listener and outputs; an output that fails is told no more, and that is said."""

    def __init__(self, listener: Listener[Any], outputs: Mapping[str, Output], run: RunDirectory) -> None:
        self._listener, self._outputs, self._run = listener, dict(outputs), run

    def workers_started(self, workers: WorkerPlan) -> None:
        self._listener.workers_started(workers)

    def started(self, job: Job, epochs_done: int) -> None:
        self._listener.started(job, epochs_done)
        facts = {**attributes_of(job.candidate), "seed": job.seed}
        self._tell(lambda output: output.begin(job.directory.name, facts, epochs_done))

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        self._listener.epoch_done(job, metrics)
        values = _numbers(asdict(metrics))
        self._tell(lambda output: output.epoch(job.directory.name, metrics.epoch, values))

    def ended(self, record: Any) -> None:
        self._listener.ended(record)
        if isinstance(record, TrialRecord):
            if record.replay_of is None:
                folder = self._run.trial(record.number).path
                values = _numbers({**record.cost, "seconds": record.seconds})
                values |= {"error": record.error} if record.objectives else {}
                self._tell(lambda output: output.end(folder.name, record.state, values, folder))
        elif isinstance(record, Trained):
            outcome, folder = record.outcome, record.training.directory.path
            values = _numbers({**outcome.cost, **outcome.metrics, "seconds": outcome.seconds})
            self._tell(lambda output: output.end(folder.name, outcome.state, values, folder))

    def _tell(self, tell: Callable[[Output], None]) -> None:
        for name, output in list(self._outputs.items()):
            try:
                tell(output)
            except Exception as error:  # noqa: BLE001 - whatever it is, the trainings go on
                del self._outputs[name]
                _log.warning(f"{name} is told nothing more: {type(error).__name__}: {error}")

    def close(self) -> None:
        """End the outputs."""
        self._tell(lambda output: output.close())


@contextmanager
def tracked(listener: Listener[Any], trackers: Sequence[Tracker], run: RunDirectory) -> Iterator[Listener[Any]]:
    """A listener that tells outputs too, while the block lasts."""
    require_trackers(trackers)
    outputs: dict[str, Output] = {}
    for tracker in dict.fromkeys(trackers):
        outputs[tracker] = import_module(f"pure_nas.tracking.{tracker}_output").output(run.path)
    found = Tracked(listener, outputs, run)
    try:
        yield found
    finally:
        found.close()


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among values."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
