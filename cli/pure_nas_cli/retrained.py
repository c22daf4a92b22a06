"""Showing a retraining: its progress and its table."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.run.retrained import Retraining, Row, Variant
from pure_nas.workers import Outcome
from pure_nas_cli.console import stdout


class RetrainProgress:
    """A line a training, and on a terminal what trains now. Everything it is told comes from one thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._began = time.monotonic()
        self._before = self._done = self._total = 0
        self._running: list[str] = []

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._status = self._console.status("Loading PyTorch and the images ...")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def begin(self, done: int, total: int) -> None:
        """So many trainings have ended before; time counts from here."""
        self._before, self._done, self._total = done, done, total
        self._began = time.monotonic()
        if done:
            self._console.print(f"{done} of {total} trainings were done before", soft_wrap=True)

    def training_started(self, variant: Variant, seed: int) -> None:
        """Show which network trains now."""
        self._running.append(_name(variant, seed))
        self._update()

    def training_ended(self, variant: Variant, seed: int, outcome: Outcome) -> None:
        """Print the training's line."""
        name = _name(variant, seed)
        self._running.remove(name)
        self._done += 1
        found = (
            f"accuracy {show_percent(outcome.metrics['accuracy'])}" if outcome.state == "complete" else outcome.state
        )
        words = [f"[{self._done}/{self._total}] {name}", found, show_seconds(outcome.seconds)]
        self._console.print(Text("  ".join(words)), soft_wrap=True)
        self._update()

    def _update(self) -> None:
        if self._status is None:
            return
        here, left = self._done - self._before, ""
        if here:
            spent = time.monotonic() - self._began
            left = f", about {show_seconds(spent / here * (self._total - self._done))} left"
        self._status.update(Text(f"{', '.join(self._running)}{left}"))


def _name(variant: Variant, seed: int) -> str:
    return f"trial {variant.trial}, {variant.name}, seed {seed}"


def print_retraining(found: Retraining) -> None:
    """Print the test accuracy of each network beside its twins, and what follows."""
    seeds = {len(row.seeds) for row in found.rows}
    many = counted(len(found.rows[0].seeds), "seed") if len(seeds) == 1 else "several seeds"
    title = f"Test accuracy{' of' if seeds == {1} else ', mean and standard deviation of'} {many}"
    if not found.epochs_differ:
        title += f", {counted(found.rows[0].epochs, 'epoch')}"
    stdout.print(title, style="italic")
    stdout.print(_table(found, show_seeds=len(seeds) > 1))
    for verdict in found.verdicts:
        stdout.print(verdict.text)
    if found.one_seed:
        stdout.print(ONE_SEED)


def _table(found: Retraining, *, show_seeds: bool) -> Table:
    table = Table()
    table.add_column("trial", justify="right")
    table.add_column("network")
    if found.epochs_differ:
        table.add_column("epochs", justify="right")
    if show_seeds:
        table.add_column("seeds", justify="right")
    table.add_column("test accuracy", justify="right")
    table.add_column("flops", justify="right")
    table.add_column("params", justify="right")
    group = None
    for row in found.rows:
        if group is not None and (row.trial, row.epochs) != group:
            table.add_section()
        group = row.trial, row.epochs
        cells = [str(row.trial), row.variant]
        cells += [f"{row.epochs:,}"] if found.epochs_differ else []
        cells += [str(len(row.seeds))] if show_seeds else []
        cells += [_accuracy(row), show_number(row.flops), show_number(row.params)]
        table.add_row(*cells, style="bold" if row.variant == "trial" else None)
    return table


def _accuracy(row: Row) -> str:
    if not row.test_accuracy:
        return "diverged"
    spread = f" ± {row.std * 100:.2f}" if len(row.test_accuracy) > 1 else ""
    text = f"{row.mean * 100:.2f}{spread} %"
    return f"{text} ({row.diverged} diverged)" if row.diverged else text
