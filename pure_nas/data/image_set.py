"""Labelled images, in normalised batches, that networks are trained and evaluated on."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pure_nas.data.augment import Draws, cutter, draw
from pure_nas.data.decode import PILLOW_MODULES
from pure_nas.data.preprocessing import scale_and_shift
from pure_nas.data.raw_images import PixelSource
from pure_nas.errors import DataError
from pure_nas.space.recipe import Recipe

Batch = tuple[Tensor, Tensor]

_PIECE_BYTES = 2**23
_SAMPLE = 1024
_MOST_WORKERS = 8
_sharers = 1

_Fault = tuple[str, str]  # message and hint of an error, in a form that a worker can send


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, of images scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_histogram(cls, histogram: Tensor) -> Normalisation:
        """Statistics from a (C, 256) int64 histogram of pixel values: to the last bit the same on every processor."""
        mean, std = list[float](), list[float]()
        for channel in histogram.tolist():
            count, total = sum(channel), sum(number * value for value, number in enumerate(channel))
            squares = sum(number * value**2 for value, number in enumerate(channel))
            mean.append(total / (255 * count))
            # A channel of one value would divide by zero; one step of a pixel is the least that can vary.
            std.append(max(math.sqrt((squares * count - total**2) / (255 * count) ** 2), 1 / 255))
        return cls(tuple(mean), tuple(std))

    @classmethod
    def none(cls, in_chans: int) -> Normalisation:
        return cls((0.0,) * in_chans, (1.0,) * in_chans)

    def normaliser(self, size: int, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from (B, C, size, size) uint8 windows in channels_last to normalised float32 ones."""
        # Written out for every pixel: a channel's value broadcast over channels_last pixels is several times slower.
        scale, shift = (
            each[None].expand(1, -1, size, size).contiguous(memory_format=torch.channels_last).to(device)
            for each in scale_and_shift(self.mean, self.std)
        )
        return lambda windows: windows.float().mul_(scale).add_(shift)


class HeldPixels:
    """(N, C, S, S) uint8 `pixels` in memory, shared by several image sets and copied once to each device."""

    sampled = None

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels.contiguous()
        self.in_chans, self.size = pixels.shape[1], pixels.shape[-1]
        self._copies: dict[torch.device, Tensor] = {}

    def batches(self, positions: Tensor, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Tensor]:
        # One transfer per epoch: nothing in the loop waits for the device.
        rows = positions.to(device)
        # "cuda" and "cuda:0" are one device and share one copy.
        if rows.device not in self._copies:
            self._copies[rows.device] = self.pixels.to(device)
        for start, stop in bounds:
            yield self._copies[rows.device].index_select(0, rows[start:stop])

    def __getstate__(self) -> dict[str, object]:
        # An array, unlike a tensor, can be pickled so that the processes of a machine share one copy.
        return {**vars(self), "pixels": self.pixels.numpy(), "_copies": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes
            vars(self).update(state, pixels=torch.from_numpy(state["pixels"]))


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
    """Pixels that worker processes (0 is this one) read and decode while the device trains."""

    def __init__(self, source: PixelSource, workers: int | None = None) -> None:
        self.in_chans, self.size = source.in_chans, source.size
        self.sampled = _SAMPLE
        self._source = source
        self._workers = workers if workers is not None else usual_workers() if source.decodes else 0

    def __getitem__(self, position: int) -> Tensor | _Fault:
        """One image, (C, S, S), uint8; a failure is returned, since an exception of a worker loses its hint."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module=PILLOW_MODULES)
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
            pin_memory=device.type in ("cuda", "xpu"),
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


def _batch_bounds(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and stop of each batch; a last batch of one image, which BatchNorm cannot train on, joins the previous."""
    bounds = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    if count % batch_size == 1 < batch_size and len(bounds) > 1:
        bounds[-2:] = [(bounds[-2][0], count)]
    return bounds


class ImageSet:
    """Images of one size with their labels; batches do not depend on whether the pixels are held or streamed.

    Args:
        labels: (N,), int64.
        positions: (N,), int64, places of the images in `pixels` (default: all, in order).
        image_size: height and width that a network sees, pixels: of the centre (default: the whole image).
    """

    def __init__(
        self,
        pixels: HeldPixels | StreamedPixels,
        labels: Tensor,
        normalisation: Normalisation,
        *,
        positions: Tensor | None = None,
        image_size: int | None = None,
    ) -> None:
        self.pixels, self.labels, self.normalisation = pixels, labels, normalisation
        self.image_size, self.stored_size = image_size or pixels.size, pixels.size
        self._positions = torch.arange(len(labels)) if positions is None else positions
        self._tick: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def n_batches(self, batch_size: int) -> int:
        return len(_batch_bounds(len(self), batch_size))

    def batches(
        self,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
        augment: Recipe | None = None,
        whole: bool = False,
    ) -> Iterator[Batch]:
        """One epoch: images (B, C, H, W), normalised float32 in channels_last, and labels (B,), int64, on `device`.

        Args:
            batch_size: images per batch; a last batch of one image joins the previous batch.
            generator: a CPU generator, to shuffle and augment. Without it the images come in order.
            augment: how to vary the images, by its fields of augmentation; needs a generator.
            whole: yield images of `stored_size` instead of `image_size`; not with `augment`.
        """
        if generator and len(self) < 2:
            raise DataError(f"{len(self)} images are too few to train on.", hint="At least 2 are needed.")
        size = self.stored_size if whole else self.image_size
        draws = draw(len(self), generator, augment, stored=self.stored_size, size=size)
        return self._epoch(draws, _batch_bounds(len(self), batch_size), torch.device(device))

    def _epoch(self, draws: Draws, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Batch]:
        normalise = self.normalisation.normaliser(draws.size, device)
        labels = self.labels[draws.order].to(device)
        cut = cutter(draws.to(device), self.pixels.in_chans, self.pixels.size, device)
        read = self.pixels.batches(self._positions[draws.order], bounds, device)
        for (start, stop), pixels in zip(bounds, read, strict=True):
            if self._tick:
                self._tick()
            yield normalise(cut(pixels, slice(start, stop))), labels[start:stop]

    def subset(self, positions: Tensor) -> Self:
        """The images at `positions` (K,), int64, sharing memory with this set."""
        return self._with(labels=self.labels[positions], _positions=self._positions[positions])

    def normalised(self, normalisation: Normalisation) -> Self:
        return self._with(normalisation=normalisation)

    def watched(self, tick: Callable[[], None]) -> Self:
        """The same images; `tick` is called for every batch that is taken."""
        return self._with(_tick=tick)

    def _with(self, **changes: object) -> Self:
        same = copy(self)
        vars(same).update(changes)
        return same

    def histogram(self, seed: int) -> Tensor:
        """Counts of pixel values per channel, (C, 256), int64; where images are streamed, of a sample by `seed`."""
        chosen = self._positions
        if self.pixels.sampled:
            chosen = chosen[torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))]
        chosen = chosen[: self.pixels.sampled]
        # A piece is copied before it is counted, so it has few images where they are large.
        piece = max(1, _PIECE_BYTES // max(1, self.pixels.in_chans * self.pixels.size**2))
        pieces = self.pixels.batches(chosen, _batch_bounds(len(chosen), piece), torch.device("cpu"))
        # Added up at once: results that are kept between large pieces fragment the heap.
        total = torch.zeros(self.pixels.in_chans, 256, dtype=torch.int64)
        for pixels in pieces:
            total += torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(1)])
        return total
