"""Weights & Biases: a run for each training, in one group; WANDB_MODE=offline writes to the run's folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from pure_nas.tracking import Output

_PROJECT = "pure-nas"


class _Wandb(Output):
    def __init__(self, run: Path) -> None:
        self._folder = run
        self._runs: dict[str, Any] = {}

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        self._runs[name] = wandb.init(
            project=_PROJECT,
            group=self._folder.name,
            name=f"{self._folder.name} {name}",
            config=dict(facts),
            dir=str(self._folder),
            reinit="create_new",
        )

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._runs[name].log(dict(values), step=epoch)

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        if (run := self._runs.pop(name, None)) is not None:
            run.summary.update({**values, "state": state})
            run.finish(exit_code=1 if state == "failed" else 0)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()
        self._runs.clear()


def output(run: Path) -> Output:
    """That of a run."""
    return _Wandb(run)
