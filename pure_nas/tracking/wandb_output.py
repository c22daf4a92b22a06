"""Weights & Biases; WANDB_MODE=offline writes to the run's folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from pure_nas.tracking import Output
from pure_nas.tracking.run_objects import PROJECT, RunObjects


class _Wandb(RunObjects):
    def started(self, name: str, facts: dict[str, Any]) -> Any:
        folder = self.folder
        return wandb.init(
            project=PROJECT, group=folder.name, name=name, config=facts, dir=str(folder), reinit="create_new"
        )

    def ended(self, run: Any, state: str, values: Mapping[str, float]) -> None:
        run.summary.update({**values, "state": state})
        run.finish(exit_code=1 if state == "failed" else 0)


def output(run: Path) -> Output:
    """That of a run."""
    return _Wandb(run)
