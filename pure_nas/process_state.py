"""What belongs to the process: random state and defaults, put back; how a worker begins. It imports PyTorch late."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from pure_nas.plugins import register_all

if TYPE_CHECKING:
    import torch

_LOCK = threading.RLock()
_ours = threading.Event()
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500  # in thousandths of the machine's memory, which a worker process is taken to use besides its own

_stops: list[Callable[[], None]] = []  # what can be asked to stop, the innermost last

claim_process = _ours.set  # from now on, let this process be changed for good where that makes training faster
is_ours = _ours.is_set


@contextmanager
def stoppable(ask: Callable[[], None]) -> Iterator[None]:
    """Let `ask_to_stop` ask what runs meanwhile to stop where nothing is lost, which it does by `KeyboardInterrupt`."""
    _stops.append(ask)
    try:
        yield
    finally:
        _stops.remove(ask)


def ask_to_stop() -> bool:
    """Ask what runs to stop; whether something can. It may be called by the handler of a signal."""
    for ask in _stops[-1:]:
        ask()
    return bool(_stops)


@contextmanager
def global_random_state(seed: int | None = None, device: torch.device | None = None) -> Iterator[None]:
    """Hold the global random state, also of a GPU, seeded so: what is drawn meanwhile changes nothing outside."""
    import torch

    kind = device.type if device is not None and device.type in ("cuda", "xpu") else ""
    gpus = [device] if kind else []
    with _LOCK, torch.random.fork_rng(devices=gpus, device_type=kind or "cuda"):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            for gpu in gpus:
                module = torch.get_device_module(gpu)
                with module.device(gpu):
                    module.manual_seed(seed)
        yield


@contextmanager
def usual_defaults() -> Iterator[None]:
    """Compute as PyTorch does where nothing has been set, one thread at a time; put Python's random state back."""
    import torch

    with _LOCK:
        dtype, drawn = torch.get_default_dtype(), random.getstate()  # libraries draw as they are imported
        elsewhere = torch.get_default_device().type != "cpu"
        torch.set_default_dtype(torch.float32)
        try:
            with torch.device("cpu") if elsewhere else nullcontext(), torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            torch.set_default_dtype(dtype)
            random.setstate(drawn)


def begin_worker(connection: Connection, work: bytes) -> None:
    """End with the parent from now on, however it ends; only then are PyTorch and the modules of `work` imported."""
    parent = multiprocessing.parent_process()
    if parent is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # It died before Linux knew.
            os._exit(1)
    elif parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    # Where memory runs out, let Linux kill a process that is replaced, and not its parent, which is not.
    with suppress(OSError):
        adjustment = Path("/proc/self/oom_score_adj")
        adjustment.write_text(str(max(int(adjustment.read_text()), _OOM_SCORE)))
    registered, function, arguments = pickle.loads(work)
    register_all(registered)
    function(connection, *arguments)


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
