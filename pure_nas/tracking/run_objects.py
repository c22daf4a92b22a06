"""Weights & Biases and Trackio, which give an object for each run: one for each training, in one group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pure_nas.tracking import Output

PROJECT = "pure-nas"


class RunObjects(Output):
    """What both have in common; they differ in how a run begins and ends."""

    def __init__(self, run: Path) -> None:
        self.folder = run
        self._runs: dict[str, Any] = {}

    @abstractmethod
    def started(self, name: str, facts: dict[str, Any]) -> Any:
        """The object of a run."""

    @abstractmethod
    def ended(self, run: Any, state: str, values: Mapping[str, float]) -> None:
        """Tell it the last values, and end it."""

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        self._runs[name] = self.started(f"{self.folder.name} {name}", dict(facts))

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._runs[name].log(dict(values), step=epoch)

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        if (run := self._runs.pop(name, None)) is not None:
            self.ended(run, state, values)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()
        self._runs.clear()
