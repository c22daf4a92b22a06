"""Images held in memory, on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pure_nas.data.augment import Draws
from pure_nas.data.image_set import Batch, ImageSet, Normalisation, count_histogram
from pure_nas.data.windows import cutter

_CHUNK = 4096


class PixelStore:
    """Pixels and labels that several image sets share, with one padded copy a device.

    Args:
        pixels: (N, C, S, S), uint8.
        labels: (N,), int64.
    """

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        self.pixels = pixels.contiguous()
        self.labels = labels
        self._copies: dict[torch.device, tuple[int, Tensor, Tensor]] = {}

    def on(self, device: torch.device, padding: int) -> tuple[int, Tensor, Tensor]:
        """The width of the black border, the images (N, C, S + 2 width, S + 2 width), and the labels, on `device`.

        The border is at least `padding` wide: a copy with a wide one serves every narrower one.
        """
        # "cuda" and "cuda:0" are one device and share one copy.
        device = torch.empty(0, device=device).device
        held = self._copies.get(device)
        if held is None or held[0] < padding:
            # The old copy goes first: both at once need not fit on the device.
            self._copies.pop(device, None)
            del held
            pixels = self.pixels.to(device)
            padded = F.pad(pixels, (padding,) * 4) if padding else pixels
            self._copies[device] = (padding, padded, self.labels.to(device))
        return self._copies[device]

    def __getstate__(self) -> dict[str, object]:
        return {"pixels": self.pixels, "labels": self.labels, "_copies": {}}


class ResidentImages(ImageSet):
    """Images that are moved to the device once, as uint8, and cropped, mirrored and normalised there.

    Args:
        store: the pixels; train and validation share one.
        positions: (K,), int64, which images of the store belong to this set, in order.
        normalisation: what batches are normalised with.
        image_size: height and width of what a network is shown, pixels; None: all of the image.
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

    def normalised(self, normalisation: Normalisation) -> ResidentImages:
        return ResidentImages(self._store, self._positions, normalisation, image_size=self._image_size)

    def histogram(self, seed: int) -> Tensor:
        del seed  # every image is counted
        chunks = torch.split(self._positions, _CHUNK)
        return torch.stack([count_histogram(self._store.pixels[chunk]) for chunk in chunks]).sum(0)

    def _epoch(
        self, draws: Draws, bounds: Sequence[tuple[int, int]], padding: int, device: torch.device
    ) -> Iterator[Batch]:
        border, images, labels = self._store.on(device, padding)
        normalise = self.normalisation.normaliser(draws.size, device)
        # One transfer an epoch: nothing in the loop waits for the device.
        drawn = draws.to(device)
        rows = self._positions.to(device)[drawn.order]
        cut = cutter(drawn, images.shape[1], images.shape[-1], border - padding, device)
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
