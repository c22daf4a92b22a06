"""TensorBoard: an event file for each training, under tensorboard/ in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from pure_nas.tracking import Output

_LONG = ("architecture", "recipe")


class _TensorBoard(Output):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}

    def begin(self, name: str, facts: Mapping[str, Any], epochs_done: int) -> None:
        writer = SummaryWriter(str(self._folder / name), purge_step=epochs_done + 1 if epochs_done else None)
        for key in _LONG:
            writer.add_text(key, f"```json\n{facts[key]}\n```")
        self._writers[name], self._facts[name] = writer, facts

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            if key != "epoch":
                self._writers[name].add_scalar(key, value, epoch)

    def end(self, name: str, state: str, values: Mapping[str, float], folder: Path) -> None:
        writer = self._writers.pop(name, None)
        if writer is None:
            return
        facts = {key: value for key, value in self._facts.pop(name).items() if key not in _LONG}
        writer.add_hparams(
            {**facts, "state": state}, {f"end/{key}": value for key, value in values.items()}, run_name="."
        )
        writer.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def output(run: Path) -> Output:
    """That of a run."""
    return _TensorBoard(run / "tensorboard")
