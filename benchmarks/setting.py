"""Layouts and precisions that are compared."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Setting:
    """In which layout and precision something runs."""

    channels_last: bool
    bfloat16: bool
    device: torch.device

    @property
    def label(self) -> str:
        """In words."""
        precision = "bfloat16 autocast" if self.bfloat16 else "float32"
        return f"{precision}, {'channels_last' if self.channels_last else 'contiguous'}"

    @property
    def memory_format(self) -> torch.memory_format:
        """PyTorch's name of the layout."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which forward passes run."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()


def settings_of(device: torch.device) -> list[Setting]:
    """What is compared on `device`."""
    return [Setting(False, False, device), Setting(True, False, device), Setting(True, True, device)]
