"""Trackio, on this machine unless TRACKIO_SPACE_ID names a Space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackio

from pure_nas.tracking import Output
from pure_nas.tracking.run_objects import PROJECT, RunObjects


class _Trackio(RunObjects):
    def started(self, name: str, facts: dict[str, Any]) -> Any:
        space = os.environ.get("TRACKIO_SPACE_ID")
        return trackio.init(
            project=PROJECT, group=self.folder.name, name=name, config=facts, space_id=space, resume="allow"
        )

    def ended(self, run: Any, state: str, values: Mapping[str, float]) -> None:
        run.log({f"end/{key}": value for key, value in values.items()})
        run.finish()


def output(run: Path) -> Output:
    """That of a run."""
    return _Trackio(run)
