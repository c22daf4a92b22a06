"""What there is once a process, and belongs to whoever started it: one thread at a time has it, and puts it back.

The command line and the worker processes are this package's own, so that they may keep what cannot be put back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LOCK = threading.RLock()
_ours = threading.Event()


def claim_process() -> None:
    """From now on, let this process be changed for good where that makes training faster."""
    _ours.set()


def is_ours() -> bool:
    """Whether this process may be changed for good."""
    return _ours.is_set()


@contextmanager
def global_random_state(seed: int | None = None, device: torch.device | None = None) -> Iterator[None]:
    """Hold the global random state, so that what is drawn from it meanwhile changes nothing outside.

    Args:
        seed: what it starts from; None leaves it as it is.
        device: a GPU, whose state is handled as the CPU's is.
    """
    import torch

    gpus = [device] if device is not None and device.type == "cuda" else []
    with _LOCK, torch.random.fork_rng(devices=gpus):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            for gpu in gpus:
                with torch.cuda.device(gpu):
                    torch.cuda.manual_seed(seed)
        yield


@contextmanager
def usual_defaults() -> Iterator[None]:
    """Compute as PyTorch does where nothing has been set: float32, on the CPU, with gradients.

    The default dtype and the number of CPU threads are the process's, so other threads that need them wait here.
    """
    import torch

    with _LOCK:
        dtype = torch.get_default_dtype()
        elsewhere = torch.get_default_device().type != "cpu"
        torch.set_default_dtype(torch.float32)
        try:
            with torch.device("cpu") if elsewhere else nullcontext(), torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            torch.set_default_dtype(dtype)
