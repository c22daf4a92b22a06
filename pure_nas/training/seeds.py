"""Independent random streams from one seed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

Purpose = Literal["weights", "order", "norms", "layers"]
_STREAMS: dict[Purpose, int] = {"weights": 0, "order": 1, "norms": 2, "layers": 3}


def generator(seed: int, purpose: Purpose, step: int = 0) -> torch.Generator:
    """The CPU generator for one purpose and step of a run, the same whatever was drawn before it."""
    state = np.random.SeedSequence([seed, _STREAMS[purpose], step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & 0x7FFF_FFFF_FFFF_FFFF)
