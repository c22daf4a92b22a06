"""What a worker does, wherever it is: it keeps PyTorch, the device and the images, and does what it is told."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pickle
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import torch

from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet, share_cpus
from pure_nas.devices import hand_back_freed_memory
from pure_nas.errors import DataError
from pure_nas.process_state import claim_process
from pure_nas.space.candidate import Candidate
from pure_nas.workers.messages import Event, Job
from pure_nas.workers.work import SpeedTest, work

Load = Callable[[], Dataset]  # loads the images; can be pickled

SECONDS_TO_LOAD = 1800.0  # how long reading images may take, which says nothing meanwhile

_SECONDS_BETWEEN_SIGNS = 1.0


@dataclass(frozen=True)
class Task:
    """A job to do, or a candidate of which to measure how fast it trains, with so many CPU threads."""

    work: (
        Job | Candidate
    )  # of a candidate: says `Speed` once ready, is told for how many seconds to train, and says it again
    threads: int
    files: Mapping[str, bytes] | None = None  # what the job's folder holds, where the worker cannot reach it


@dataclass(frozen=True)
class SaveEveryEpoch:
    """From now on, write a checkpoint after every epoch: the session is about to end."""


@dataclass(frozen=True)
class Ready:
    """The images are loaded."""


@dataclass(frozen=True)
class Alive:
    """Another batch was taken, or images are read now, which may take another `silence` seconds."""

    silence: float = 0.0


@dataclass(frozen=True)
class Speed:
    """How fast a candidate trains; `peak_bytes` is the most memory that PyTorch held on the GPU, 0 on a CPU."""

    images_per_second: float = 0.0
    peak_bytes: int = 0
    fits: bool = True


@dataclass(frozen=True)
class Files:
    """What a job has written since the last event, by name, where the controller keeps its folder."""

    contents: Mapping[str, bytes]


Report = Event | Files | Ready | Alive | Speed | Exception | logging.LogRecord


class Controller(Protocol):
    """The other end, as a worker sees it."""

    def send(self, report: Report) -> None: ...
    def receive(self) -> Any: ...  # the next message; waits for it
    def poll(self) -> bool: ...  # whether there is one


def serve_parent(
    connection: Connection, load: Load, fingerprint: str, device: str, workers: int, log_level: int
) -> None:
    """Be one of so many `workers` of the parent process until its end of the pipe is gone."""
    # Terminals, service managers and clusters signal every process of a command; the parent decides what becomes of
    # this one, which ends with it.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    serve(_Parent(connection), load, fingerprint, device, workers, log_level)
    # Python's own way out would take everything apart piece by piece.
    os._exit(1)


class _Parent:
    """The parent's end of the pipe. Once it is gone this process ends at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.poll = connection.poll

    def receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            os._exit(0)

    def send(self, report: Report) -> None:
        try:
            self._connection.send(report)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)


def serve(controller: Controller, load: Load, fingerprint: str, device: str, workers: int, log_level: int) -> None:
    """Load the images, then carry out tasks, as one of so many `workers` of a machine, until an error was reported."""
    claim_process()
    desk = _Desk(controller)
    logging.getLogger().handlers = [QueueHandler(desk)]  # type: ignore[arg-type]
    logging.getLogger().setLevel(log_level)
    logging.captureWarnings(True)
    share_cpus(workers)
    try:
        dataset = load()
        if dataset.fingerprint != fingerprint:
            raise DataError(
                f'The images of "{dataset.name}" changed while they were in use.',
                hint="Restore the old ones, or start a new run.",
            )
        dataset = _watched(dataset, desk)
        # The first optimizer would import this, which takes a second.
        importlib.import_module("torch._dynamo")
        # What was imported and loaded stays: collecting garbage need not look at it again and again.
        gc.collect()
        gc.freeze()
        desk.put_nowait(Ready())
        while True:
            _carry_out(desk.task(), desk, dataset, torch.device(device))
            # What a task leaves behind must be there for the next one, and for the other workers.
            gc.collect()
            hand_back_freed_memory(torch.device(device))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the controller, which raises it
        desk.put_nowait(portable(error))


class _Desk:
    """What a worker is told and says, as a queue of reports."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._last_sign = time.monotonic()
        self._saves = False
        self.receive, self.put_nowait = controller.receive, controller.send

    def task(self) -> Any:
        """The next task; waits for it."""
        found = self.receive()
        while isinstance(found, SaveEveryEpoch):
            self._saves = True
            found = self.receive()
        return found

    def saves_every_epoch(self) -> bool:
        """Whether it was said so; while a job is done, nothing else is."""
        if not self._saves and self._controller.poll():
            self._saves = isinstance(self.receive(), SaveEveryEpoch)
        return self._saves

    def sign_of_life(self) -> None:
        """Say that work goes on, at most once a second."""
        now = time.monotonic()
        if now - self._last_sign > _SECONDS_BETWEEN_SIGNS:
            self._last_sign = now
            self.put_nowait(Alive())


def _carry_out(task: Task, desk: _Desk, dataset: Dataset, device: torch.device) -> None:
    torch.set_num_threads(task.threads)
    if isinstance(task.work, Job) and task.files is None:
        for event in work(task.work, dataset, device, desk.saves_every_epoch):
            desk.put_nowait(event)
        return
    if isinstance(task.work, Job):
        _carry_out_elsewhere(task.work, task.files or {}, desk, dataset, device)
        return
    try:
        test = SpeedTest(task.work, dataset, device)
        desk.put_nowait(Speed())
        # It may not fit any more: others that share the device took memory since.
        rate = test.images_per_second(desk.receive())
    except torch.OutOfMemoryError:
        desk.put_nowait(Speed(fits=False))
    else:
        peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0
        desk.put_nowait(Speed(rate, peak))


def _carry_out_elsewhere(
    job: Job, files: Mapping[str, bytes], desk: _Desk, dataset: Dataset, device: torch.device
) -> None:
    """Do a job whose folder is out of reach, and send home what it writes, each time before the event that tells."""
    with tempfile.TemporaryDirectory(prefix="pure-nas-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        seen = _stamps(folder)
        for event in work(replace(job, directory=Path(folder)), dataset, device, desk.saves_every_epoch):
            now = _stamps(folder)
            if changed := [name for name, stamp in now.items() if stamp != seen.get(name)]:
                desk.put_nowait(Files({name: (Path(folder) / name).read_bytes() for name in changed}))
            seen = now
            desk.put_nowait(event)


def _stamps(folder: str) -> dict[str, tuple[int, int, int]]:
    """What changes with a file, by name."""
    found = {entry.name: entry.stat() for entry in os.scandir(folder)}
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def _watched(dataset: Dataset, desk: _Desk) -> Dataset:
    """The same images; the controller hears of every batch that is taken, in training and in evaluation."""
    tick = desk.sign_of_life

    def load_test(_: Dataset) -> ImageSet:
        desk.put_nowait(Alive(SECONDS_TO_LOAD))
        return dataset.test().watched(tick)

    return replace(
        dataset,
        train=dataset.train.watched(tick),
        validation=dataset.validation.watched(tick),
        train_and_validation=dataset.train_and_validation.watched(tick),
        _load_test=load_test,
    )


def portable(error: Exception) -> Exception:
    """The error with the worker's traceback as a note, in a form that can be sent."""
    error.add_note(f"In a worker:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PickleError, TypeError, ValueError, AttributeError, ImportError, RecursionError):
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        stand_in.add_note(error.__notes__[-1])
        return stand_in
    return error
