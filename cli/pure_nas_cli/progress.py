"""What a search shows while it runs: a live table on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pure_nas.cost.layers import cost_of
from pure_nas.plans.search.study import Asked
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.report.palette import placement_text
from pure_nas.run.results import Results, TrialRecord
from pure_nas.space.architecture import Architecture
from pure_nas.training import EpochMetrics
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.terminal_table import bare_table, placement

_NOISE = "noise_error"
"""Measured only where it is an objective."""
_RECENT = 12
_BAR = 40


class Progress(Protocol):
    """Shows a search. Everything it is told comes from one thread."""

    def workers_started(self, workers: WorkerPlan) -> None: ...
    def trial_started(self, trial: Asked, epochs_done: int) -> None: ...
    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...
    def weights_restored(self, before: TrialRecord, after: TrialRecord | None, reason: str = "") -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(self, *details: object) -> None: ...


class Relay:
    """Passes on to whatever shows the search, once that is known.

    Attributes:
        target: what is told.
    """

    def __init__(self) -> None:
        self.target: Progress | None = None

    def workers_started(self, workers: WorkerPlan) -> None:
        """Pass it on."""
        if self.target:
            self.target.workers_started(workers)

    def trial_started(self, trial: Asked, epochs_done: int) -> None:
        """Pass it on."""
        if self.target:
            self.target.trial_started(trial, epochs_done)

    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None:
        """Pass it on."""
        if self.target:
            self.target.epoch_done(trial, metrics)

    def trial_ended(self, record: TrialRecord) -> None:
        """Pass it on."""
        if self.target:
            self.target.trial_ended(record)

    def weights_restored(self, before: TrialRecord, after: TrialRecord | None, reason: str = "") -> None:
        """Pass it on."""
        if self.target:
            self.target.weights_restored(before, after, reason)


class PlainProgress:
    """One line for each trial, for logs and pipes."""

    def __init__(self, console: Console, total: int, done: list[TrialRecord]) -> None:
        self._console = console
        self._total = total
        self._counted = sum(record.counts for record in done)

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def workers_started(self, workers: WorkerPlan) -> None:
        """Say how many, where that was measured."""
        _say_workers(self._console, workers)

    def trial_started(self, trial: Asked, epochs_done: int) -> None:
        """Say only that a trial is taken up again."""
        if epochs_done:
            self._console.print(f"trial {trial.number} goes on after epoch {epochs_done}", soft_wrap=True)

    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None:
        """Nothing: a line a trial is enough."""

    def trial_ended(self, record: TrialRecord) -> None:
        """Print the trial's line."""
        self._counted += record.counts
        words = [f"[{self._counted}/{self._total}] trial {record.number}", _state(record)]
        if record.state == "complete":
            words += [
                f"error {show_percent(record.error)}",
                *([f"noise error {show_percent(record.metrics[_NOISE])}"] if _NOISE in record.metrics else []),
                f"flops {show_number(record.cost['flops'])}",
                f"params {show_number(record.cost['params'])}",
                show_seconds(record.seconds),
            ]
        words += [placement_text(record.candidate.architecture.units), *([record.baseline] if record.baseline else [])]
        if record.reason:
            words.append(record.reason)
        self._console.print(Text("  ".join(words)), soft_wrap=True)

    def weights_restored(self, before: TrialRecord, after: TrialRecord | None, reason: str = "") -> None:
        """Print what became of it."""
        _say_restored(self._console, before, after, reason)


