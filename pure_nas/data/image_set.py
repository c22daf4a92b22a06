"""Labelled images, in normalised batches, that networks are trained and evaluated on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from pure_nas.data.augment import Augment, Draws, draw
from pure_nas.data.preprocessing import scale_and_shift
from pure_nas.errors import DataError, UsageError

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, of images scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_histogram(cls, histogram: Tensor) -> Normalisation:
        """Statistics from a (C, 256) int64 histogram of pixel values: exact, whatever the threads or the order."""
        values = torch.arange(256, dtype=torch.float64) / 255
        weights = histogram.double() / histogram.sum(1, keepdim=True)
        mean = weights @ values
        variance = (weights * (values - mean.unsqueeze(1)).square()).sum(1)
        # A channel of one value would divide by zero; one step of a pixel is the least that can vary.
        std = variance.sqrt().clamp(min=1 / 255)
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    @classmethod
    def none(cls, in_chans: int) -> Normalisation:
        """Images scaled to 0..1, otherwise unchanged."""
        return cls((0.0,) * in_chans, (1.0,) * in_chans)

    def normaliser(self, size: int, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from (B, C, size, size) uint8 windows in channels_last to normalised float32 ones."""
        # Written out for every pixel: a channel's value broadcast over channels_last pixels is several times slower.
        scale, shift = (
            each[None].expand(1, -1, size, size).contiguous(memory_format=torch.channels_last).to(device)
            for each in scale_and_shift(self.mean, self.std)
        )
        return lambda windows: windows.float().mul_(scale).add_(shift)


def count_histogram(pixels: Tensor) -> Tensor:
    """Counts of pixel values per channel of (N, C, H, W) uint8 `pixels`: (C, 256), int64."""
    channels = pixels.unbind(1)
    return torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in channels])


def batch_bounds(count: int, batch_size: int, *, drop_last: bool) -> list[tuple[int, int]]:
    """Start and stop of each batch; a last batch of one image, which BatchNorm cannot train on, joins the previous."""
    bounds = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    last = bounds[-1][1] - bounds[-1][0] if bounds else batch_size
    if drop_last and last < batch_size:
        return bounds[:-1]
    if last == 1 < batch_size and len(bounds) > 1:
        bounds[-2:] = [(bounds[-2][0], count)]
    return bounds


class ImageSet(ABC):
    """Images of one size with their labels.

    Args:
        labels: (N,), int64.
        normalisation: what batches are normalised with.
    """

    on_batch: ClassVar[Callable[[], None] | None] = None
    """Is called for every batch that is taken in this process: worker processes show so that they go on."""

    def __init__(self, labels: Tensor, normalisation: Normalisation) -> None:
        self.labels = labels
        self.normalisation = normalisation

    def __len__(self) -> int:
        return len(self.labels)

    def n_batches(self, batch_size: int, drop_last: bool = False) -> int:
        """Number of batches per epoch."""
        return len(batch_bounds(len(self), batch_size, drop_last=drop_last))

    def batches(
        self,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
        augment: Augment | None = None,
        drop_last: bool = False,
        whole: bool = False,
    ) -> Iterator[Batch]:
        """One epoch.

        Args:
            batch_size: images per batch. A last batch of one image joins the previous batch; other incomplete last
                batches are kept.
            device: device of the batches.
            generator: a CPU generator, to shuffle and augment. Without it the images come in order.
            augment: how to vary the images; needs a generator.
            drop_last: drop an incomplete last batch.
            whole: yield images of `stored_size` instead of `image_size`; not with `augment`.

        Yields:
            Images (B, C, H, W), normalised float32 in channels_last, and their labels (B,), int64, both on `device`.

        Raises:
            UsageError: the batch size cannot be used, `augment` comes without a generator, or `whole` with it.
            DataError: an image can no longer be read.
        """
        bounds = self._checked_bounds(batch_size, shuffled=generator is not None, drop_last=drop_last)
        if whole and augment is not None:
            raise UsageError("Whole images are not augmented: ask for one of the two.")
        size = self.stored_size if whole else self.image_size
        draws = draw(len(self), generator, augment, stored=self.stored_size, size=size)
        epoch = self._epoch(draws, bounds, torch.device(device))
        return epoch if ImageSet.on_batch is None else _telling(epoch, ImageSet.on_batch)

    def _checked_bounds(self, batch_size: int, *, shuffled: bool, drop_last: bool) -> list[tuple[int, int]]:
        smallest = 2 if shuffled else 1
        if batch_size < smallest:
            raise UsageError(
                f"batch_size must be {smallest} or more, but is {batch_size}.",
                hint="Batch normalisation cannot train on a single image." if shuffled else "",
            )
        if shuffled and len(self) < smallest:
            raise DataError(f"{len(self)} images are too few to train on.", hint="At least 2 are needed.")
        bounds = batch_bounds(len(self), batch_size, drop_last=drop_last)
        if not bounds and len(self):
            raise UsageError(
                f"batch_size = {batch_size} with drop_last leaves nothing of {len(self)} images.",
                hint="Use a smaller batch size, or keep the last batch.",
            )
        return bounds

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Height and width that a network sees, pixels."""

    @property
    def stored_size(self) -> int:
        """Height and width of the stored images, pixels; a network sees their centre if they are larger."""
        return self.image_size

    @abstractmethod
    def _epoch(self, draws: Draws, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Batch]:
        """The batches of one epoch, as drawn."""

    @abstractmethod
    def subset(self, positions: Tensor) -> Self:
        """The images at `positions` (K,), int64, sharing memory with this set."""

    def normalised(self, normalisation: Normalisation) -> Self:
        """The same images, normalised otherwise."""
        same = copy(self)
        same.normalisation = normalisation
        return same

    @abstractmethod
    def histogram(self, seed: int) -> Tensor:
        """Counts of pixel values per channel, (C, 256), int64; if reading is slow, of a sample drawn with `seed`."""


def _telling(batches: Iterator[Batch], tell: Callable[[], None]) -> Iterator[Batch]:
    for batch in batches:
        tell()
        yield batch
