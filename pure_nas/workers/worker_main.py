"""What runs in a worker process: it keeps PyTorch, the device and the images, and does what it is told."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from typing import Any

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


Report = Event | Ready | Alive | Speed | Exception | logging.LogRecord


def serve(connection: Connection, load: Load, fingerprint: str, device: str, workers: int, log_level: int) -> None:
    """Load the images, then carry out tasks, as one of so many `workers`, until the controller's end is gone."""
    claim_process()
    # A terminal sends Ctrl-C to every process of a command; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    controller = _Controller(connection)
    logging.getLogger().handlers = [QueueHandler(controller)]  # type: ignore[arg-type]
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
        dataset = _watched(dataset, controller)
        # The first optimizer would import this, which takes a second.
        importlib.import_module("torch._dynamo")
        # What was imported and loaded stays: collecting garbage need not look at it again and again.
        gc.collect()
        gc.freeze()
        controller.put_nowait(Ready())
        while True:
            _carry_out(controller.task(), controller, dataset, torch.device(device))
            # What a task leaves behind must be there for the next one, and for the other workers.
            gc.collect()
            hand_back_freed_memory(torch.device(device))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the controller, which raises it
        controller.put_nowait(portable(error))
        # Python's own way out would take everything apart piece by piece.
        os._exit(1)


class _Controller:
    """The other end of the pipe, as a queue of reports. Once it is gone this process ends at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_sign = time.monotonic()
        self._saves = False

    def task(self) -> Any:
        """The next task; waits for it."""
        found = self.receive()
        while isinstance(found, SaveEveryEpoch):
            self._saves = True
            found = self.receive()
        return found

    def saves_every_epoch(self) -> bool:
        """Whether it was said so; while a job is done, nothing else is."""
        if not self._saves and self._connection.poll():
            self._saves = isinstance(self.receive(), SaveEveryEpoch)
        return self._saves

    def receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            os._exit(0)

    def put_nowait(self, report: Report) -> None:
        try:
            self._connection.send(report)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)

    def sign_of_life(self) -> None:
        """Say that work goes on, at most once a second."""
        now = time.monotonic()
        if now - self._last_sign > _SECONDS_BETWEEN_SIGNS:
            self._last_sign = now
            self.put_nowait(Alive())


def _carry_out(task: Task, controller: _Controller, dataset: Dataset, device: torch.device) -> None:
    torch.set_num_threads(task.threads)
    if isinstance(task.work, Job):
        for event in work(task.work, dataset, device, controller.saves_every_epoch):
            controller.put_nowait(event)
        return
    try:
        test = SpeedTest(task.work, dataset, device)
        controller.put_nowait(Speed())
        # It may not fit any more: others that share the device took memory since.
        rate = test.images_per_second(controller.receive())
    except torch.OutOfMemoryError:
        controller.put_nowait(Speed(fits=False))
    else:
        peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0
        controller.put_nowait(Speed(rate, peak))


def _watched(dataset: Dataset, controller: _Controller) -> Dataset:
    """The same images; `controller` hears of every batch that is taken, in training and in evaluation."""
    tick = controller.sign_of_life

    def load_test(_: Dataset) -> ImageSet:
        controller.put_nowait(Alive(SECONDS_TO_LOAD))
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
    error.add_note(f"In a worker process:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PickleError, TypeError, ValueError, AttributeError, ImportError, RecursionError):
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        stand_in.add_note(error.__notes__[-1])
        return stand_in
    return error
