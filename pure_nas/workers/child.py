"""What runs in a worker process: it keeps PyTorch, the device and the images, and does what it is ordered."""

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
from dataclasses import replace
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection

import torch

from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset, ImageSet
from pure_nas.data.streamed import share_cpus
from pure_nas.devices import hand_back_freed_memory, threads_for
from pure_nas.errors import DataError
from pure_nas.process_state import claim_process
from pure_nas.space.candidate import Candidate
from pure_nas.workers.orders import Alive, Failed, Go, Order, Ready, Rehearse, Rehearsed, Report, Train, Warm
from pure_nas.workers.rehearsal import Rehearsal
from pure_nas.workers.work import work

Load = Callable[[], Dataset]
"""Loads the images; can be pickled."""

SECONDS_TO_LOAD = 1800.0
"""How long reading images may take, which says nothing meanwhile."""

_SECONDS_BETWEEN_SIGNS = 1.0


def serve(connection: Connection, load: Load, fingerprint: str, device: str, workers: int, log_level: int) -> None:
    """Load the images, then carry out orders until the controller is gone.

    Args:
        connection: to the controller.
        fingerprint: of the controller's images; others are refused.
        device: what `torch.device` takes.
        workers: how many there are, this one included, to share the CPUs.
        log_level: what is logged from here on, in the controller.
    """
    claim_process()
    _leave_interrupts_to_parent()
    controller = _Controller(connection)
    logging.getLogger().handlers = [_Forward(controller)]
    logging.getLogger().setLevel(log_level)
    logging.captureWarnings(True)
    share_cpus(workers)
    try:
        worker = _Worker(controller, _loaded(load, fingerprint), torch.device(device))
        controller.tell(Ready())
        while True:
            worker.carry_out(controller.order())
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the controller, which raises it
        controller.tell(Failed(portable(error)))
        # Python's own way out would take everything apart piece by piece.
        os._exit(1)


class _Controller:
    """The other end of the pipe. Once it is gone this process has nothing left to do and ends at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_sign = time.monotonic()

    def order(self) -> Order:
        """The next order; waits for it."""
        try:
            order: Order = self._connection.recv()
        except (EOFError, ConnectionResetError):
            os._exit(0)
        return order

    def tell(self, report: Report) -> None:
        """Send a report."""
        try:
            self._connection.send(report)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)

    def sign_of_life(self) -> None:
        """Say that work goes on, at most once a second."""
        now = time.monotonic()
        if now - self._last_sign > _SECONDS_BETWEEN_SIGNS:
            self._last_sign = now
            self.tell(Alive())

    def silence(self) -> None:
        """Say that images are read now."""
        self.tell(Alive(SECONDS_TO_LOAD))


class _Worker:
    """Carries out orders on one device with one dataset."""

    def __init__(self, controller: _Controller, dataset: Dataset, device: torch.device) -> None:
        self._controller = controller
        self._dataset = _watched(dataset, controller)
        self._device = device
        # The first optimizer would import this, which takes a second.
        importlib.import_module("torch._dynamo")
        # What was imported and loaded stays: collecting garbage need not look at it again and again.
        gc.collect()
        gc.freeze()

    def carry_out(self, order: Order) -> None:
        """Do what is asked, reporting meanwhile."""
        match order:
            case Train(job, threads):
                torch.set_num_threads(threads)
                for event in work(job, self._dataset, self._device):
                    self._controller.tell(event)
            case Rehearse(candidate, threads):
                torch.set_num_threads(threads)
                with threads_for(cost_of(candidate.architecture).flops * candidate.recipe.batch_size):
                    self._rehearse(candidate)
            case Go():
                raise RuntimeError("an order to go without one to rehearse")
        self._let_go_of_memory()

    def _rehearse(self, candidate: Candidate) -> None:
        try:
            rehearsal = Rehearsal(candidate, self._dataset, self._device)
        except torch.OutOfMemoryError:
            self._controller.tell(Warm(fits=False))
            return
        self._controller.tell(Warm(fits=True))
        order = self._controller.order()
        if not isinstance(order, Go):
            raise RuntimeError(f"a rehearsal was followed by {type(order).__name__}, not by Go")
        try:
            rate = rehearsal.images_per_second(order.seconds)
        except torch.OutOfMemoryError:
            # What others that share the device took since.
            self._controller.tell(Rehearsed(fits=False))
            return
        peak = torch.cuda.max_memory_reserved(self._device) if self._device.type == "cuda" else 0
        self._controller.tell(Rehearsed(rate, peak))

    def _let_go_of_memory(self) -> None:
        """What a job leaves behind must be there for the next one, and for the other workers."""
        gc.collect()
        hand_back_freed_memory(self._device)


def _loaded(load: Load, fingerprint: str) -> Dataset:
    dataset = load()
    if dataset.fingerprint != fingerprint:
        raise DataError(
            f'The images of "{dataset.name}" changed while they were in use.',
            hint="Put the old ones back, or search again with another --study.",
        )
    return dataset


def _watched(dataset: Dataset, controller: _Controller) -> Dataset:
    """The same images; `controller` hears of every batch that is taken, in training and in scoring."""
    tick = controller.sign_of_life

    def load_test() -> ImageSet:
        controller.silence()
        return dataset.test().watched(tick)

    return replace(
        dataset,
        train=dataset.train.watched(tick),
        validation=dataset.validation.watched(tick),
        _train_and_validation=dataset.train_and_validation().watched(tick),
        _load_test=load_test,
    )


class _Forward(QueueHandler):
    """Sends log records to the controller, which knows where they belong."""

    def __init__(self, controller: _Controller) -> None:
        super().__init__(controller)  # type: ignore[arg-type]

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.tell(record)  # type: ignore[attr-defined]


def _leave_interrupts_to_parent() -> None:
    """A terminal sends Ctrl-C to every process of a command; the parent decides what becomes of this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def portable(error: Exception) -> Exception:
    """The error with the worker's traceback as a note, in a form that can be sent."""
    where = "".join(traceback.format_exception(error))
    error.add_note(f"In a worker process:\n{where}")
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PickleError, TypeError, ValueError, AttributeError, ImportError, RecursionError):
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        stand_in.add_note(error.__notes__[-1])
        return stand_in
    return error
