"""search --log: what TensorBoard and MLflow have of a search, and that their faults end none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from studies import Study, invoke

import pure_nas.tracking
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package}")


@needs("tensorboard")
def test_tensorboard_has_the_curve_of_every_trial(new_study: Study) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    new_study.go("--trials", 3, "--epochs", 2, "--log", "tensorboard").done()
    for trial in load_results(RunDirectory(new_study.run)).trials:
        events = EventAccumulator(str(new_study.run / "tensorboard" / f"{trial.number:04d}"))
        events.Reload()
        found = [event.value for event in events.Scalars("validation_error")]
        assert found == pytest.approx([epoch["validation_error"] for epoch in trial.curve])
        assert "architecture/text_summary" in events.Tags()["tensors"]


@needs("mlflow")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_a_run_for_each_trial_under_one(new_study: Study) -> None:
    from mlflow import MlflowClient

    for trials in (2, 3):  # a search that goes on has one parent
        new_study.go("--trials", trials, "--epochs", 2, "--log", "mlflow").done()
    client = MlflowClient(f"sqlite:///{new_study.run / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "pure-nas"]
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    for trial in load_results(RunDirectory(new_study.run)).trials:
        run = children[f"{trial.number:04d}"]
        assert run.data.metrics["end_error"] == pytest.approx(trial.error)
        assert int(run.data.params["flops"]) == trial.cost["flops"]
        assert run.data.tags["state"] == trial.state
        history = client.get_metric_history(run.info.run_id, "validation_error")
        assert [each.step for each in history] == [1, 2]


def test_an_output_that_fails_is_told_no_more_and_the_search_goes_on(
    new_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def begin(self, *_: Any) -> None:
            raise OSError("no space left")

    class Module:
        @staticmethod
        def output(run: Path) -> Broken:
            return Broken()

    monkeypatch.setattr(pure_nas.tracking, "require_trackers", lambda trackers: None)
    monkeypatch.setattr("pure_nas.tracking.import_module", lambda name: Module)
    answer = new_study.go("--trials", 3, "--log", "wandb").done()
    assert answer.message.count("wandb is told nothing more: OSError: no space left") == 1
    assert len(load_results(RunDirectory(new_study.run)).trials) == 3


def test_what_is_not_installed_is_named(new_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, package=None: None if name == "trackio" else real(name, package)
    )
    assert "Logging needs trackio" in new_study.go("--log", "trackio").refusal(1)
    assert not new_study.run.exists()
    assert '"visdom" keeps no log of trainings' in invoke(*new_study.arguments, "--log", "visdom").refusal()
