"""Small experiments on the tiny image folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from heard import Heard

from pure_nas.findings.experiment_results import ExperimentResults, load_experiment_results
from pure_nas.findings.findings import document, findings_of
from pure_nas.plans.experiment.file import ExperimentFile, ExperimentSource
from pure_nas.plans.experiment.session import Experiment, ExperimentSettings, opened, prepare
from pure_nas.run.directory import RunDirectory

PAIR = """
schema = 1
question = "Which of two small networks is better?"
paper = "Says nothing of them."
dataset = "{dataset}"
reference = "adds"
targets = [0.4, 0.6, 0.95]

[networks.adds]
base = "resnet8"

[networks.multiplies]
base = "pure8"
threshold_init = {{ each = [0.0, -2.0] }}

[scales.tiny]
cost = "seconds"
epochs = 2
seeds = 2
batch_size = 16
base_width = 2
crop_padding = 1

[scales.tinier]
cost = "a second"
networks = ["adds"]
epochs = 1
seeds = 1
base_width = 2
"""
"""Three networks; `.format(dataset=...)`."""


def settings_of(text: str, name: str = "test", folder: Path | None = None, **fields: Any) -> ExperimentSettings:
    """Settings of an experiment on the CPU, as if its file were in `folder`."""
    source = ExperimentSource(name, text, ExperimentFile.from_toml(text), folder)
    return ExperimentSettings(source=source, **{"device": "cpu", **fields})


def go(settings: ExperimentSettings, folder: Path, heard: Heard | None = None) -> tuple[Experiment, str]:
    """Run an experiment; returns it and why it stopped."""
    with opened(prepare(settings), folder) as experiment:
        return experiment, experiment.driver.go(experiment.plan, heard or Heard())


def results_of(folder: Path) -> ExperimentResults:
    """What a run has found so far."""
    return load_experiment_results(RunDirectory(folder))


def numbers(folder: Path) -> dict[str, Any]:
    """What was found, but for how long it took."""
    found = json.loads(json.dumps(document(findings_of(results_of(folder)))))
    for network in found["networks"]:
        network.pop("seconds")
        for each in network["convergence"]:
            each.pop("seconds")
    for comparison in found["comparisons"]:
        for each in comparison["speeds"]:
            each.pop("seconds")
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but its lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.lock"
    }
