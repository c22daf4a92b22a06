"""Ctrl-C, SIGTERM and SIGHUP: what they do while modules load, and afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = 130

SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
    # It comes when a terminal is closed. nohup lets a command ignore it, and go on.
    SIGNALS.append(signal.SIGHUP)


def quit_at_once(signum: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal by ending the process without a word of Python's own."""
    with contextlib.suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


loading = partial(_handled_by, quit_at_once)
"""Lets an interrupt end the process at once: an import that is cut short fails in ways that nobody can explain."""


_interrupted = threading.Event()


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    _interrupted.set()
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, as clusters send it before they kill, and SIGHUP raise `KeyboardInterrupt` as Ctrl-C does."""
    try:
        with _handled_by(_interrupt):
            yield
    finally:
        _interrupted.clear()


def raise_dropped_interrupt() -> None:
    """Raise `KeyboardInterrupt` if one was raised before: in a destructor or a callback Python drops it."""
    if _interrupted.is_set():
        raise KeyboardInterrupt
