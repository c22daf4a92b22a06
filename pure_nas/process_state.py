"""What PyTorch keeps once for the whole process: one thread at a time holds it, and it is put back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

_LOCK = threading.RLock()


@contextmanager
def global_random_state(seed: int | None = None, device: torch.device | None = None) -> Iterator[None]:
    """Hold the global random state, so that what is drawn from it meanwhile changes nothing outside.

    Args:
        seed: what it starts from; None leaves it as it is.
        device: a GPU, whose state is handled as the CPU's is.
    """
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
    with _LOCK:
        dtype = torch.get_default_dtype()
        elsewhere = torch.get_default_device().type != "cpu"
        torch.set_default_dtype(torch.float32)
        try:
            with torch.device("cpu") if elsewhere else nullcontext(), torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            torch.set_default_dtype(dtype)
