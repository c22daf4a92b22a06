"""Ctrl-C, SIGTERM and SIGHUP: what they do while modules load, while networks train, and otherwise."""

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

from pure_nas.process_state import ask_to_stop

SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
    # It comes when a terminal is closed. nohup lets a command ignore it, and go on.
    SIGNALS.append(signal.SIGHUP)
_SECONDS_TO_STOP, _SECONDS_TO_END = 6.0, 3.0
"""After SIGTERM: how long running epochs may take, and then tables and pages; who sent it kills before long."""


def _end(signum: int) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(128 + signum)


def quit_at_once(signum: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal by ending the process without a word of Python's own."""
    _end(signum)


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


class _Interrupts:
    """Those of a command: the first asks what trains to stop after its epoch, the second stops it at once."""

    def __init__(self) -> None:
        self.raised = threading.Event()
        self.first = signal.SIGINT
        self._asked = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if not self._asked:
            self.first = signal.Signals(signum)
            if signum == signal.SIGTERM and hasattr(signal, "setitimer"):
                signal.signal(signal.SIGALRM, self._time_is_up)
                signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_STOP)
            self._asked = True
            if self._asks():
                return
        self._interrupt()

    def _asks(self) -> bool:
        try:
            asked = ask_to_stop()
        except KeyboardInterrupt:
            self._interrupt()
        if asked:
            again = "; Ctrl-C again stops at once" if self.first == signal.SIGINT else ""
            with contextlib.suppress(OSError):
                os.write(2, f"\nStopping after the running epochs{again}.\n".encode())
        return asked

    def _interrupt(self) -> NoReturn:
        self.raised.set()
        raise KeyboardInterrupt

    def _time_is_up(self, signum: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGALRM, lambda *_: _end(self.first))
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_END)
        self._interrupt()

    def over(self) -> None:
        """Forget them, but for which was the first."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.raised.clear()
        self._asked = False


_interrupts = _Interrupts()


def interrupted() -> int:
    """The exit code of a command that was interrupted: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + _interrupts.first


@contextmanager
def interruptible() -> Iterator[None]:
    """Let what trains stop after its epoch on Ctrl-C, SIGTERM, as clusters send it before they kill, and SIGHUP; what
    else runs is interrupted by `KeyboardInterrupt`."""
    try:
        with _handled_by(_interrupts):
            yield
    finally:
        _interrupts.over()


def raise_dropped_interrupt() -> None:
    """Raise `KeyboardInterrupt` if one was raised before: in a destructor or a callback Python drops it."""
    if _interrupts.raised.is_set():
        raise KeyboardInterrupt
