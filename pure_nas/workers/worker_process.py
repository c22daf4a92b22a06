"""The controller's end of one worker process."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker

import torch

from pure_nas.child_process import begin
from pure_nas.errors import RunError, UsageError, reason
from pure_nas.plugins import registered_here
from pure_nas.workers.child import SECONDS_TO_LOAD, Load, serve
from pure_nas.workers.kernel_kills import KernelKills
from pure_nas.workers.messages import Job
from pure_nas.workers.orders import Order, Rehearsed, Report, Warm

MEMORY_RAN_OUT = "was killed by the kernel because memory ran out"
"""The fate of such a worker."""

_SECONDS_TO_DIE = 10.0


class WorkerProcess:
    """The controller's view of one worker process.

    Attributes:
        job: what it does; None while it is free.
        reply: its answer to an order that is no job.
        ready: whether it has loaded the images.
        silent: seconds since its last message; below zero while it may stay silent longer.
        patience: how long it may be silent; None while it has nothing to say.
    """

    def __init__(self, load: Load, fingerprint: str, device: torch.device, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        level = logging.getLogger("pure_nas").getEffectiveLevel()
        # Pickled apart: unpickling it imports PyTorch, which takes long.
        try:
            work = pickle.dumps((registered_here(), serve, (load, fingerprint, str(device), workers, level)))
            if b"__main__" in work and not hasattr(sys.modules["__main__"], "__file__"):
                raise pickle.PicklingError("a part of it was defined interactively")
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"What was registered in this process cannot be sent to worker processes: {reason(error)}.",
                hint="Define its functions and classes in a module that can be imported, or use one worker.",
            ) from error
        self.process = context.Process(target=begin, args=(theirs, work), name="pure-nas worker")
        with _interrupts_held_back():
            self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.reply: Warm | Rehearsed | None = None
        self.ready = False
        self.silent = 0.0
        self.patience: float | None = None
        self._order: Order | None = None

    @property
    def ends(self) -> list[connection.Connection | int]:
        """What becomes readable when the worker reports or ends."""
        return [self.process.sentinel] if self.connection.closed else [self.connection, self.process.sentinel]

    def fate(self, kills: KernelKills) -> str:
        """How the process ended, as a clause; `kills` tells whether the kernel killed it."""
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, f"signal {-code}")
        if name != "SIGKILL":
            return f"was killed by {name}"
        return MEMORY_RAN_OUT if kills.another() else "was killed by SIGKILL (usually memory ran out)"

    @property
    def hangs(self) -> bool:
        """Whether it has been silent for too long. Loading is silent, but the images were loaded here before."""
        if not self.ready:
            return self.silent > SECONDS_TO_LOAD
        return self.patience is not None and self.silent > self.patience

    def give(self, order: Order, patience: float) -> None:
        """Give an order; it is sent once the worker is ready."""
        self._order = order
        self.patience = patience
        self.silent = 0.0
        if self.ready:
            self.begin()

    def begin(self) -> None:
        """The worker is ready: send what it has been given."""
        self.ready = True
        order, self._order = self._order, None
        if order is not None:
            # A worker that has just died is found, and replaced, when its reports are taken.
            with suppress(OSError):
                self.connection.send(order)

    def reports(self) -> list[Report]:
        """What it has reported since the last call."""
        found: list[Report] = []
        try:
            while not self.connection.closed and self.connection.poll():
                found.append(self.connection.recv())
        except (EOFError, OSError):
            # The worker is gone, perhaps in the middle of a report.
            self.connection.close()
        return found

    def end(self) -> None:
        """Kill the process and wait until it is gone: two may not write into one folder.

        Raises:
            RunError: it does not go.
        """
        self.process.kill()
        self.process.join(_SECONDS_TO_DIE)
        if self.process.exitcode is None:
            raise RunError(
                f"The worker process {self.process.pid} cannot be ended.",
                hint="It waits for a device or a disk that does not answer. Once it is gone, give the same command "
                "again.",
            )


def stop(workers: list[WorkerProcess], keep: int = 0) -> None:
    """End all but the first `keep` workers and take them off the list."""
    gone = workers[keep:]
    del workers[keep:]
    for worker in gone:
        worker.process.kill()
    for worker in gone:
        worker.end()
        worker.connection.close()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Begin a process that no Ctrl-C reaches before it can say that it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting this helper of multiprocessing lets interrupts through again, so that comes first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
