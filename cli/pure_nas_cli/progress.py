"""What a command shows while networks train: what changes on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pure_nas.cost.layers import cost_of
from pure_nas.plans.fixed import Trained
from pure_nas.plans.search.lost_weights import Restored
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.report.palette import placement_text
from pure_nas.run.results import Results, TrialRecord
from pure_nas.space.architecture import Architecture
from pure_nas.training import EpochMetrics
from pure_nas.workers import Job
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.terminal_table import bare_table, placement

_NOISE = "noise_error"
"""Measured only where it is an objective."""
_RECENT = 12
_BAR = 40
_REMARKABLE_SECONDS = 10.0


class Progress:
    """Shows a driver's work as lines; subclasses draw what changes. Everything it is told comes from one thread.

    Args:
        total: trainings in all.
        done: those of them that ended before.
    """

    def __init__(self, console: Console, total: int, done: int = 0) -> None:
        self._console = console
        self._total = total
        self._done = done
        self._here = 0.0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def workers_started(self, workers: WorkerPlan) -> None:
        """Say how many networks are trained at once where that was measured; else the plan has said it."""
        if workers.measured:
            rates = ", ".join(f"{rate:,.0f} with {count}" for count, rate in workers.measured.items())
            self._say(f"workers {workers.count}: images/s are {rates}")

    def started(self, job: Job, epochs_done: int) -> None:
        """Say only that a training is taken up again."""
        if epochs_done:
            self._say(f"{_name(job)} goes on after epoch {epochs_done}")

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Nothing: a line for each training is enough."""

    def ended(self, record: TrialRecord | Restored | Trained) -> None:
        """Print what came of a training."""
        match record:
            case Restored():
                self._say(_restored(record))
            case Trained(training, outcome):
                self._done += outcome.state != "failed"
                words = [f"[{self._done}/{self._total}] {training.label}, seed {training.seed}"]
                if outcome.state == "complete":
                    words.append(f"accuracy {show_percent(outcome.metrics['accuracy'])}")
                else:
                    words += [outcome.state, outcome.reason]
                words.append(show_seconds(outcome.seconds))
                self._say("  ".join(words), style="" if outcome.state == "complete" else "yellow")
            case TrialRecord():
                self._done += record.counts
                self._say("  ".join([f"[{self._done}/{self._total}] trial {record.number}", *_told(record)]))

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text), style=style or None, soft_wrap=True)

    def _time_left(self, trainings: float) -> str:
        """By the trainings, and parts of such, that were done here."""
        spent = time.monotonic() - self._began
        return f"about {show_seconds(spent / self._here * trainings)} left" if self._here else ""


class EpochLines(Progress):
    """A line for each epoch, of a single training."""

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Print it."""
        error = metrics.validation_error
        self._say(
            f"epoch {metrics.epoch}/{job.candidate.recipe.epochs}  loss {metrics.train_loss:.4f}  "
            f"validation error {show_percent(error) if error is not None else '-'}  {show_seconds(metrics.seconds)}"
        )

    def ended(self, record: TrialRecord | Restored | Trained) -> None:
        """Nothing: the command prints the result."""


class ListProgress(Progress):
    """A line for each training of a list; on a terminal also one that changes."""

    def __init__(self, console: Console, total: int, done: int = 0) -> None:
        super().__init__(console, total, done)
        self._epochs: dict[str, float] = {}
        self._live: Bar | None = None
        self._bar = TaskID(0)

    def __enter__(self) -> Self:
        if self._done:
            self._say(f"{self._done} of {counted(self._total, 'training')} were done before")
        if is_live(self._console):
            columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._live = Bar(*columns, console=self._console, transient=True)
            self._bar = self._live.add_task("", total=self._total, completed=self._done)
            self._live.start()
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        if self._live:
            self._live.stop()

    def started(self, job: Job, epochs_done: int) -> None:
        """Show it among those that train."""
        super().started(job, epochs_done)
        self._epochs[job.label] = epochs_done
        self._update(job)

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Advance the line; elsewhere than on a terminal, say so where epochs are long."""
        epochs = job.candidate.recipe.epochs
        self._epochs[job.label] = metrics.epoch
        self._here += 1 / epochs
        if self._live is None and metrics.seconds > _REMARKABLE_SECONDS and metrics.epoch < epochs:
            self._say(
                f"  {job.label}: epoch {metrics.epoch}/{epochs}, training accuracy "
                f"{show_percent(metrics.train_accuracy)}, {show_seconds(metrics.seconds)}"
            )
        self._update(job)

    def ended(self, record: TrialRecord | Restored | Trained) -> None:
        """Print the training's line."""
        if isinstance(record, Trained):
            self._epochs.pop(record.training.name, None)
        super().ended(record)

    def _update(self, job: Job) -> None:
        if self._live is None:
            return
        epochs = job.candidate.recipe.epochs
        running = ", ".join(f"{name} {done:g}/{epochs}" for name, done in self._epochs.items())
        part = sum(done / epochs for done in self._epochs.values())
        left = self._time_left(self._total - self._done - part)
        description = ", ".join(filter(None, (running, left)))
        self._live.update(self._bar, completed=self._done + part, description=description)


