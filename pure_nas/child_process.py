"""The first thing that a worker process does, before it imports what takes long: tie itself to its parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def begin(connection: Connection, work: bytes) -> None:
    """End with the parent from now on, however it ends; then do `work`, whose modules are imported only now.

    Args:
        connection: the first argument of the function.
        work: a function and its other arguments, pickled.
    """
    _end_with_parent()
    function, arguments = pickle.loads(work)
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


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
