"""Jobs for several workers that live as long as the command: who does what, and what happens when one dies or hangs."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.files import write_whole
from pure_nas.quantities import show_seconds
from pure_nas.space.candidate import Candidate
from pure_nas.workers.messages import Ended, EpochDone, Event, Job, Started, WorkerLost
from pure_nas.workers.work import outcome_of_lost
from pure_nas.workers.worker import Worker
from pure_nas.workers.worker_main import Alive, Files, Ready, Report, SaveEveryEpoch, Speed, Task

logger = logging.getLogger(__name__)

MEMORY_RAN_OUT, NODE_LOST = "was killed because memory ran out", "was lost with its node"  # fates of workers

_MAX_FAILED_STARTS = 3  # of workers one after the other, before they have the images: memory may be short for a moment
_LOOK_EVERY = 1.0
_HANGS_AFTER = 30  # times what the longest job was expected to take; a busy neighbour can make one 20 times as slow
_HANGS_AFTER_SECONDS = 3600.0
_COMPILING_SECONDS = 60.0
_SLOWEST_FLOPS_PER_SECOND = 5e8
_SCORED_AT_ONCE = 512
_TRAINING_PASSES = 3


@dataclass(eq=False, kw_only=True)
class Pool(ABC):
    """Runs jobs in workers, which begin with `start` or the first job, and are replaced where they die."""

    size: int  # number of workers
    patience: float = 300.0  # seconds without a batch, besides those of a batch and of compiling, after which one hangs
    job_seconds: float | None = None  # after which a job's worker is replaced, whatever it does
    retries: int = 1  # of a job that lost its worker, from its checkpoint; then it has failed

    def __post_init__(self) -> None:
        self._workers: list[Worker] = []
        self._waiting: deque[Job] = deque()
        self._events: deque[Event] = deque()
        self._lost: defaultdict[int, list[str]] = defaultdict(list)  # how workers of a job that goes on ended
        self._failed_starts = 0
        self._saves = self._told_to_save = False

    @property
    def free(self) -> int:
        untold = sum(isinstance(event, Ended) for event in self._events)
        return self.size - sum(worker.job is not None for worker in self._workers) - len(self._waiting) - untold

    def resize(self, workers: int) -> None:
        """Change the number of workers, while none has a job."""
        self.size = workers
        self._dismiss(keep=workers)

    def start(self) -> None:
        """Begin to start the workers that are missing. They load PyTorch and the images meanwhile."""
        while len(self._workers) < self.size:
            self._workers.append(self._hired(len(self._workers)))

    def submit(self, job: Job) -> None:
        self.start()
        self._waiting.append(job)
        self._hand_out()

    def next_event(self) -> Event:
        """The next event of any job; waits for it. What a worker raises is raised here, with the worker's traceback."""
        while not self._events:
            self._wait()
        return self._events.popleft()

    def speed(self, candidate: Candidate, seconds: float) -> Speed:
        """Of all workers together, while they train `candidate` at once; 0 where they do not fit. The peak of one."""
        self.start()
        while not all(worker.ready for worker in self._workers if worker.placed) or not self._ready:
            self._wait()
        workers, patience = self._ready, self._patience_with(candidate)
        for worker in workers:
            worker.give(Task(candidate, self._threads_each), patience)
        warm = [worker for worker, speed in self._speeds(workers) if speed.fits]
        for worker in warm:
            worker.give(seconds if len(warm) == len(workers) else 0.0, patience + seconds)
        found = [speed for _, speed in self._speeds(warm) if speed.fits]
        rate = sum(speed.images_per_second for speed in found) if len(found) == len(workers) else 0.0
        return Speed(rate * self.size / len(workers), max((speed.peak_bytes for speed in found), default=0))

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image in one of the workers while all train; None where it does not fit into memory."""
        rate = self.speed(candidate, seconds).images_per_second
        return self.size / rate if rate else None

    def expect(self, seconds: float) -> None:
        if self.job_seconds is None:
            self.job_seconds = max(_HANGS_AFTER * seconds, _HANGS_AFTER_SECONDS)

    def save_every_epoch(self) -> None:
        self._saves = True  # and is told to the workers by whoever waits for them

    def close(self) -> None:
        self._waiting.clear()
        self._dismiss(keep=0)

    @property
    @abstractmethod
    def _threads_each(self) -> int: ...  # CPU threads of a worker

    @property
    def _compiles(self) -> bool:
        """Whether a network may be compiled for a device first, which is silent."""
        return False

    @abstractmethod
    def _hire(self, place: int) -> Worker:
        """Begin to start a worker: the first, the second, ... or one that takes its place."""

    @abstractmethod
    def _listen(self, seconds: float) -> None:
        """Wait until a worker has said something, or ended, but no longer than that."""

    @abstractmethod
    def _dismiss(self, keep: int) -> None:
        """End all but the first `keep` workers and take them off the list."""

    def _fate(self, worker: Worker) -> str | None:
        return worker.fate()

    def _files(self, job: Job) -> Mapping[str, bytes] | None:
        """What a worker needs of a job's folder that it cannot reach; None where it can."""
        return None

    @property
    def _ready(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready]

    def _hired(self, place: int) -> Worker:
        worker = self._hire(place)
        if self._told_to_save:
            worker.tell(SaveEveryEpoch())
        return worker

    def _hand_out(self) -> None:
        for worker in self._ready:
            if worker.job is None and self._waiting:
                job = self._waiting.popleft()
                worker.give(Task(job, self._threads_each, self._files(job)), self._patience_with(job.candidate))

    def _wait(self) -> None:
        if self._saves and not self._told_to_save:
            self._told_to_save = True
            for worker in self._workers:
                worker.tell(SaveEveryEpoch())
        began = time.monotonic()
        self._listen(_LOOK_EVERY)
        # Not the time that this process was busy or stopped: only what a worker was listened to counts as silence.
        listened = min(time.monotonic() - began, _LOOK_EVERY)
        for place, worker in enumerate(self._workers):
            fate = self._fate(worker)
            reports = worker.reports()
            worker.silent = 0.0 if reports else worker.silent + listened
            for report in reports:
                self._take(worker, report)
            if fate is None and worker.hangs:
                worker.end()
                what = "made no progress" if worker.ready else "did not respond"
                fate = f"{what} for {worker.silent:.0f} s"
            elif fate is None and self.job_seconds is not None and worker.busy_seconds > self.job_seconds:
                worker.end()
                fate = f"took longer than {show_seconds(self.job_seconds)}"
            if fate is not None:
                self._replace(place, fate)
        self._hand_out()

    def _take(self, worker: Worker, report: Report) -> None:
        match report:
            case Started() | EpochDone():
                self._events.append(report)
            case Ended():
                worker.finish()
                self._lost.pop(report.number, None)
                self._events.append(report)
            case Files(contents):
                if worker.job is not None:
                    for name, content in contents.items():
                        write_whole(worker.job.directory / name, content, new_folders=False)
            case Ready():
                self._failed_starts = 0
                worker.ready = True
            case Speed():
                worker.speed = report
                worker.patience = None
            case Alive(silence):
                worker.silent = -silence
            case logging.LogRecord():
                logging.getLogger(report.name).handle(report)
            case Exception():
                worker.finish()
                raise report

    def _replace(self, place: int, fate: str) -> None:
        gone = self._workers[place]
        if not gone.ready:
            self._failed_starts += 1
        if not gone.ready and self._failed_starts == _MAX_FAILED_STARTS:
            raise RunError(
                f"A worker could not start: it {fate} while it loaded PyTorch and the images, as did the "
                f"{_MAX_FAILED_STARTS - 1} before it.",
                hint="Fewer --workers need less memory; --workers 1 needs no process of its own.",
            )
        logger.warning("%s %s; another one takes its place.", gone.name, fate)
        self._workers[place] = self._hired(place)
        if (job := gone.job) is None:
            return
        fates = self._lost[job.number]
        if fate != NODE_LOST:  # machines come and go, whatever is trained on them
            fates.append(fate)
        if len(fates) > self.retries:
            self._events.append(Ended(job.number, outcome_of_lost(job, _why_lost(self._lost.pop(job.number)))))
        else:
            self._events.append(WorkerLost(job.number, fate))
            self._waiting.appendleft(job)

    def _patience_with(self, candidate: Candidate) -> float:
        """Seconds without a batch after which a worker hangs: on a slow CPU a batch of a large network takes long."""
        flops = cost_of(candidate.architecture).flops
        images = max(_TRAINING_PASSES * candidate.recipe.batch_size, _SCORED_AT_ONCE)
        patience = self.patience + flops * images / _SLOWEST_FLOPS_PER_SECOND
        if self._compiles:
            patience += _COMPILING_SECONDS * sum(1 for _ in candidate.architecture.distinct_blocks())
        return patience

    def _speeds(self, workers: Sequence[Worker]) -> list[tuple[Worker, Speed]]:  # of those that answer
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
