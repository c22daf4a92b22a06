"""Images for worker processes in which a test can make things go wrong, by a word in a file."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.images import load_dataset
from pure_nas.data.augment import Draws
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import Batch, ImageSet
from pure_nas.errors import DataError
from pure_nas.workers import work as work_module


class Unspeakable(Exception):  # noqa: N818 - what it is called does not matter
    """Cannot be pickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


class FaultyImages(ImageSet):
    """Images that do what the file `fault` says, a line each time, when an epoch begins."""

    def __init__(self, images: ImageSet, fault: Path) -> None:
        vars(self).update(vars(images))
        self.fault = fault

    def _epoch(self, draws: Draws, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Batch]:
        lines = self.fault.read_text().splitlines() if self.fault.exists() else []
        if lines:
            word, _, epochs = lines[0].partition(" ")
            # "die 2": in the second epoch from now.
            later = [f"{word} {int(epochs) - 1}"] if int(epochs or 1) > 1 else []
            self.fault.write_text("\n".join([*later, *lines[1:]]))
            if not later:
                go_wrong(word)
        return super()._epoch(draws, bounds, device)


def go_wrong(fault: str) -> None:
    match fault:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(3)
        case "hang":
            time.sleep(1000)
        case "explain":
            raise DataError("The image a.png is gone.", hint="Put it back.")
        case "break":
            raise ZeroDivisionError("a fault of the program")
        case "mumble":
            raise Unspeakable(1, 2)
        case "warn":
            logging.getLogger("pure_nas.somewhere").warning("something is %s", "odd")


def load_faulty(folder: Path, fault: Path) -> Dataset:
    """The images of `folder`; checkpoints are written after every epoch."""
    work_module._SECONDS_BETWEEN_CHECKPOINTS = -1.0
    dataset = load_dataset(folder)
    return replace(dataset, train=FaultyImages(dataset.train, fault))


def load_with_slow_test(folder: Path) -> Dataset:
    """The images of `folder`, of which those of the test split take two seconds to read."""
    dataset = load_dataset(folder)

    def read_slowly(_: Dataset) -> ImageSet:
        time.sleep(2.0)
        return dataset.test()

    return replace(dataset, _load_test=read_slowly)


def load_not_at_all(fault: str) -> Dataset:
    """Goes wrong."""
    go_wrong(fault)
    raise AssertionError("nothing went wrong")


def load_after_faults(folder: Path, fault: Path) -> Dataset:
    """Goes wrong once for each line of the file `fault`; then loads the images of `folder`."""
    lines = fault.read_text().splitlines()
    fault.write_text("\n".join(lines[1:]))
    if lines:
        go_wrong(lines[0])
    return load_dataset(folder)
