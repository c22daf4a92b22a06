"""Pixels read batch by batch, for sets that do not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pure_nas.data.decode import pillow_warnings_ignored
from pure_nas.data.raw_images import PixelSource
from pure_nas.errors import DataError

_SAMPLE = 1024
_MOST_WORKERS = 8
_sharers = 1

_Fault = tuple[str, str]
"""Message and hint of an error, in a form that a worker can send."""


def share_cpus(processes: int) -> None:
    """Share the CPUs among this number of processes that decode at once, in sets that are loaded from now on."""
    global _sharers  # noqa: PLW0603 - a property of the process, like its number of threads
    _sharers = processes


def usual_workers() -> int:
    """Processes that decode: this process's share of the CPUs, 1 to 8, or none on a single CPU."""
    # Not on every system, and more exact than the number of CPUs where it is.
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(_MOST_WORKERS, max(1, cpus // _sharers)) if cpus > 1 else 0


class StreamedPixels:
    """Pixels that worker processes read and decode while the device trains.

    By default there are `usual_workers()` if there is anything to decode; 0 is this process.
    """

    def __init__(self, source: PixelSource, workers: int | None = None) -> None:
        self.in_chans, self.size = source.in_chans, source.size
        self.sampled = _SAMPLE
        self._source = source
        self._workers = workers if workers is not None else usual_workers() if source.decodes else 0

    def __getitem__(self, position: int) -> Tensor | _Fault:
        """One image, (C, S, S), uint8; a failure is returned, since an exception of a worker loses its hint."""
        try:
            with pillow_warnings_ignored():
                return torch.from_numpy(np.array(self._source.pixels(position)))
        except DataError as error:
            return error.message, error.hint

    def batches(self, positions: Tensor, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Tensor]:
        """The images at each slice of `positions`, (B, C, S, S), uint8, on `device`, or a `DataError`."""
        loader: DataLoader[Tensor | _Fault] = DataLoader(
            self,  # type: ignore[arg-type]
            batch_sampler=[positions[start:stop].tolist() for start, stop in bounds],
            num_workers=self._workers,
            collate_fn=_collate,
            pin_memory=device.type == "cuda",
            # Without one of its own the loader draws from the global generator, which is the user's.
            generator=torch.Generator(),
        )
        try:
            for batch in loader:
                if not isinstance(batch, Tensor):
                    message, hint = batch
                    raise DataError(message, hint=hint)
                yield batch.to(device, non_blocking=True)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"A process that decodes images died: {str(error).splitlines()[0]}",
                hint="Usually memory or /dev/shm is full: use a smaller batch size or a smaller image_size.",
            ) from error


def _collate(items: Sequence[Tensor | _Fault]) -> Tensor | _Fault:
    faults = [item for item in items if not isinstance(item, Tensor)]
    return faults[0] if faults else torch.stack([item for item in items if isinstance(item, Tensor)])
