"""Images decoded from files batch by batch, for sets that do not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pure_nas.data.augment import Cropper, Draws
from pure_nas.data.decode import CorruptImageError, decode_image, read_bytes
from pure_nas.data.image_set import Batch, ImageSet, Normalisation, count_histogram
from pure_nas.errors import DataError

_SAMPLE = 1024
_MOST_WORKERS = 8
_sharers = 1


def share_cpus(processes: int) -> None:
    """Let sets that are loaded from now on leave room for so many processes, this one included, that decode at once."""
    global _sharers  # noqa: PLW0603 - a property of the process, like its number of threads
    _sharers = processes


def usual_workers() -> int:
    """Processes that decode: one for each CPU this process may use, at most 8; none on a single CPU.

    Where several processes share the CPUs, each has its part, one at least.
    """
    # Not on every system, and more exact than the number of CPUs where it is.
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(_MOST_WORKERS, max(1, cpus // _sharers)) if cpus > 1 else 0


class _Decoder:
    """Decodes the image at a position; a damaged one becomes its message, so that workers never raise."""

    def __init__(self, paths: Sequence[Path], size: int, in_chans: int) -> None:
        self.paths = paths
        self.size = size
        self.in_chans = in_chans

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Tensor | str:
        path = self.paths[position]
        try:
            pixels = decode_image(read_bytes(path), self.size, self.in_chans)
        except CorruptImageError as error:
            return f"The image {path} cannot be decoded: {error}."
        except DataError as error:
            return error.message
        return torch.from_numpy(np.array(pixels))


def _collate(items: Sequence[Tensor | str]) -> Tensor | str:
    faults = [item for item in items if isinstance(item, str)]
    return faults[0] if faults else torch.stack([item for item in items if isinstance(item, Tensor)])


class StreamedImages(ImageSet):
    """Images that worker processes decode while the device trains.

    Workers only decode. Crops and flips are drawn and applied as for images in memory, so batches are the same
    for any number of workers, and the same as those of `ResidentImages`.

    Args:
        paths: image files.
        labels: (N,), int64.
        size: height and width of an image, pixels.
        in_chans: 1 for grayscale, 3 for RGB.
        normalisation: what batches are normalised with.
        workers: processes that decode; 0 decodes in this one. None: `usual_workers()`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Tensor,
        size: int,
        in_chans: int,
        normalisation: Normalisation,
        *,
        workers: int | None = None,
    ) -> None:
        super().__init__(labels, normalisation)
        self._decoder = _Decoder(paths, size, in_chans)
        self._workers = usual_workers() if workers is None else workers

    @property
    def image_size(self) -> int:
        return self._decoder.size

    def subset(self, positions: Tensor) -> StreamedImages:
        paths = [self._decoder.paths[position] for position in positions.tolist()]
        return self._replaced(paths, self.labels[positions], self.normalisation)

    def normalised(self, normalisation: Normalisation) -> StreamedImages:
        return self._replaced(self._decoder.paths, self.labels, normalisation)

    def _replaced(self, paths: Sequence[Path], labels: Tensor, normalisation: Normalisation) -> StreamedImages:
        decoder = self._decoder
        return StreamedImages(paths, labels, decoder.size, decoder.in_chans, normalisation, workers=self._workers)

    def histogram(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        sample = torch.randperm(len(self), generator=generator)[:_SAMPLE]
        chunks = [chunk.tolist() for chunk in torch.split(sample, 64)]
        counts = [count_histogram(pixels) for pixels in self._decoded(chunks, pin_memory=False)]
        return torch.stack(counts).sum(0)

    def _epoch(
        self, draws: Draws, bounds: Sequence[tuple[int, int]], padding: int, device: torch.device
    ) -> Iterator[Batch]:
        size = self._decoder.size
        crop = Cropper(self._decoder.in_chans, size + 2 * padding, size, device)
        normalise = self.normalisation.normaliser(size, device)
        order = draws.order.tolist()
        labels = self.labels[draws.order].to(device)
        drawn = draws.to(device)
        positions = [order[start:stop] for start, stop in bounds]
        decoded = self._decoded(positions, pin_memory=device.type == "cuda")
        for (start, stop), pixels in zip(bounds, decoded, strict=True):
            part = slice(start, stop)
            padded = F.pad(pixels.to(device, non_blocking=True), (padding,) * 4)
            windows = crop(padded, drawn.top[part], drawn.left[part], drawn.flip[part])
            yield normalise(windows), labels[part]

    def _decoded(self, positions: Sequence[list[int]], *, pin_memory: bool) -> Iterator[Tensor]:
        """Batches (B, C, S, S), uint8, of the images at each list of positions.

        Raises:
            DataError: an image cannot be decoded, or a worker died.
        """
        loader: DataLoader[Tensor | str] = DataLoader(
            self._decoder,  # type: ignore[arg-type]
            batch_sampler=positions,
            num_workers=self._workers,
            collate_fn=_collate,
            pin_memory=pin_memory,
            # Without one of its own the loader draws from the global generator, which is the user's.
            generator=torch.Generator(),
        )
        batches = iter(loader)
        while (batch := self._next(batches)) is not None:
            if isinstance(batch, str):
                raise DataError(batch, hint="Restore the file, or load the dataset again with skip_corrupt.")
            yield batch

    def _next(self, batches: Iterator[Tensor | str]) -> Tensor | str | None:
        try:
            return next(batches, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"A process that decodes images died: {str(error).splitlines()[0]}",
                hint="Usually memory or /dev/shm is full: use a smaller batch size or a smaller image_size.",
            ) from error