class TrialTable(Progress):
    """A table of the trials of a search that is drawn again as they advance."""

    def __init__(
        self,
        console: Console,
        title: str,
        total: int,
        epochs: int,
        done: Sequence[TrialRecord],
        objectives: tuple[str, ...],
    ) -> None:
        super().__init__(console, total)
        self._title = title
        self._objectives = objectives
        self._epoch_count = epochs
        self._records = list(done)
        self._recent: deque[TrialRecord] = deque(done[-_RECENT:], maxlen=_RECENT)
        self._running: dict[int, _Row] = {}
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        self._live.stop()

    def started(self, job: Job, epochs_done: int) -> None:
        """Add the trial to the table; one whose worker was lost is there already."""
        began = self._running[job.number].began if job.number in self._running else time.monotonic()
        self._running[job.number] = _Row(job, began, epochs_done)

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Advance the trial's row."""
        row = self._running[job.number]
        row.epoch, row.error = metrics.epoch, metrics.validation_error

    def ended(self, record: TrialRecord | Restored | Trained) -> None:
        """Move the trial to the finished ones; say above the table what became of lost weights."""
        match record:
            case TrialRecord():
                self._running.pop(record.number, None)
                self._records.append(record)
                self._here += record.counts and record.replay_of is None
                if record.state != "rejected":
                    self._recent.append(record)
            case Restored(before, after):
                self._running.pop(before.number, None)
                if after is not None:
                    self._records = [after if each.number == after.number else each for each in self._records]
                super().ended(record)

    def _draw(self) -> Group:
        done = sum(record.counts for record in self._records)
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=self._total, completed=min(done, self._total), width=_BAR),
            f"{done} of {counted(self._total, 'trial')}",
            self._time_left(self._total - done) or f"{show_seconds(time.monotonic() - self._began)} so far",
        )
        return Group(Text(self._title, "bold", overflow="ellipsis", no_wrap=True), line, self._table())

    def _table(self) -> Table:
        # Its reference plays no part in a front.
        results = Results(self._objectives, (1.0,) * len(self._objectives), tuple(self._records))
        front = {record.number for record in results.front}
        table = bare_table()
        noise = any(_NOISE in record.metrics for record in self._records)
        for name in ("trial", "state", "error", *(["noise error"] if noise else []), "flops", "params", "time"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        table.add_column("network")
        for record in self._recent:
            style = "bold" if record.number in front else "dim" if record.state != "complete" else None
            table.add_row(*_finished_row(record, record.number in front, noise), style=style)
        table.add_section()
        for row in self._running.values():
            table.add_row(*self._running_row(row, noise))
        return table

    def _running_row(self, row: _Row, noise: bool) -> list[str | Text]:
        architecture = row.job.candidate.architecture
        cost = cost_of(architecture)
        return [
            str(row.job.number),
            f"epoch {row.epoch}/{self._epoch_count}",
            show_percent(row.error) if row.error is not None else "",
            *([""] if noise else []),
            show_number(cost.flops),
            show_number(cost.params),
            show_seconds(time.monotonic() - row.began),
            _network(architecture, row.job.label),
        ]


@dataclass
class _Row:
    """A running trial.

    Attributes:
        began: when it began here, by the monotonic clock.
        epoch: how many it has done.
        error: after the last of them.
    """

    job: Job
    began: float
    epoch: int
    error: float | None = None


def is_live(console: Console) -> bool:
    """Whether what changes can be shown."""
    return console.is_terminal and not console.is_dumb_terminal


def _name(job: Job) -> str:
    return job.label if job.directory.name == job.label else f"trial {job.number}"


def _told(record: TrialRecord) -> list[str]:
    """A trial's line, after its number."""
    words = [_state(record)]
    if record.state == "complete":
        words += [
            f"error {show_percent(record.error)}",
            *([f"noise error {show_percent(record.metrics[_NOISE])}"] if _NOISE in record.metrics else []),
            f"flops {show_number(record.cost['flops'])}",
            f"params {show_number(record.cost['params'])}",
            show_seconds(record.seconds),
        ]
    placement = placement_text(record.candidate.architecture.units)
    return [*words, *filter(None, (placement, record.baseline, record.reason))]


def _restored(record: Restored) -> str:
    """What became of a trial whose weights were lost."""
    before, after = record.before, record.after
    if after is None:
        said = f"cannot be trained again: {record.reason}"
    elif after.objectives == before.objectives:
        said = "trained again, with the same result"
    else:
        said = (
            f"trained again; this machine computes otherwise than the one of then, so that the error is now "
            f"{show_percent(after.error)}, not {show_percent(before.error)}"
        )
    return f"weights of trial {before.number}: {said}"


def _state(record: TrialRecord) -> str:
    return record.state if record.replay_of is None else f"repeats {record.replay_of}"


def _finished_row(record: TrialRecord, on_front: bool, noise: bool) -> list[str | Text]:
    complete = record.state == "complete"
    return [
        f"★ {record.number}" if on_front else str(record.number),
        _state(record),
        show_percent(record.error) if complete else "",
        *([show_percent(record.metrics[_NOISE]) if _NOISE in record.metrics else ""] if noise else []),
        show_number(record.cost["flops"]) if complete else "",
        show_number(record.cost["params"]) if complete else "",
        show_seconds(record.seconds) if record.seconds else "",
        _network(record.candidate.architecture, record.baseline),
    ]


def _network(architecture: Architecture, baseline: str) -> Text:
    """The placement and the baseline's label, cut at the edge of the terminal."""
    text = placement(architecture.units)
    if baseline:
        text.append(f"  {baseline}", "dim")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
