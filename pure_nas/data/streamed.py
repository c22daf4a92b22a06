"""Images read batch by batch, for sets that do not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pure_nas.data.augment import Draws, cutter
from pure_nas.data.decode import pillow_warnings_ignored
from pure_nas.data.image_set import Batch, ImageSet, Normalisation, count_histogram
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


class _Reader:
    """Reads images by position; a failure is returned, since an exception would lose its hint on the way."""

    def __init__(self, source: PixelSource) -> None:
        self._source = source

    def __getitem__(self, position: int) -> Tensor | _Fault:
        try:
            with pillow_warnings_ignored():
                pixels = self._source.pixels(position)
        except DataError as error:
            return error.message, error.hint
        return torch.from_numpy(np.array(pixels))


def _collate(items: Sequence[Tensor | _Fault]) -> Tensor | _Fault:
    faults = [item for item in items if not isinstance(item, Tensor)]
    return faults[0] if faults else torch.stack([item for item in items if isinstance(item, Tensor)])


class StreamedImages(ImageSet):
    """Images that worker processes read and decode while the device trains.

    Workers only read. Augmentation is drawn and applied as for images in memory, so batches do not depend on the
    number of workers and equal those of `ResidentImages`.

    Args:
        source: of the images.
        labels: (N,), int64.
        normalisation: of the batches.
        positions: (N,), int64, the images of the source in this set (default: all).
        image_size: height and width that a network sees, pixels (default: the whole image).
        workers: number of processes that decode, 0 for this one (default: `usual_workers()` if there is anything to
            decode).
    """

    def __init__(
        self,
        source: PixelSource,
        labels: Tensor,
        normalisation: Normalisation,
        *,
        positions: Tensor | None = None,
        image_size: int | None = None,
        workers: int | None = None,
    ) -> None:
        super().__init__(labels, normalisation)
        self._source = source
        self._positions = torch.arange(len(labels)) if positions is None else positions
        self._image_size = image_size
        self._workers = workers if workers is not None else usual_workers() if source.decodes else 0

    @property
    def image_size(self) -> int:
        return self._image_size or self.stored_size

    @property
    def stored_size(self) -> int:
        return self._source.size

    def subset(self, positions: Tensor) -> StreamedImages:
        return StreamedImages(
            self._source,
            self.labels[positions],
            self.normalisation,
            positions=self._positions[positions],
            image_size=self._image_size,
            workers=self._workers,
        )

    def histogram(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        sample = self._positions[torch.randperm(len(self), generator=generator)[:_SAMPLE]]
        chunks = [chunk.tolist() for chunk in torch.split(sample, 64)]
        counts = [count_histogram(pixels) for pixels in self._read(chunks, pin_memory=False)]
        return torch.stack(counts).sum(0)

    def _epoch(self, draws: Draws, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Batch]:
        normalise = self.normalisation.normaliser(draws.size, device)
        positions = self._positions[draws.order]
        labels = self.labels[draws.order].to(device)
        cut = cutter(draws.to(device), self._source.in_chans, self._source.size, device)
        wanted = [positions[start:stop].tolist() for start, stop in bounds]
        batches = self._read(wanted, pin_memory=device.type == "cuda")
        for (start, stop), pixels in zip(bounds, batches, strict=True):
            part = slice(start, stop)
            windows = cut(pixels.to(device, non_blocking=True), part)
            yield normalise(windows), labels[part]

    def _read(self, positions: Sequence[list[int]], *, pin_memory: bool) -> Iterator[Tensor]:
        """Batches (B, C, S, S), uint8, of the images at each list of positions of the source.

        Raises:
            DataError: an image cannot be read, or a worker died.
        """
        loader: DataLoader[Tensor | _Fault] = DataLoader(
            _Reader(self._source),  # type: ignore[arg-type]
            batch_sampler=positions,
            num_workers=self._workers,
            collate_fn=_collate,
            pin_memory=pin_memory,
            # Without one of its own the loader draws from the global generator, which is the user's.
            generator=torch.Generator(),
        )
        try:
            for batch in loader:
                if not isinstance(batch, Tensor):
                    message, hint = batch
                    raise DataError(message, hint=hint)
                yield batch
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"A process that decodes images died: {str(error).splitlines()[0]}",
                hint="Usually memory or /dev/shm is full: use a smaller batch size or a smaller image_size.",
            ) from error
