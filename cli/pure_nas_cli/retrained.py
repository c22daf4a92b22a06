"""The progress of a retraining."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pure_nas.quantities import show_percent, show_seconds
from pure_nas.run.retrained import Variant
from pure_nas.workers import Outcome


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
