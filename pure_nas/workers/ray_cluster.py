"""Workers that are actors of a Ray cluster: where they are placed, what they are sent, and how they are lost."""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from queue import SimpleQueue
from typing import Any, cast

from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import HeldPixels, ImageSet
from pure_nas.errors import RunError, UsageError, reason
from pure_nas.files import bytes_of
from pure_nas.plugins import register_all, registered_here
from pure_nas.run.directory import TrialDirectory
from pure_nas.workers.executor import Execution
from pure_nas.workers.messages import Job
from pure_nas.workers.pool import MEMORY_RAN_OUT, NODE_LOST, Pool
from pure_nas.workers.worker import Worker
from pure_nas.workers.worker_main import SECONDS_TO_LOAD, Alive, Load, Report, SaveEveryEpoch, Task, portable, serve

# Under `uv run` Ray would start workers by it as well, each in an environment of its own that lacks this package.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
try:
    import ray
except ModuleNotFoundError as error:
    if error.name != "ray":
        raise
    raise UsageError(
        "Ray is not installed.", hint='Install it on every machine: pip install "pure-nas[ray]".'
    ) from error

logger = logging.getLogger(__name__)

_SECONDS_UNPLACED = 30.0  # after which, and then every ten minutes, it is said that workers wait for a place
_SECONDS_TO_REPEAT = 600.0
_PACKAGES = ("pure-nas", "torch", "torchvision")  # whose versions decide results


def connect(execution: Execution) -> None:
    """Join the cluster, unless this process has; that there is none is a `UsageError`."""
    if ray.is_initialized():
        return
    try:
        # Whatever nodes complain of would be printed to standard output; who is lost is told by the pool.
        ray._private.worker.print_to_stdstream = _to_log
        with _handlers_kept():
            ray.init(execution.ray_address, namespace="pure-nas", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        raise UsageError(
            f'There is no Ray cluster at "{execution.ray_address}": {reason(error)}.',
            hint="Start one with  ray start --head  on this machine, name another with --ray-address "
            "ray://HOST:10001, or let this command start one here with --ray-address local.",
        ) from error


def _to_log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    logger.debug("Ray: %s", " ".join(map(str, data.get("lines", ()))))


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray ends a process at SIGTERM by a handler of its own; ours saves what trains first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def room(execution: Execution) -> int:
    """How many trials fit onto the nodes that are there now; that none does is a `UsageError`."""
    connect(execution)
    wanted = {"CPU": execution.cpus_per_trial, "GPU": execution.gpus_per_trial}
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in alive]
    found = sum(int(min(node.get(kind, 0.0) / share for kind, share in wanted.items() if share)) for node in nodes)
    if not found:
        there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise UsageError(
            f"No node of the Ray cluster has room for a trial of {_in_words(execution)}; it has {there or 'no node'}.",
            hint="Use smaller --cpus-per-trial or --gpus-per-trial, or give --workers a number if nodes are to come.",
        )
    return found


@dataclass(eq=False, kw_only=True)
class RayExecutor(Pool):
    """Runs jobs in actors of a cluster. What they write comes home through Ray: nothing but images need be shared."""

    execution: Execution
    dataset: Dataset
    load: Load  # of images that are not held in memory, which every node reads from the same path
    tests: bool  # whether jobs ask for the test images

    def __post_init__(self) -> None:
        super().__post_init__()
        connect(self.execution)
        self._actors = ray.remote(_Actor).options(
            num_cpus=self.execution.cpus_per_trial,
            num_gpus=self.execution.gpus_per_trial,
            max_concurrency=2,  # one call that listens, one that speaks
            scheduling_strategy="SPREAD",
        )
        self._load = self._sent() if isinstance(self.dataset.train.pixels, HeldPixels) else self.load
        self._unplaced_since = time.monotonic()

    @property
    def _threads_each(self) -> int:
        return max(1, int(self.execution.cpus_per_trial))

    @property
    def _compiles(self) -> bool:
        return self.execution.gpus_per_trial > 0

    def _sent(self) -> Load:
        """Loads images out of the object store, which holds one copy for all workers of a node."""
        test = ray.put(self.dataset.test()) if self.tests else None
        return partial(_out_of_store, ray.put(replace(self.dataset, _load_test=None)), test)

    def _hire(self, place: int) -> Worker:
        device = "cuda" if self.execution.gpus_per_trial else "cpu"
        level = logging.getLogger("pure_nas").getEffectiveLevel()
        try:
            registered = pickle.dumps(registered_here())
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"What was registered in this process cannot be sent to workers: {reason(error)}.",
                hint="Define its functions and classes in a module that every node can import.",
            ) from error
        work = (self._load, self.dataset.fingerprint, device, 1, level)
        return RayWorker(f"Worker {place + 1}", self._actors.remote(_versions(), registered, work))

    def _listen(self, seconds: float) -> None:
        workers = [worker for worker in self._workers if isinstance(worker, RayWorker)]
        ray.wait([worker.next for worker in workers], num_returns=1, timeout=seconds)
        now, unplaced = time.monotonic(), sum(not worker.placed for worker in workers)
        if not unplaced:
            self._unplaced_since = now
        elif now - self._unplaced_since > _SECONDS_UNPLACED:
            self._unplaced_since = now + _SECONDS_TO_REPEAT - _SECONDS_UNPLACED
            needs = _in_words(self.execution)
            logger.warning("%d of %d workers wait for a place in the cluster, of %s.", unplaced, self.size, needs)

    def _dismiss(self, keep: int) -> None:
        gone = self._workers[keep:]
        del self._workers[keep:]
        for worker in gone:
            worker.end()

    def _files(self, job: Job) -> Mapping[str, bytes]:
        folder = TrialDirectory(job.directory, job.number)
        return {path.name: bytes_of(path) for path in (folder.metrics, folder.checkpoint) if path.is_file()}


