"""Workers that are processes of this machine: how they begin, what goes to them and comes back, how they end."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker, spawn, util
from pathlib import Path

import torch

from pure_nas.errors import RunError, UsageError, reason
from pure_nas.plugins import registered_here
from pure_nas.process_state import begin_worker
from pure_nas.workers.pool import MEMORY_RAN_OUT, Pool
from pure_nas.workers.worker import Worker
from pure_nas.workers.worker_main import Load, Report, SaveEveryEpoch, Task, serve_parent

KILLED = "was killed by SIGKILL (usually memory ran out)"

_SECONDS_TO_DIE = 10.0
_MAIN_GUARDS = ("__name__", "parent_process", "current_process")
_GUARDED = 'what it does under  if __name__ == "__main__":  or use one worker, which needs no process of its own.'


@dataclass(eq=False, kw_only=True)
class ProcessExecutor(Pool):
    """Runs jobs in processes of this machine, which share its CPU threads and accelerators."""

    load: Load
    fingerprint: str  # of the images that are meant; workers refuse others
    devices: Sequence[torch.device]  # which the workers take in turn
    threads: int | None = None  # CPU threads to divide among the workers; as many as PyTorch uses here if left out

    def __post_init__(self) -> None:
        super().__post_init__()
        self._threads = self.threads or torch.get_num_threads()
        self._kills = kernel_kills()
        # Python waits for its child processes when it ends; before that, these are stopped.
        self._at_exit = util.Finalize(self, _stop, args=(self._workers,), exitpriority=10)

    @property
    def process_ids(self) -> list[int]:
        return [worker.process.pid or 0 for worker in self._processes]

    def start(self) -> None:
        require_main_guard()
        super().start()

    @property
    def _processes(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if isinstance(worker, WorkerProcess)]

    @property
    def _threads_each(self) -> int:
        return max(1, self._threads // self.size)

    @property
    def _compiles(self) -> bool:
        return self.devices[0].type == "cuda"

    def _hire(self, place: int) -> Worker:
        return WorkerProcess(self.load, self.fingerprint, self.devices[place % len(self.devices)], self.size)

    def _listen(self, seconds: float) -> None:
        connection.wait([end for worker in self._processes for end in worker.ends], timeout=seconds)

    def _dismiss(self, keep: int) -> None:
        _stop(self._workers, keep)

    def _fate(self, worker: Worker) -> str | None:
        fate = worker.fate()
        if fate == KILLED and kernel_kills() > self._kills:
            self._kills += 1
            return MEMORY_RAN_OUT
        return fate


class WorkerProcess(Worker):
    """The controller's view of one process; what it is given before it is ready waits in the pipe."""

    def __init__(self, load: Load, fingerprint: str, device: torch.device, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        level = logging.getLogger("pure_nas").getEffectiveLevel()
        # Pickled apart: unpickling it imports PyTorch, which takes long.
        try:
            work = pickle.dumps((registered_here(), serve_parent, (load, fingerprint, str(device), workers, level)))
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
        super().__init__(f"Worker process {self.process.pid}")

    @property
    def ends(self) -> list[connection.Connection | int]:
        """What becomes readable when the worker reports or ends."""
        return [self.process.sentinel] if self._connection.closed else [self._connection, self.process.sentinel]

    def fate(self) -> str | None:
        code = self.process.exitcode
        if code is None:
            return None
        if code >= 0:
            return f"ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, f"signal {-code}")
        return KILLED if name == "SIGKILL" else f"was killed by {name}"

    def tell(self, message: Task | float | SaveEveryEpoch) -> None:
        # A worker that has just died is found, and replaced, when its reports are taken.
        with suppress(OSError):
            self._connection.send(message)

    def reports(self) -> list[Report]:
        found: list[Report] = []
        try:
            while not self._connection.closed and self._connection.poll():
                found.append(self._connection.recv())
        except (EOFError, OSError):
            # The worker is gone, perhaps in the middle of a report.
            self._connection.close()
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.join(_SECONDS_TO_DIE)
        if self.process.exitcode is None:
            raise RunError(
                f"The worker process {self.process.pid} cannot be ended.",
                hint="It waits for a device or a disk that does not respond. Once it is gone, run the same command "
                "again.",
            )
        self._connection.close()


def _stop(workers: list[Worker], keep: int = 0) -> None:
    gone = workers[keep:]
    del workers[keep:]
    for worker in gone:
        if isinstance(worker, WorkerProcess):
            worker.process.kill()
    for worker in gone:
        worker.end()


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
