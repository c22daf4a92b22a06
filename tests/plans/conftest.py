"""What happens to trainings of searches, experiments and retrainings."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from pure_nas.training.step import Step
from pure_nas.training.training import Training

Spoil = Callable[[Callable[[Training], bool]], None]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the architectures that were trained, an entry an epoch."""
    found: list[str] = []
    original = Training.run_epoch

    def spy(self: Training) -> object:
        found.append(self.network.architecture.digest)
        return original(self)

    monkeypatch.setattr(Training, "run_epoch", spy)
    return found


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """Lets those trainings diverge of which something holds."""

    def spoil(holds: Callable[[Training], bool]) -> None:
        original = Training._train_epoch

        def sick(self: Training) -> object:
            if holds(self):
                with torch.no_grad():
                    self.network.classifier.linear.bias.fill_(math.nan)
            return original(self)

        monkeypatch.setattr(Training, "_train_epoch", sick)

    return spoil


@pytest.fixture
def out_of_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets networks with a unit run out of memory."""
    original = Step.__call__

    def spoil(unit: str) -> None:
        def failing(self: Step, *arguments: object) -> object:
            if unit in self._network.architecture.unit_set:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return original(self, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Step, "__call__", failing)

    return spoil