def _in_words(execution: Execution) -> str:
    return f"{execution.cpus_per_trial:g} CPUs and {execution.gpus_per_trial:g} GPUs"


class RayWorker(Worker):
    """The controller's view of one actor."""

    def __init__(self, name: str, actor: Any) -> None:
        super().__init__(name)
        self._actor = actor
        self.next = actor.reports.remote()
        self.placed = False
        self._fate: str | None = None

    def fate(self) -> str | None:
        return self._fate

    def tell(self, message: Task | float | SaveEveryEpoch) -> None:
        self._actor.tell.remote(message)

    def reports(self) -> Sequence[Report]:
        found: list[Report] = []
        while self._fate is None and ray.wait([self.next], timeout=0)[0]:
            try:
                found += ray.get(self.next)
            except ray.exceptions.RayError as error:
                self._fate = _fate_of(error)
                self.end()  # it may only be out of reach
                break
            self.placed = True
            if any(isinstance(report, Exception) for report in found):  # its work is over, though the actor lives
                self.end()
                self._fate = "failed"
                break
            self.next = self._actor.reports.remote()
        return found

    def end(self) -> None:
        ray.kill(self._actor)


class _Actor:
    """A worker on some node: its work is done in a thread, so that it can be spoken to meanwhile."""

    def __init__(self, versions: Mapping[str, str], registered: bytes, work: tuple[Any, ...]) -> None:
        self._told: SimpleQueue[Any] = SimpleQueue()
        self._said: SimpleQueue[Report] = SimpleQueue()
        self._said.put(Alive(SECONDS_TO_LOAD))
        threading.Thread(target=self._work, args=(versions, registered, work), daemon=True).start()

    def tell(self, message: Task | float | SaveEveryEpoch) -> None:
        self._told.put(message)

    def reports(self) -> list[Report]:
        """What was said since the last call; waits for it."""
        found = [self._said.get()]
        while not self._said.empty():
            found.append(self._said.get())
        return found

    # How the work sees its controller.
    def send(self, report: Report) -> None:
        self._said.put(report)

    def receive(self) -> Any:
        return self._told.get()

    def poll(self) -> bool:
        return not self._told.empty()

    def _work(self, versions: Mapping[str, str], registered: bytes, work: tuple[Any, ...]) -> None:
        try:
            if versions != (here := _versions()):
                raise RunError(
                    f"There is {_listed(here)} on {_node()}, and {_listed(versions)} on this machine.",
                    hint="Install the same versions on every node.",
                )
            register_all(pickle.loads(registered))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the controller, which raises it
            self.send(portable(error))
        else:
            serve(self, *work)


def _out_of_store(images: Any, test: Any | None) -> Dataset:
    try:
        dataset: Dataset = ray.get(images)
    except ray.exceptions.RaySystemError as error:  # a module of the caller's that this node lacks
        raise RunError(
            f"The images cannot be read on {_node()}: {str(error.__cause__ or error).splitlines()[0]}.",
            hint="Install the package that defines them on every node.",
        ) from error
    return replace(dataset, _load_test=None if test is None else partial(_test_out_of_store, test))


def _test_out_of_store(test: Any, _: Dataset) -> ImageSet:
    return cast(ImageSet, ray.get(test))


def _node() -> str:
    return f"the node {ray.util.get_node_ip_address()} of the Ray cluster"  # type: ignore[no-untyped-call]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _fate_of(error: Exception) -> str:
    """How an actor was lost, as a clause."""
    text = " ".join(str(error).split())
    if "running low on memory" in text:
        return MEMORY_RAN_OUT
    if isinstance(error, ray.exceptions.ActorUnavailableError) or re.search("node (has died|was terminated)", text):
        return NODE_LOST
    if "process has died" in text:
        return "was killed or crashed (usually memory ran out)"
    return f"was lost: {text.rstrip('.')}"
