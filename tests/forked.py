"""Processes that are forked to be interrupted or killed: they need not import PyTorch, which takes seconds."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import torch
import torch._dynamo  # the first optimizer of each process would

P = ParamSpec("P")


def exit_code_of(work: Callable[[], object]) -> int:
    """How a forked process that does `work` ends: a negative signal's number where it was killed, 1 where it failed."""
    child = _fork()
    if child == 0:
        _do(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_a_fork(test: Callable[P, object]) -> Callable[P, None]:
    """A test in a forked process: where PyTorch has traced a network, forks that come later cannot train any more."""

    @wraps(test)
    def forked(*arguments: P.args, **named: P.kwargs) -> None:
        assert exit_code_of(lambda: test(*arguments, **named)) == 0

    return forked


class Forked:
    """A forked process that does `work`, as `subprocess.Popen` would have it; it is killed after five minutes."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._stdout = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - communicate closes it
        reading, writing = os.pipe()
        self.pid = _fork()
        if self.pid == 0:
            os.dup2(self._stdout.fileno(), 1)
            os.dup2(writing, 2)
            sys.stdout, sys.stderr = (os.fdopen(each, "w", encoding="utf-8", buffering=1) for each in (1, 2))
            _do(work)
        os.close(writing)
        self.stderr = os.fdopen(reading, encoding="utf-8")
        self.returncode: int | None = None
        self._guard = threading.Timer(300, self.send_signal, (signal.SIGKILL,))
        self._guard.start()

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        if self.returncode is None:
            self.send_signal(signal.SIGKILL)
            self.communicate()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_for(self, text: str) -> None:
        """Until a line of standard error holds it."""
        assert any(text in line for line in iter(self.stderr.readline, "")), f"it ended without {text}"

    def communicate(self) -> tuple[str, str]:
        """What it printed, once it has ended."""
        with self._stdout, self.stderr:
            rest = self.stderr.read()
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._guard.cancel()
            self._stdout.seek(0)
            return self._stdout.read(), rest


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns where other threads wait
        return os.fork()


def _do(work: Callable[[], object]) -> NoReturn:
    # PyTorch makes a new pool of threads after a fork at the first call that needs one; several at once would fail.
    torch.set_num_threads(torch.get_num_threads())
    try:
        work()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
    except BaseException:  # noqa: BLE001 - the child must not go on with the tests of its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
