"""A search with many workers, whose trainings are replayed: what the controller costs, and whether workers wait.

    uv run python -m benchmarks.cluster --workers 64 --trials 640

Everything but the trainings is real: the search, its study and its files. A training finds what was recorded of its
network (`benchmarks.front.recorded`), and takes as long as then, times a factor, on a clock that only waits for that
and for the controller.
"""

from __future__ import annotations

import heapq
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import optuna
import torch
import typer

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Target
from benchmarks.front.problems import Recorded
from benchmarks.front.recorded import load
from pure_nas.cost.layers import cost_of
from pure_nas.files import write_whole
from pure_nas.plans.plan import Listener
from pure_nas.plans.search.session import Prepared, opened, prepare
from pure_nas.plans.search.settings import settings_for
from pure_nas.run.directory import TrialDirectory
from pure_nas.space.candidate import Candidate
from pure_nas.training.training import EpochMetrics
from pure_nas.workers import Ended, Event, Job, Started
from pure_nas.workers.messages import Outcome
from pure_nas.workers.resources import WorkerPlan

_COLUMNS = (
    Column("lag", "lag"),
    Column("trained", "trained", ",.0f"),
    Column("mean", "s each", ".0f"),
    Column("hours", "hours", ".2f"),
    Column("ideal", "by ideal schedule", ".3f"),
    Column("busy", "workers busy", ".1%"),
    Column("core", "controller, of a core per worker", ".3%"),
)


@dataclass
class Replay:
    """An executor of so many workers, which find what was recorded, `factor` times as slowly.

    Attributes:
        now: seconds since the beginning; goes on with trainings and, where `controlled`, with the time in between.
        lengths: seconds of each training, in the order in which they began.
    """

    problem: Recorded
    size: int
    factor: float
    controlled: bool = True
    now: float = 0.0
    lengths: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = time.perf_counter()
        self._coming: list[tuple[float, int, Event]] = []
        self._order = count()
        self._training = 0

    @property
    def free(self) -> int:
        return self.size - self._training

    def submit(self, job: Job) -> None:
        self._go_on()
        curve = self.problem.curve(job.candidate, job.seed)
        stopped = next((epoch for epoch, error in enumerate(curve, 1) if error > job.stops.get(epoch, 1.0)), None)
        epochs = stopped or len(curve)
        each = self.factor * self._seconds(job.candidate) / len(curve)
        records = [
            EpochMetrics(
                epoch=epoch,
                train_loss=0.0,
                train_accuracy=0.0,
                validation_loss=error,
                validation_error=error,
                learning_rate=0.0,
                seconds=each,
            )
            for epoch, error in enumerate(curve[:epochs], start=1)
        ]
        folder = TrialDirectory(job.directory, job.number)
        write_whole(folder.metrics, "".join(json.dumps(asdict(record)) + "\n" for record in records))
        last = curve[epochs - 1]
        cost = cost_of(job.candidate.architecture)
        outcome = Outcome(
            state="stopped" if stopped else "complete",
            reason=f"stopped after epoch {stopped}" if stopped else "",
            metrics={"error": last, "accuracy": 1 - last, "loss": last},
            cost={**asdict(cost), "flops": cost.flops},
            seconds=epochs * each,
        )
        self.lengths.append(epochs * each)
        self._training += 1
        self._expect(0.0, Started(job.number, 0))
        self._expect(epochs * each, Ended(job.number, outcome))

    def next_event(self) -> Event:
        self._go_on()
        at, _, event = heapq.heappop(self._coming)
        self.now = max(self.now, at)
        self._training -= isinstance(event, Ended)
        self._left = time.perf_counter()
        return event

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        return None

    def expect(self, seconds: float) -> None:
        """As long as was recorded."""

    def save_every_epoch(self) -> None:
        """Nothing is lost."""

    def close(self) -> None:
        self._coming.clear()

    def _expect(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._order), event))

    def _go_on(self) -> None:
        """The controller had the word since an event was told."""
        now = time.perf_counter()
        if self.controlled:
            self.now += now - self._left
        self._left = now

    def _seconds(self, candidate: Candidate) -> float:
        return float(self.problem.table.seconds[self.problem.place(candidate)])


def ideal(lengths: Sequence[float], workers: int) -> float:
    """Seconds until the last training ends where each worker takes the next one at once."""
    ends = [0.0] * workers
    for length in lengths:
        heapq.heappush(ends, heapq.heappop(ends) + length)
    return max(ends)


def replay(workers: int, trials: int, lag: int, factor: float, *, controlled: bool = True) -> tuple[Replay, float]:
    """A search of digits, from its settings to its last trial; its workers, and CPU seconds of the controller."""
    problem = Recorded("digits", load("digits"))
    executor = Replay(problem, workers, factor, controlled)
    plan = WorkerPlan(workers, "replayed")
    with tempfile.TemporaryDirectory(prefix="pure-nas-cluster-") as scratch:
        space = Path(scratch) / "space.toml"
        write_whole(space, problem.table.header["space"])
        prepared = prepare(
            settings_for(
                "digits",
                space,
                study="study",
                objectives="error,flops",
                trials=trials,
                epochs=None,
                limits=None,
                baselines=False,
                lag=lag,
                workers="auto",
            )
        )
        began = time.process_time()
        with (
            patch.object(Prepared, "start_workers", lambda *_: (executor, plan)),
            opened(prepared, Path(scratch)) as search,
        ):
            search.driver.go(search.plan, Quiet())
    return executor, time.process_time() - began


class Quiet(Listener[Any]):
    """Hears nothing."""

    def ended(self, record: Any) -> None:
        return None


def main(
    workers: Annotated[int, typer.Option(help="That train at once.")] = 64,
    trials: Annotated[int, typer.Option(help="Of each search.")] = 640,
    factor: Annotated[float, typer.Option(help="How much longer trainings take than they did.")] = 300.0,
    lags: Annotated[str, typer.Option(help="Of the searches, as multiples of the workers.")] = "1,2,3,4",
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """A simulated cluster."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    document = Document("cluster", torch.device("cpu"), {"workers": workers, "trials": trials, "factor": factor})
    rows = []
    for multiple in map(float, lags.split(",")):
        lag = round(multiple * workers)
        executor, controller = replay(workers, trials, lag, factor)
        rows.append(
            {
                "lag": lag,
                "hours": executor.now / 3600,
                "ideal": executor.now / ideal(executor.lengths, workers),
                "busy": sum(executor.lengths) / (workers * executor.now),
                "core": controller / executor.now / workers,
                "trained": len(executor.lengths),
                "mean": statistics.mean(executor.lengths),
            }
        )
        document.show(f"lag {lag}", _COLUMNS, rows[-1:])
    document.table(f"{trials} trials with {workers} workers", _COLUMNS, rows)
    last = rows[-1]
    document.target(Target("time to the last trial by that of the ideal schedule", last["ideal"], "at most", 1.1))
    document.target(Target("controller per worker", 100 * last["core"], "at most", 1.0, "% of a core"))
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
