"""The controller's end of one worker process: how it begins, what goes to it and comes back, and how it ends."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker, spawn
from pathlib import Path

import torch

from pure_nas.errors import RunError, UsageError, reason
from pure_nas.plugins import registered_here
from pure_nas.process_state import begin_worker
from pure_nas.workers.messages import Job
from pure_nas.workers.worker_main import SECONDS_TO_LOAD, Load, Report, SaveEveryEpoch, Speed, Task, serve

MEMORY_RAN_OUT = "was killed by the kernel because memory ran out"  # the fate of such a worker

_SECONDS_TO_DIE = 10.0
_MAIN_GUARDS = ("__name__", "parent_process", "current_process")
_GUARDED = 'what it does under  if __name__ == "__main__":  or use one worker, which needs no process of its own.'


class WorkerProcess:
    """The controller's view of one worker process."""

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
        self.process = context.Process(target=begin_worker, args=(theirs, work), name="pure-nas worker")
        with _interrupts_held_back():
            self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.speed: Speed | None = None
        self.ready = False  # whether it has loaded the images
        self.silent = 0.0  # seconds since its last message; below zero while it may stay silent longer
        self.patience: float | None = None  # how long it may be silent; None while it has nothing to say
        self.began = time.monotonic()  # its job
        self._task: Task | float | None = None

    @property
    def busy_seconds(self) -> float:
        """How long it has had its job; 0 while it loads the images, or has none."""
        return time.monotonic() - self.began if self.ready and self.job is not None else 0.0

    @property
    def ends(self) -> list[connection.Connection | int]:
        """What becomes readable when the worker reports or ends."""
        return [self.process.sentinel] if self.connection.closed else [self.connection, self.process.sentinel]

    @property
    def hangs(self) -> bool:
        """Whether it has been silent for too long. Loading is silent, but the images were loaded here before."""
        if not self.ready:
            return self.silent > SECONDS_TO_LOAD
        return self.patience is not None and self.silent > self.patience

    def fate(self, kills_before: int) -> str:
        """How the process ended, as a clause, where so many kills of the kernel were of others."""
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, f"signal {-code}")
        if name != "SIGKILL":
            return f"was killed by {name}"
        return MEMORY_RAN_OUT if kernel_kills() > kills_before else "was killed by SIGKILL (usually memory ran out)"

    def give(self, task: Task | float, patience: float) -> None:
        """Give a task, or the seconds that a speed test shall take; it is sent once the worker is ready."""
        self._task = task
        self.patience = patience
        self.silent = 0.0
        if self.ready:
            self.begin()

    def begin(self) -> None:
        self.ready, self.began = True, time.monotonic()
        task, self._task = self._task, None
        if task is not None:
            self.tell(task)

    def tell(self, message: Task | float | SaveEveryEpoch) -> None:
        # A worker that has just died is found, and replaced, when its reports are taken.
        with suppress(OSError):
            self.connection.send(message)

    def reports(self) -> list[Report]:
        found: list[Report] = []
        try:
            while not self.connection.closed and self.connection.poll():
                found.append(self.connection.recv())
        except (EOFError, OSError):
            # The worker is gone, perhaps in the middle of a report.
            self.connection.close()
        return found

    def end(self) -> None:
        """Kill the process and wait until it is gone: two may not write into one folder."""
        self.process.kill()
        self.process.join(_SECONDS_TO_DIE)
        if self.process.exitcode is None:
            raise RunError(
                f"The worker process {self.process.pid} cannot be ended.",
                hint="It waits for a device or a disk that does not respond. Once it is gone, run the same command "
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


def require_main_guard() -> None:
    """Check, before a worker is started, that importing this program's script again would not run the program again."""
    # As multiprocessing itself decides what a new process imports; modules run by -m are named otherwise.
    script = spawn.get_preparation_data("worker").get("init_main_from_path")
    if script is None:
        return
    try:
        source = Path(script).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise RunError(
            f"A worker process cannot start: it would import this program again, and there is no file {script}.",
            hint=f"Save the program as a file, with {_GUARDED}",
        ) from error
    except OSError:
        return
    if not any(guard in source for guard in _MAIN_GUARDS):
        raise RunError(
            f"A worker process cannot start: it would run {script} again, because that script has no main guard.",
            hint=f"Put {_GUARDED}",
        )


def kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory, here or in the whole machine, as far as it tells."""
    for path in _kill_counters():
        with suppress(OSError, UnicodeDecodeError):
            if found := re.search(r"^oom_kill (\d+)$", path.read_text(encoding="ascii"), re.MULTILINE):
                return int(found[1])
    return 0


def _kill_counters() -> Iterator[Path]:
    """Files that may count them, that of the smallest control group first."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield Path(f"/sys/fs/cgroup{group}/memory.events")
        elif "memory" in controllers.split(","):
            yield Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control")
    yield Path("/proc/vmstat")
