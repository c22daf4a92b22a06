"""Trackio: a run for each training, in one group, on this machine unless TRACKIO_SPACE_ID names a Space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackio

from pure_nas.tracking import Output

_PROJECT = "pure-nas"


class _Trackio(Output):
    def __init__(self, run: Path) -> None:
        self._name = run.name
        self._runs: dict[str, Any] = {}

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        self._runs[name] = trackio.init(
            project=_PROJECT,
            name=f"{self._name} {name}",
            group=self._name,
            config=dict(facts),
            space_id=os.environ.get("TRACKIO_SPACE_ID"),
            resume="allow",
        )

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._runs[name].log(dict(values), step=epoch)

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        if (run := self._runs.pop(name, None)) is not None:
            run.log({f"end/{key}": value for key, value in values.items()})
            run.finish()

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()
        self._runs.clear()


def output(run: Path) -> Output:
    """That of a run."""
    return _Trackio(run)