class LiveProgress:
    """A table that is drawn again as trials advance."""

    def __init__(
        self,
        console: Console,
        title: str,
        total: int,
        epochs: int,
        done: list[TrialRecord],
        objectives: tuple[str, ...],
    ) -> None:
        self._title = title
        self._objectives = objectives
        self._total = total
        self._epochs = epochs
        self._records = list(done)
        self._recent: deque[TrialRecord] = deque(done[-_RECENT:], maxlen=_RECENT)
        self._running: dict[int, _Row] = {}
        self._began = time.monotonic()
        self._ended_here = 0
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw, transient=True)

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.stop()

    def workers_started(self, workers: WorkerPlan) -> None:
        """Say how many above the table, where that was measured."""
        _say_workers(self._live.console, workers)

    def trial_started(self, trial: Asked, epochs_done: int) -> None:
        """Add the trial to the table; one whose worker was lost is there already."""
        began = self._running[trial.number].began if trial.number in self._running else time.monotonic()
        self._running[trial.number] = _Row(trial, began, epochs_done)

    def epoch_done(self, trial: Asked, metrics: EpochMetrics) -> None:
        """Advance the trial's row."""
        row = self._running[trial.number]
        row.epoch, row.error = metrics.epoch, metrics.validation_error

    def trial_ended(self, record: TrialRecord) -> None:
        """Move the trial to the finished ones."""
        self._running.pop(record.number, None)
        self._records.append(record)
        self._ended_here += record.counts and record.replay_of is None
        if record.state != "rejected":
            self._recent.append(record)

    def weights_restored(self, before: TrialRecord, after: TrialRecord | None, reason: str = "") -> None:
        """Say above the table what became of it."""
        if after is not None:
            self._records = [after if record.number == after.number else record for record in self._records]
        _say_restored(self._live.console, before, after, reason)

    def _draw(self) -> Group:
        done = sum(record.counts for record in self._records)
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=self._total, completed=min(done, self._total), width=_BAR),
            f"{done} of {counted(self._total, 'trial')}",
            self._time_left(done),
        )
        return Group(Text(self._title, "bold", overflow="ellipsis", no_wrap=True), line, self._table())

    def _time_left(self, counted: int) -> str:
        spent = time.monotonic() - self._began
        if self._ended_here == 0:
            return f"{show_seconds(spent)} so far"
        left = spent / self._ended_here * (self._total - counted)
        return f"about {show_seconds(left)} left"

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
        architecture = row.trial.candidate.architecture
        cost = cost_of(architecture)
        return [
            str(row.trial.number),
            f"epoch {row.epoch}/{self._epochs}",
            show_percent(row.error) if row.error is not None else "",
            *([""] if noise else []),
            show_number(cost.flops),
            show_number(cost.params),
            _clock(time.monotonic() - row.began),
            _network(architecture, row.trial.baseline),
        ]


@dataclass
class _Row:
    """A running trial.

    Attributes:
        began: when it began here, by the monotonic clock.
        epoch: how many it has done.
        error: after the last of them.
    """

    trial: Asked
    began: float
    epoch: int
    error: float | None = None


def _say_workers(console: Console, workers: WorkerPlan) -> None:
    """Say how many networks are trained at once where that was measured; else the plan has said it."""
    if workers.measured:
        rates = ", ".join(f"{rate:,.0f} with {count}" for count, rate in workers.measured.items())
        console.print(f"workers {workers.count}: images/s are {rates}", soft_wrap=True)


def _say_restored(console: Console, before: TrialRecord, after: TrialRecord | None, reason: str) -> None:
    """Say what became of a trial whose weights were lost."""
    if after is None:
        said = f"cannot be trained again: {reason}"
    elif after.objectives == before.objectives:
        said = "trained again, with the same result"
    else:
        said = (
            f"trained again; this machine computes otherwise than the one of then, so that the error is now "
            f"{show_percent(after.error)}, not {show_percent(before.error)}"
        )
    console.print(f"weights of trial {before.number}: {said}", soft_wrap=True)


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
        _clock(record.seconds) if record.seconds else "",
        _network(record.candidate.architecture, record.baseline),
    ]


def _network(architecture: Architecture, baseline: str) -> Text:
    """The placement and the baseline's label, cut at the edge of the terminal."""
    text = placement(architecture.units)
    if baseline:
        text.append(f"  {baseline}", "dim")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _clock(seconds: float) -> str:
    """A duration in little room: 7 s, 43:10, 2:13:05."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = f"{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes
