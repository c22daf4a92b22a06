"""Images held in memory, on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pure_nas.data.augment import Draws, cutter
from pure_nas.data.image_set import Batch, ImageSet, Normalisation, count_histogram

_PIECE_BYTES = 2**23


class PixelStore:
    """Pixels and labels shared by several image sets, copied once to each device.

    Args:
        pixels: (N, C, S, S), uint8.
        labels: (N,), int64.
    """

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        self.pixels = pixels.contiguous()
        self.labels = labels
        self._copies: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The images and the labels, on `device`."""
        # "cuda" and "cuda:0" are one device and share one copy.
        device = torch.empty(0, device=device).device
        if device not in self._copies:
            self._copies[device] = self.pixels.to(device), self.labels.to(device)
        return self._copies[device]

    def __getstate__(self) -> dict[str, object]:
        return {"pixels": self.pixels, "labels": self.labels, "_copies": {}}


class ResidentImages(ImageSet):
    """Images that are moved to the device once, as uint8, and cropped, flipped and normalised there.

    Args:
        store: the pixels, shared by several sets.
        positions: (K,), int64, the images of the store in this set.
        normalisation: of the batches.
        image_size: height and width that a network sees, pixels (default: the whole image).
    """

    def __init__(
        self, store: PixelStore, positions: Tensor, normalisation: Normalisation, *, image_size: int | None = None
    ) -> None:
        super().__init__(store.labels[positions], normalisation)
        self._store = store
        self._positions = positions
        self._image_size = image_size

    @property
    def image_size(self) -> int:
        return self._image_size or self.stored_size

    @property
    def stored_size(self) -> int:
        return int(self._store.pixels.shape[-1])

    def subset(self, positions: Tensor) -> ResidentImages:
        chosen = self._positions[positions]
        return ResidentImages(self._store, chosen, self.normalisation, image_size=self._image_size)

    def histogram(self, seed: int) -> Tensor:
        del seed  # every image is counted
        pixels = self._store.pixels
        # A piece is copied before it is counted, so it has few images where they are large.
        pieces = torch.split(self._positions, max(1, _PIECE_BYTES // max(1, pixels[0].numel())))
        total = torch.zeros(pixels.shape[1], 256, dtype=torch.int64)
        for piece in pieces:
            total += count_histogram(pixels[piece])
        return total

    def _epoch(self, draws: Draws, bounds: Sequence[tuple[int, int]], device: torch.device) -> Iterator[Batch]:
        images, labels = self._store.on(device)
        normalise = self.normalisation.normaliser(draws.size, device)
        # One transfer per epoch: nothing in the loop waits for the device.
        drawn = draws.to(device)
        rows = self._positions.to(device)[drawn.order]
        cut = cutter(drawn, images.shape[1], images.shape[-1], device)
        for start, stop in bounds:
            part = slice(start, stop)
            windows = cut(images.index_select(0, rows[part]), part)
            yield normalise(windows), labels.index_select(0, rows[part])


def resident(
    pixels: Tensor, labels: Tensor, normalisation: Normalisation, *, image_size: int | None = None
) -> ResidentImages:
    """All of (N, C, S, S) uint8 `pixels` with (N,) int64 `labels`, as one set; see `ResidentImages`."""
    store = PixelStore(pixels, labels)
    return ResidentImages(store, torch.arange(len(labels)), normalisation, image_size=image_size)
