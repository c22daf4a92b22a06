"""Random crops and flips, drawn for each image on its own and applied to a batch in one gather.

Everything is drawn on the CPU at the start of an epoch, so an epoch is the same on every device, for images
held in memory and images streamed from disk. Applying a draw is one flat gather on uint8: well over
100,000 colour images of 32 pixels a second on one CPU thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pure_nas.errors import UsageError


@dataclass(frozen=True)
class Augment:
    """How training images are varied.

    Attributes:
        crop_padding: each image gets a black border this wide (zeros before normalisation, as torchvision's
            `RandomCrop`), pixels; a random window of the original size is then cut from it. 0 crops nothing.
        flip: mirror every other image, at random.
    """

    crop_padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.crop_padding < 0:
            raise UsageError(f"crop_padding must be 0 or more, but is {self.crop_padding}.")


@dataclass(frozen=True, eq=False)
class Draws:
    """What happens to the images of an epoch, in the order in which they are shown.

    Attributes:
        order: (N,), int64, the position of each image in its set.
        top: (N,), int64, where its window starts, pixels from the padded image's top.
        left: likewise from its left.
        flip: (N,), int64, 1 where it is mirrored.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    flip: Tensor

    def to(self, device: torch.device) -> Draws:
        """The same draws on `device`."""
        return Draws(*(each.to(device) for each in (self.order, self.top, self.left, self.flip)))


def draw(count: int, generator: torch.Generator | None, augment: Augment | None) -> Draws:
    """Draw one epoch of `count` images; without a generator they come in order, as they are.

    Raises:
        UsageError: `augment` is given without a generator, or the generator is not on the CPU.
    """
    still = torch.zeros(count, dtype=torch.int64)
    if generator is None:
        if augment is not None:
            raise UsageError("Augmentation is random: it needs a generator.")
        return Draws(torch.arange(count), still, still, still)
    if generator.device.type != "cpu":
        raise UsageError(
            f"The generator of an epoch must be on the CPU, but is on {generator.device}.",
            hint="Use torch.Generator(); its draws are the same for every device.",
        )
    order = torch.randperm(count, generator=generator)
    if augment is None:
        return Draws(order, still, still, still)
    shifts = torch.randint(0, 2 * augment.crop_padding + 1, (2, count), generator=generator)
    mirrored = torch.randint(0, 2, (count,), generator=generator)
    return Draws(order, shifts[0], shifts[1], mirrored if augment.flip else still)


class Cropper:
    """Cuts one window from each image of a padded batch, mirrored where asked.

    Args:
        channels: C.
        padded_size: height and width of the padded images, pixels.
        size: height and width of a window, pixels.
        device: where the batches are.
    """

    def __init__(self, channels: int, padded_size: int, size: int, device: torch.device) -> None:
        self.shape = (size, size, channels)
        self.padded_size = padded_size
        row = torch.arange(size, device=device).view(-1, 1, 1) * padded_size
        column = torch.arange(size, device=device).view(1, -1, 1)
        channel = torch.arange(channels, device=device) * padded_size**2
        # (2, size * size * C): flat offsets of a window's pixels, as it is and mirrored, in the order of channels_last.
        self.offsets = torch.stack([(row + each + channel).flatten() for each in (column, column.flip(1))])

    def __call__(self, padded: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
        """Windows of a batch.

        Args:
            padded: (B, C, P, P) with P the padded size, any type.
            top: (B,), int64, first row of each window.
            left: (B,), int64, first column of each window.
            flip: (B,), int64, 1 where the window is mirrored.

        Returns:
            (B, C, size, size), of the type of `padded`, channels_last.
        """
        start = (top * self.padded_size + left).unsqueeze(1)
        index = self.offsets.index_select(0, flip).add_(start)
        return padded.flatten(1).gather(1, index).view(-1, *self.shape).permute(0, 3, 1, 2)
