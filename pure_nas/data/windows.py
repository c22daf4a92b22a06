"""Cuts what was drawn for each image from a padded batch, on the device that trains.

A window of the network's own size is one flat gather on uint8: well over 100,000 colour images of 32 pixels a
second on one CPU thread. A window of another size is scaled by two small matrix products an image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from pure_nas.data.augment import Draws

Cut = Callable[[Tensor, slice], Tensor]
"""From padded images (B, C, P, P), uint8, and where in the epoch they stand, to what is shown of them:
(B, C, size, size), uint8, channels_last."""


def bordered(images: Tensor, padding: int) -> Tensor:
    """(B, C, S, S) `images` with a black border `padding` pixels wide; themselves where it has no width."""
    return F.pad(images, (padding,) * 4) if padding else images


def cutter(draws: Draws, channels: int, padded_size: int, device: torch.device) -> Cut:
    """What cuts the windows of an epoch.

    Args:
        draws: of the epoch, on `device`.
        channels: C.
        padded_size: height and width of the padded images, pixels.
        device: where the batches are.
    """
    top, left, orientation = draws.top, draws.left, draws.orientation
    if draws.height is None or draws.width is None:
        crop = Cropper(channels, padded_size, draws.size, device, orientations=draws.orientations)
        return lambda padded, part: crop(padded, top[part], left[part], orientation[part])
    height, width = draws.height, draws.width
    scale = Scaler(padded_size, draws.size, device)
    return lambda padded, part: scale(padded, top[part], left[part], height[part], width[part], orientation[part])


class Cropper:
    """Cuts one window of a fixed size from each image of a padded batch, laid as asked.

    Args:
        channels: C.
        padded_size: height and width of the padded images, pixels.
        size: height and width of a window, pixels.
        device: where the batches are.
        orientations: 2 where windows are mirrored at most, else 8; see `Draws`.
    """

    def __init__(
        self, channels: int, padded_size: int, size: int, device: torch.device, *, orientations: int = 2
    ) -> None:
        self.shape = (size, size, channels)
        self.padded_size = padded_size
        row = torch.arange(size, device=device).view(-1, 1, 1) * padded_size
        column = torch.arange(size, device=device).view(1, -1, 1)
        channel = torch.arange(channels, device=device) * padded_size**2
        upright = row + column + channel
        ways = [_laid(upright, code) for code in range(orientations)]
        # (2 or 8, size * size * C): flat offsets of a window's pixels in each orientation, in the order of
        # channels_last.
        self.offsets = torch.stack([way.flatten() for way in ways])

    def __call__(self, padded: Tensor, top: Tensor, left: Tensor, orientation: Tensor) -> Tensor:
        """Windows of a batch.

        Args:
            padded: (B, C, P, P) with P the padded size, any type.
            top: (B,), int64, first row of each window.
            left: (B,), int64, first column of each window.
            orientation: (B,), int64, how each window is laid.

        Returns:
            (B, C, size, size), of the type of `padded`, channels_last.
        """
        start = (top * self.padded_size + left).unsqueeze(1)
        index = self.offsets.index_select(0, orientation).add_(start)
        return padded.flatten(1).gather(1, index).view(-1, *self.shape).permute(0, 3, 1, 2)


def _laid(pixels: Tensor, orientation: int) -> Tensor:
    """(size, size, C) `pixels` in one of the eight orientations of `Draws`."""
    if orientation & 4:
        pixels = pixels.transpose(0, 1)
    return pixels.flip([axis for axis, bit in ((0, 2), (1, 1)) if orientation & bit])


class Scaler:
    """Cuts one window of any size from each image of a batch, scales it to one size, and lays it as asked.

    Antialiased and bilinear, as `torch.nn.functional.interpolate(antialias=True)` on each window alone.

    Args:
        stored: height and width of the images, pixels.
        size: height and width of what comes out, pixels.
        device: where the batches are.
    """

    def __init__(self, stored: int, size: int, device: torch.device) -> None:
        self.size = size
        self._inputs = torch.arange(stored, device=device) + 0.5
        self._outputs = torch.arange(size, device=device) + 0.5

    def __call__(
        self, images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, orientation: Tensor
    ) -> Tensor:
        """Scaled windows of a batch; see `Cropper`.

        Args:
            height: (B,), int64, rows of each window.
            width: (B,), int64, columns of each window.
        """
        exchanged, down, across = orientation >= 4, (orientation & 2) > 0, (orientation & 1) > 0
        # What is upside down after rows and columns are exchanged was mirrored before.
        rows = self._weights(top, height, torch.where(exchanged, across, down))
        columns = self._weights(left, width, torch.where(exchanged, down, across))
        with torch.autocast(images.device.type, enabled=False):
            scaled = rows.unsqueeze(1) @ images.float() @ columns.transpose(1, 2).unsqueeze(1)
        scaled = torch.where(exchanged.view(-1, 1, 1, 1), scaled.transpose(2, 3), scaled)
        return scaled.round_().clamp_(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)

    def _weights(self, start: Tensor, length: Tensor, reverse: Tensor) -> Tensor:
        """(B, size, S): how much each row, or column, of an image counts for each one of the result."""
        scale = (length / self.size).unsqueeze(1)
        middle = start.unsqueeze(1) + self._outputs * scale
        middle = torch.where(reverse.unsqueeze(1), middle.flip(1), middle)
        # Where an image is enlarged, the two nearest pixels count; where it is reduced, all that fall into one.
        reach = scale.clamp(min=1.0).unsqueeze(2)
        near = (1 - (self._inputs - middle.unsqueeze(2)).abs() / reach).clamp_(min=0)
        first, last = (each.view(-1, 1, 1) for each in (start, start + length))
        weights = near * ((self._inputs > first) & (self._inputs < last))
        return weights / weights.sum(2, keepdim=True)
