"""What a command shows of its images, and while networks train: what changes on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.plans import train as training
from pure_nas.plans.plan import Trained
from pure_nas.plans.search.confirmations import Confirmed
from pure_nas.plans.search.lost_weights import Restored
from pure_nas.quantities import cost_label, counted, show_number, show_percent, show_seconds
from pure_nas.report.palette import placement_text
from pure_nas.report.table import Cell, Column, Row, Table
from pure_nas.run.search_results import Results, TrialRecord
from pure_nas.training.training import EpochMetrics
from pure_nas.workers import Job
from pure_nas.workers.resources import Resources, WorkerPlan
from pure_nas_cli.console import is_live, stderr, tell
from pure_nas_cli.interrupts import raise_dropped_interrupt
from pure_nas_cli.terminal_table import drawn

_MOST_CLASSES = 12  # that are all listed, in so many characters
_MOST_CHARACTERS = 100
_NOISE = "noise_error"  # measured only where it is an objective
_MEASURES = ("error", _NOISE, "flops", "params")
_RECENT = 12
_BAR = 40
_REMARKABLE_SECONDS = 10.0


def show_images(dataset: Dataset) -> None:
    """Print how many images each part has, the classes, and what was found and is not used."""
    size, test_size = dataset.image_size, dataset.test_size
    counts = [f"{len(dataset.train):,} training", f"{len(dataset.validation):,} validation"]
    if test_size is not None:
        counts.append(f"{test_size:,} test" if test_size else "no test")
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}"
    tell(dataset.name, f"{listed} images of {dataset.in_chans} x {size} x {size}")
    show_classes(dataset)


def show_classes(dataset: Dataset) -> None:
    """Print the classes, all of a few or the first and the last, and what was found and is not used."""
    names = dataset.classes
    listed = ", ".join(names)
    if len(names) > _MOST_CLASSES or len(listed) > _MOST_CHARACTERS:
        listed = f"{', '.join(names[:3])} ... {names[-1]}"
    tell(counted(len(names), "class", "classes"), listed)
    if dataset.passed_over:
        tell("ignored", "; ".join(dataset.passed_over))
    if dataset.skipped:
        stderr.print(f"{counted(dataset.skipped, 'corrupt image')} skipped (--skip-corrupt)", style="yellow")


def show_estimate(resources: Resources, workers: WorkerPlan, each: Sequence[float], noun: str = "training") -> float:
    """Print how many train at once and how long all takes, given the seconds of `each`; returns the seconds of all."""
    count = workers.count or 1
    if resources.workers != 1:
        tell(f"workers {count}", workers.reason)
    total, shortest, longest = sum(each) / count, show_seconds(min(each)), show_seconds(max(each))
    spread = f"about {shortest} per {noun}" if shortest == longest else f"{shortest} to {longest} each"
    tell(f"estimated time on {resources.place}", f"{show_seconds(total)} for {counted(len(each), noun)} ({spread})")
    return total


class Progress:
    """Shows a driver's work as lines; subclasses draw what changes. Everything it is told comes from one thread."""

    def __init__(self, console: Console, total: int, done: int = 0) -> None:
        self._console = console
        self._total = total  # trainings that are asked for
        self._done = done  # those that have ended, also before
        self._here = 0.0
        self._began = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._live:
            self._live.stop()

    def workers_started(self, workers: WorkerPlan) -> None:
        """Say how many networks are trained at once where that was measured; else the plan has said it."""
        if workers.measured:
            rates = ", ".join(f"{rate:,.0f} with {count}" for count, rate in workers.measured.items())
            self._say(f"workers {workers.count} (images/s: {rates})")

    def started(self, job: Job, epochs_done: int) -> None:
        """Say only that a training is taken up again."""
        if epochs_done:
            name = job.label if job.directory.name == job.label else f"trial {job.number}"
            self._say(f"{name} resumes after epoch {epochs_done}")

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Show nothing: a line for each training is enough."""
        raise_dropped_interrupt()

    def ended(self, record: TrialRecord | Restored | Confirmed | Trained) -> None:
        match record:
            case Restored(before, after):
                found = "trained again, with the same result"
                if after is None:
                    found = f"cannot be trained again: {record.reason}"
                elif after.objectives != before.objectives:
                    found = (
                        "trained again; results differ on this machine: the error is now "
                        f"{show_percent(after.error)}, not {show_percent(before.error)}"
                    )
                self._say(f"weights of trial {before.number}: {found}")
            case Confirmed((number, seed), outcome):
                self._done += 1
                complete = outcome.state == "complete"
                found = f"error {show_percent(outcome.metrics['error'])}" if complete else outcome.state
                words = [f"trial {number}, seed {seed}", found, outcome.reason, show_seconds(outcome.seconds)]
                self._say_ended(words, "" if complete else "yellow")
            case Trained(training, outcome):
                self._done += outcome.state != "failed"
                complete, what = outcome.state == "complete", f"{training.label}, seed {training.seed}"
                found = f"accuracy {show_percent(outcome.metrics['accuracy'])}" if complete else outcome.state
                self._say_ended(
                    [what, found, outcome.reason, show_seconds(outcome.seconds)], "" if complete else "yellow"
                )
            case TrialRecord():
                self._done += record.counts
                measured = [f"{cost_label(name)} {text}" for name, text in _measured(record).items()]
                spent, why = show_seconds(record.seconds), record.reason
                if record.state != "complete":
                    spent = ""
                if record.stopped_after is not None:  # which the state says
                    why = ""
                placed = placement_text(record.candidate.architecture.units)
                words = [f"trial {record.number}", _state(record), *measured, spent]
                self._say_ended([*words, placed, record.label, why])

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text), style=style or None, soft_wrap=True)

    def _say_ended(self, words: Sequence[str], style: str = "") -> None:
        self._say("  ".join([f"[{self._done}/{self._total}] {words[0]}", *filter(None, words[1:])]), style)

    def _time_left(self, trainings: float) -> str:
        spent = time.monotonic() - self._began
        return f"about {show_seconds(spent / self._here * trainings)} left" if self._here else ""


class EpochLines(Progress):
    """A line for each epoch of a single training, after what it trains on; the command prints the result."""

    def __init__(self, console: Console, prepared: training.Prepared) -> None:
        super().__init__(console, 1)
        self._prepared = prepared
        self._epochs = prepared.candidate.recipe.epochs

    def workers_started(self, workers: WorkerPlan) -> None:
        show_images(self._prepared.dataset)
        self._say(f"{counted(self._epochs, 'epoch')} on {self._prepared.device}; the test images are not read")

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        super().epoch_done(job, metrics)
        error = "-" if metrics.validation_error is None else show_percent(metrics.validation_error)
        self._say(
            f"epoch {metrics.epoch}/{self._epochs}  loss {metrics.train_loss:.4f}  validation error {error}  "
            f"{show_seconds(metrics.seconds)}"
        )

    def ended(self, record: TrialRecord | Restored | Confirmed | Trained) -> None:
        """Nothing: the command prints the result."""


class SearchOfRace(Progress):
    """A line for each trial, after the name of the search that it is of."""

    def __init__(self, console: Console, name: str) -> None:
        super().__init__(console, 0)
        self._name = name

    def _say_ended(self, words: Sequence[str], style: str = "") -> None:
        self._say("  ".join([self._name, *filter(None, words)]), style)


class ListProgress(Progress):
    """A line for each training of a list; on a terminal also one that changes."""

    def __init__(self, console: Console, total: int, done: int = 0) -> None:
        super().__init__(console, total, done)
        self._epochs: dict[str, tuple[int, int]] = {}
        if is_live(console):
            self._live = Live(console=console, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        if self._done:
            self._say(f"{self._done} of {counted(self._total, 'training')} already done")
        return super().__enter__()

    def started(self, job: Job, epochs_done: int) -> None:
        super().started(job, epochs_done)
        self._epochs[job.label] = epochs_done, job.candidate.recipe.epochs

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        """Advance the line; elsewhere than on a terminal, say so where epochs are long."""
        super().epoch_done(job, metrics)
        epochs = job.candidate.recipe.epochs
        self._epochs[job.label] = metrics.epoch, epochs
        self._here += 1 / epochs
        if self._live is None and metrics.seconds > _REMARKABLE_SECONDS and metrics.epoch < epochs:
            self._say(
                f"  {job.label}: epoch {metrics.epoch}/{epochs}, training accuracy "
                f"{show_percent(metrics.train_accuracy)}, {show_seconds(metrics.seconds)}"
            )

    def ended(self, record: TrialRecord | Restored | Confirmed | Trained) -> None:
        if isinstance(record, Trained):
            self._epochs.pop(record.training.name, None)
        super().ended(record)

    def _draw(self) -> Grid:
        now = list(self._epochs.items())  # at once: it is drawn by a thread of its own
        part = sum(done / epochs for _, (done, epochs) in now)
        running = ", ".join(f"{name} {done}/{epochs}" for name, (done, epochs) in now)
        left = self._time_left(self._total - self._done - part)
        line, completed = Grid.grid(padding=(0, 1)), self._done + part
        line.add_row(
            ProgressBar(total=self._total, completed=completed, width=30),
            Text(f"{int(completed):{len(str(self._total))}}/{self._total}", "progress.download"),
            Text(", ".join(filter(None, (running, left))), no_wrap=True),
        )
        return line


class TrialTable(Progress):
    """A table of the trials of a search that is drawn again as they advance."""

    def __init__(
        self,
        console: Console,
        title: str,
        total: int,
        done: Sequence[TrialRecord],
        objectives: tuple[str, ...],
        confirmations: int = 0,
    ) -> None:
        super().__init__(console, total, confirmations)
        self._title = title
        self._objectives = objectives
        self._records = list(done)
        self._recent: deque[TrialRecord] = deque(done[-_RECENT:], maxlen=_RECENT)
        self._running: dict[int, _Running] = {}
        self._live = Live(console=console, get_renderable=self._draw, transient=True)

    def started(self, job: Job, epochs_done: int) -> None:
        # One whose worker was lost is there already.
        before = self._running.get(job.number)
        self._running[job.number] = _Running(job, before.began if before else time.monotonic(), epochs_done)

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        super().epoch_done(job, metrics)
        row = self._running[job.number]
        row.epoch, row.error = metrics.epoch, metrics.validation_error

    def ended(self, record: TrialRecord | Restored | Confirmed | Trained) -> None:
        match record:
            case TrialRecord():
                self._running.pop(record.number, None)
                self._records.append(record)
                self._here += record.counts and record.replay_of is None
                if record.state != "rejected":
                    self._recent.append(record)
            case Confirmed((number, _), _):
                self._running.pop(number, None)
                self._here += 1
                self._done += 1
            case Restored(before, after):
                self._running.pop(before.number, None)
                if after is not None:
                    self._records = [after if each.number == after.number else each for each in self._records]
                super().ended(record)

    def _draw(self) -> Group:
        done = sum(record.counts for record in self._records) + self._done
        line = Grid.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=self._total, completed=min(done, self._total), width=_BAR),
            f"{done} of {counted(self._total, 'trial')}",
            self._time_left(self._total - done) or f"{show_seconds(time.monotonic() - self._began)} so far",
        )
        return Group(Text(self._title, "bold", overflow="ellipsis", no_wrap=True), line, self._table())

    def _table(self) -> Grid:
        # The reference of a hypervolume plays no part in a front.
        results = Results(self._objectives, (1.0,) * len(self._objectives), tuple(self._records))
        front = {record.number for record in results.front}
        noisy = any(_NOISE in record.metrics for record in self._records)
        columns = (
            Column("trial", "trial"),
            Column("state", "state", "left"),
            *(Column(name, cost_label(name)) for name in (*_MEASURES, "time") if noisy or name != _NOISE),
            Column("network", "network", "left", cut=True),
        )

        def row(job: Job | TrialRecord, state: str, seconds: float, measured: Mapping[str, str], **look: str) -> Row:
            tags = ((f" {job.label}", ""),) if job.label else ()
            network = Cell(stages=job.candidate.architecture.units, tags=tags)
            trial, spent = f"{'★ ' * (job.number in front)}{job.number}", show_seconds(seconds) if seconds else ""
            return Row({"trial": trial, "state": state, **measured, "time": spent, "network": network}, **look)

        rows = []
        for record in list(self._recent):
            tone = "strong" if record.number in front else "dim" if record.state != "complete" else ""
            rows.append(row(record, _state(record), record.seconds, _measured(record), tone=tone))
        for each in list(self._running.values()):
            recipe, cost = each.job.candidate.recipe, cost_of(each.job.candidate.architecture)
            measured = {"flops": show_number(cost.flops), "params": show_number(cost.params)}
            if each.error is not None:
                measured["error"] = show_percent(each.error)
            state, spent = f"epoch {each.epoch}/{recipe.epochs}", time.monotonic() - each.began
            rows.append(row(each.job, state, spent, measured, section="running"))
        return drawn(Table("trials", columns, tuple(rows)), self._console.width)


@dataclass
class _Running:
    """A trial that trains since `began`, by the monotonic clock, with the error after its last epoch."""

    job: Job
    began: float
    epoch: int
    error: float | None = None


def _state(record: TrialRecord) -> str:
    if record.replay_of is not None:
        return f"repeats {record.replay_of}"
    return record.state if record.stopped_after is None else f"stopped after epoch {record.stopped_after}"


def _measured(record: TrialRecord) -> dict[str, str]:
    if record.state not in ("complete", "stopped"):
        return {}
    shares = {name: show_percent(record.metrics[name]) for name in ("error", _NOISE) if name in record.metrics}
    return {**shares, **{name: show_number(record.cost[name]) for name in ("flops", "params")}}
