"""The first thing that a worker process does, before it imports what takes long: tie itself to its parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from pure_nas.plugins import register_all

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500
"""In thousandths of the machine's memory, which the process is taken to use besides its own."""


def begin(connection: Connection, work: bytes) -> None:
    """End with the parent from now on, however it ends; then do `work`, whose modules are imported only now.

    Args:
        connection: the first argument of the function.
        work: what the parent has registered, a function and its other arguments, pickled.
    """
    _end_with_parent()
    _be_killed_first()
    registered, function, arguments = pickle.loads(work)
    register_all(registered)
    function(connection, *arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # It died before Linux knew.
            os._exit(1)
    else:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _be_killed_first() -> None:
    """Where memory runs out, let Linux kill a process that is replaced, and not its parent, which is not."""
    with suppress(OSError):
        adjustment = Path("/proc/self/oom_score_adj")
        adjustment.write_text(str(max(int(adjustment.read_text()), _OOM_SCORE)))


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
