"""Small experiments on the tiny image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pure_nas.experiment.file import ExperimentFile
from pure_nas.experiment.run import ExperimentRun
from pure_nas.experiment.settings import ExperimentSettings
from pure_nas.experiment.setup import opened, prepare
from pure_nas.experiment.trainings import Training
from pure_nas.runner import Outcome
from pure_nas.search.workers import WorkerPlan
from pure_nas.training import EpochMetrics

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


class Heard:
    """Keeps what an experiment tells."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.ended: list[tuple[str, str]] = []
        self.epochs = 0

    def workers_started(self, workers: WorkerPlan) -> None:
        self.workers = workers.count

    def training_started(self, training: Training, epochs_done: int) -> None:
        self.started.append((training.name, epochs_done))

    def epoch_done(self, training: Training, metrics: EpochMetrics) -> None:
        self.epochs += 1

    def training_ended(self, training: Training, outcome: Outcome) -> None:
        self.ended.append((training.name, outcome.state))


def settings_of(text: str, **fields: Any) -> ExperimentSettings:
    """Settings of an experiment on the CPU."""
    file = ExperimentFile.from_toml(text)
    return ExperimentSettings(name="test", text=text, file=file, **{"device": "cpu", **fields})


def go(
    settings: ExperimentSettings, folder: Path, heard: Heard | None = None, seconds: float | None = None
) -> tuple[ExperimentRun, str]:
    """Run an experiment; returns it and why it stopped."""
    with opened(prepare(settings), folder, heard or Heard()) as experiment:
        return experiment, experiment.go(seconds)


def interrupted(settings: ExperimentSettings, folder: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Run an experiment that is interrupted after so many events."""
    from pure_nas.runner import InlineExecutor

    original, left = InlineExecutor.next_event, [after]

    def next_event(self: InlineExecutor) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(InlineExecutor, "next_event", next_event)
        with pytest.raises(KeyboardInterrupt):
            go(settings, folder)
