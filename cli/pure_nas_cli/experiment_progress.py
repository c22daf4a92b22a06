"""What an experiment shows while it runs: one changing line on a terminal, a line a training elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from pure_nas.plans.grid.trainings import Training
from pure_nas.quantities import show_percent, show_seconds
from pure_nas.training import EpochMetrics
from pure_nas.workers import Outcome
from pure_nas.workers.count import WorkerPlan

_REMARKABLE_SECONDS = 10.0


class ExperimentProgress:
    """Shows an experiment. Everything it is told comes from one thread.

    Args:
        total: trainings in all.
        done: those of them that have ended before.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console = console
        self._total = total
        self._done = done
        self._epochs: dict[str, float] = {}
        self._began = time.monotonic()
        self._here = 0.0
        self._live: Progress | None = None
        self._bar: TaskID | None = None

    @contextmanager
    def training(self) -> Iterator[None]:
        """Show progress while the experiment trains."""
        self._began = time.monotonic()
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield
            return
        columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=self._console, transient=True) as self._live:
            self._bar = self._live.add_task("", total=self._total, completed=self._done)
            yield
        self._live = None

    def workers_started(self, workers: WorkerPlan) -> None:
        """Say how many, where that was measured."""
        if workers.measured:
            rates = ", ".join(f"{rate:,.0f} with {count}" for count, rate in workers.measured.items())
            self._console.print(f"workers {workers.count}: images/s are {rates}", soft_wrap=True)

    def training_started(self, training: Training, epochs_done: int) -> None:
        """Say that a training is taken up again."""
        self._epochs[training.name] = epochs_done
        if epochs_done:
            self._console.print(f"{training.name} goes on after epoch {epochs_done}", soft_wrap=True)
        self._update(training)

    def epoch_done(self, training: Training, metrics: EpochMetrics) -> None:
        """Advance the line; elsewhere than on a terminal, say so where epochs are long."""
        self._epochs[training.name] = metrics.epoch
        epochs = training.cell.candidate.recipe.epochs
        self._here += 1 / epochs
        if self._live is None and metrics.seconds > _REMARKABLE_SECONDS and metrics.epoch < epochs:
            self._console.print(
                f"  {training.name}: epoch {metrics.epoch}/{epochs}, training accuracy "
                f"{show_percent(metrics.train_accuracy)}, {show_seconds(metrics.seconds)}",
                soft_wrap=True,
            )
        self._update(training)

    def training_ended(self, training: Training, outcome: Outcome) -> None:
        """Print the training's line."""
        self._epochs.pop(training.name, None)
        self._done += outcome.state != "failed"
        words = [f"[{self._done}/{self._total}] {training.cell.label}, seed {training.seed}"]
        if outcome.state == "complete":
            words.append(f"accuracy {show_percent(outcome.metrics['accuracy'])}")
        else:
            words += [outcome.state, outcome.reason]
        words.append(show_seconds(outcome.seconds))
        style = None if outcome.state == "complete" else "yellow"
        self._console.print(Text("  ".join(words)), style=style, soft_wrap=True)
        self._update(training)

    def _update(self, training: Training) -> None:
        if self._live is None or self._bar is None:
            return
        epochs = training.cell.candidate.recipe.epochs
        running = ", ".join(f"{name} {done:g}/{epochs}" for name, done in self._epochs.items())
        part = sum(done / epochs for done in self._epochs.values())
        left = ""
        if self._here > 0:
            spent = time.monotonic() - self._began
            left = f", about {show_seconds(spent / self._here * (self._total - self._done - part))} left"
        self._live.update(self._bar, completed=self._done + part, description=f"{running}{left}")
