"""Jobs in worker processes that live as long as the search."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from multiprocessing import connection, util

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.devices import devices_of
from pure_nas.errors import RunError
from pure_nas.quantities import show_seconds
from pure_nas.space.candidate import Candidate
from pure_nas.workers.messages import Ended, EpochDone, Event, Job, Started, WorkerLost
from pure_nas.workers.work import outcome_of_lost
from pure_nas.workers.worker_main import Alive, Load, Ready, Report, SaveEveryEpoch, Speed, Task
from pure_nas.workers.worker_process import MEMORY_RAN_OUT, WorkerProcess, kernel_kills, require_main_guard, stop

logger = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3  # of workers one after the other, before they have the images: memory may be short for a moment
_LOOK_EVERY = 1.0
_COMPILING_SECONDS = 60.0
_SLOWEST_FLOPS_PER_SECOND = 5e8
_SCORED_AT_ONCE = 512
_TRAINING_PASSES = 3


@dataclass(eq=False)
class ProcessExecutor:
    """Runs jobs in worker processes, which begin with `start` or the first job, and are replaced where they die."""

    load: Load
    fingerprint: str  # of the images that are meant; workers refuse others
    device: torch.device  # a GPU without a number stands for every one, which the workers take in turn
    size: int  # number of workers
    _: KW_ONLY
    threads: int | None = None  # CPU threads to divide among the workers; as many as PyTorch uses here if left out
    patience: float = 300.0  # seconds without a batch, besides those of a batch and of compiling, after which one hangs
    job_seconds: float | None = None  # after which a job's worker is replaced, whatever it does
    retries: int = 1  # of a job that lost its worker, from its checkpoint; then it has failed

    def __post_init__(self) -> None:
        self.devices = devices_of(self.device)
        self._threads = self.threads or torch.get_num_threads()
        self._workers: list[WorkerProcess] = []
        self._events: deque[Event] = deque()
        self._lost: defaultdict[int, list[str]] = defaultdict(list)  # how workers of a job that goes on ended
        self._failed_starts = 0
        self._saves = self._told_to_save = False
        self._kills = kernel_kills()
        # Python waits for its child processes when it ends; before that, these are stopped.
        self._at_exit = util.Finalize(self, stop, args=(self._workers,), exitpriority=10)

    @property
    def process_ids(self) -> list[int]:
        return [worker.process.pid or 0 for worker in self._workers]

    @property
    def free(self) -> int:
        untold = sum(isinstance(event, Ended) for event in self._events)
        return self.size - sum(worker.job is not None for worker in self._workers) - untold

    def resize(self, workers: int) -> None:
        """Change the number of workers, while none has a job."""
        self.size = workers
        stop(self._workers, keep=workers)

    def start(self) -> None:
        """Begin to start the workers that are missing. They load PyTorch and the images meanwhile."""
        require_main_guard()
        while len(self._workers) < self.size:
            self._workers.append(self._new_worker(len(self._workers)))

    def submit(self, job: Job) -> None:
        self.start()
        free = [worker for worker in self._workers if worker.job is None]
        self._give(next((worker for worker in free if worker.ready), free[0]), job)

    def next_event(self) -> Event:
        """The next event of any job; waits for it. What a worker raises is raised here, with the worker's traceback."""
        while not self._events:
            self._wait()
        return self._events.popleft()

    def speed(self, candidate: Candidate, seconds: float) -> Speed:
        """Of all workers together, while they train `candidate` at once; 0 where they do not fit. The peak of one."""
        self.start()
        while not all(worker.ready for worker in self._workers):
            self._wait()
        patience = self._patience_with(candidate)
        for worker in self._workers:
            worker.give(Task(candidate, self._share), patience)
        warm = [worker for worker, speed in self._speeds(list(self._workers)) if speed.fits]
        for worker in warm:
            worker.give(seconds if len(warm) == len(self._workers) else 0.0, patience + seconds)
        found = [speed for _, speed in self._speeds(warm) if speed.fits]
        rate = sum(speed.images_per_second for speed in found) if len(found) == len(self._workers) else 0.0
        return Speed(rate, max((speed.peak_bytes for speed in found), default=0))

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image in one of the workers while all train; None where it does not fit into memory."""
        rate = self.speed(candidate, seconds).images_per_second
        return self.size / rate if rate else None

    def save_every_epoch(self) -> None:
        """From now on, let jobs write a checkpoint after every epoch; may be called by the handler of a signal."""
        self._saves = True  # and is told to the workers by whoever waits for them

    def close(self) -> None:
        """Stop the workers, whatever they do. Their jobs stay as a kill leaves them."""
        stop(self._workers)

    @property
    def _share(self) -> int:
        return max(1, self._threads // self.size)

    def _new_worker(self, place: int) -> WorkerProcess:
        device = self.devices[place % len(self.devices)]
        return WorkerProcess(self.load, self.fingerprint, device, self.size)

    def _wait(self) -> None:
        if self._saves and not self._told_to_save:
            self._told_to_save = True
            for worker in self._workers:
                worker.tell(SaveEveryEpoch())
        began = time.monotonic()
        connection.wait([end for worker in self._workers for end in worker.ends], timeout=_LOOK_EVERY)
        # Not the time that this process was busy or stopped: only what a worker was listened to counts as silence.
        listened = min(time.monotonic() - began, _LOOK_EVERY)
        for place, worker in enumerate(self._workers):
            ended = worker.process.exitcode is not None
            reports = worker.reports()
            worker.silent = 0.0 if reports else worker.silent + listened
            for report in reports:
                self._take(worker, report)
            if ended:
                fate = worker.fate(self._kills)
                self._kills += fate == MEMORY_RAN_OUT
                self._replace(place, fate)
            elif worker.hangs:
                worker.end()
                what = "made no progress" if worker.ready else "did not respond"
                self._replace(place, f"{what} for {worker.silent:.0f} s")
            elif self.job_seconds is not None and worker.busy_seconds > self.job_seconds:
                worker.end()
                self._replace(place, f"took longer than {show_seconds(self.job_seconds)}")

    def _take(self, worker: WorkerProcess, report: Report) -> None:
        match report:
            case Started() | EpochDone():
                self._events.append(report)
            case Ended():
                worker.job = worker.patience = None
                self._lost.pop(report.number, None)
                self._events.append(report)
            case Ready():
                self._failed_starts = 0
                worker.begin()
            case Speed():
                worker.speed = report
                worker.patience = None
            case Alive(silence):
                worker.silent = -silence
            case logging.LogRecord():
                logging.getLogger(report.name).handle(report)
            case Exception():
                worker.job = worker.patience = None
                raise report

    def _replace(self, place: int, fate: str) -> None:
        gone = self._workers[place]
        gone.connection.close()
        if not gone.ready:
            self._failed_starts += 1
        if not gone.ready and self._failed_starts == _MAX_FAILED_STARTS:
            raise RunError(
                f"A worker process could not start: it {fate} while it loaded PyTorch and the images, as did the "
                f"{_MAX_FAILED_STARTS - 1} before it.",
                hint="Fewer --workers need less memory; --workers 1 needs no process of its own.",
            )
        logger.warning("Worker process %s %s; another one takes its place.", gone.process.pid, fate)
        new = self._workers[place] = self._new_worker(place)
        job = gone.job
        if job is None:
            return
        if gone.ready:  # one that was not has done nothing yet that could have been the reason
            fates = self._lost[job.number]
            fates.append(fate)
            if len(fates) > self.retries:
                self._events.append(Ended(job.number, outcome_of_lost(job, _why_lost(self._lost.pop(job.number)))))
                return
            self._events.append(WorkerLost(job.number, fate))
        self._give(new, job)

    def _give(self, worker: WorkerProcess, job: Job) -> None:
        worker.job, worker.began = job, time.monotonic()
        worker.give(Task(job, self._share), self._patience_with(job.candidate))

    def _patience_with(self, candidate: Candidate) -> float:
        """Seconds without a batch after which a worker hangs: on a slow CPU a batch of a large network takes long."""
        flops = cost_of(candidate.architecture).flops
        images = max(_TRAINING_PASSES * candidate.recipe.batch_size, _SCORED_AT_ONCE)
        patience = self.patience + flops * images / _SLOWEST_FLOPS_PER_SECOND
        if self.devices[0].type == "cuda":
            patience += _COMPILING_SECONDS * sum(1 for _ in candidate.architecture.distinct_blocks())
        return patience

    def _speeds(self, workers: Sequence[WorkerProcess]) -> list[tuple[WorkerProcess, Speed]]:  # of those that answer
        while any(worker.speed is None for worker in workers if worker in self._workers):
            self._wait()
        found = [(worker, worker.speed) for worker in workers if worker.speed is not None]
        for worker in workers:
            worker.speed = None
        return found


def _why_lost(fates: Sequence[str]) -> str:
    """Why a job has failed whose workers ended so, one after the other."""
    what = "out of memory: " if set(fates) == {MEMORY_RAN_OUT} else ""
    times = {1: "", 2: " twice"}.get(len(fates), f" {len(fates)} times")
    return f"{what}its worker died{times}: it {', then '.join(dict.fromkeys(fates))}"
