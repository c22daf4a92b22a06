"""MLflow: a run for each training, under one parent; where MLFLOW_TRACKING_URI says, or in mlflow.db of our run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from pure_nas.tracking import Output

_EXPERIMENT = "pure-nas"
_LONG = ("architecture", "recipe")
_KEPT = ("architecture.json", "recipe.json")


class _MLflow(Output):
    def __init__(self, run: Path) -> None:
        folder, uri = run.resolve(), os.environ.get("MLFLOW_TRACKING_URI")
        self._client, self._path = MlflowClient(uri or f"sqlite:///{folder / 'mlflow.db'}"), str(folder)
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        files = None if uri else (folder / "mlartifacts").as_uri()
        self._experiment = found.experiment_id if found else self._client.create_experiment(_EXPERIMENT, files)
        self._runs: dict[str, str] = {}
        self._parent = self._run(run.name, "")

    def _run(self, name: str, training: str, parent: str = "") -> str:
        """The run of a training, or of all (""), which an earlier session may have begun."""
        tags = {"pure_nas.path": self._path, "pure_nas.training": training or "all"}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        for found in self._client.search_runs([self._experiment], wanted, max_results=1):
            self._client.update_run(found.info.run_id, status="RUNNING")
            return str(found.info.run_id)
        more = {"mlflow.parentRunId": parent} if parent else {}
        return str(self._client.create_run(self._experiment, run_name=name, tags={**tags, **more}).info.run_id)

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        run = self._runs[name] = self._run(name, name, self._parent)
        params = [Param(key, str(value)) for key, value in facts.items() if key not in _LONG]
        tags = [RunTag(key, facts[key]) for key in _LONG]
        self._client.log_batch(run, params=params, tags=tags)

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._log(name, values, epoch)

    def _log(self, name: str, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [Metric(key, value, now, step) for key, value in values.items() if key != "epoch"]
        self._client.log_batch(self._runs[name], metrics=metrics)

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        if name not in self._runs:
            return
        self._log(name, {f"end_{key}": value for key, value in values.items()}, 0)
        run = self._runs.pop(name)
        for file in _KEPT:
            if (folder / file).is_file():
                self._client.log_artifact(run, str(folder / file))
        self._client.set_tag(run, "state", state)
        self._client.set_terminated(run, "FAILED" if state == "failed" else "FINISHED")

    def close(self) -> None:
        for run in (*self._runs.values(), self._parent):
            self._client.set_terminated(run, "FINISHED")
        self._runs.clear()


def output(run: Path) -> Output:
    """That of a run."""
    return _MLflow(run)
