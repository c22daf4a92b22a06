"""Augmentation: drawn on the CPU for all images of an epoch, and applied to batches on the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pure_nas.space.recipe import Recipe

_LOG_RATIOS = (math.log(3 / 4), math.log(4 / 3))
_ATTEMPTS = 10


def allowed(recipe: Recipe, *, flip: bool, turns: bool) -> Recipe:
    """A recipe without the augmentation that labels do not survive; see `flip` and `turns` of `Dataset`."""
    survived = {"flip": flip, "vertical_flip": turns, "quarter_turns": turns}
    return recipe.model_copy(update={name: getattr(recipe, name) and is_so for name, is_so in survived.items()})


@dataclass(frozen=True, eq=False)
class Draws:
    """What happens to the images of an epoch, in the order in which they are shown; tensors are (N,), int64."""

    order: Tensor  # position of each image in its set
    top: Tensor  # first row of its window in the padded image
    left: Tensor  # first column of it
    orientation: Tensor  # 0 to 7. Bit 2: rows and columns are exchanged; then bit 1: upside down; bit 0: mirrored
    orientations: int  # 2 if every orientation is 0 or 1, else 8
    size: int  # height and width that a network sees, pixels
    height: Tensor | None = None  # rows of each window, which is scaled to `size`; None if all have that size
    width: Tensor | None = None  # columns of it
    border: int = 0  # width of the black border around images, pixels

    def to(self, device: torch.device) -> Draws:
        moved: dict[str, Any] = {name: each.to(device) for name, each in vars(self).items() if isinstance(each, Tensor)}
        return replace(self, **moved)


def draw(count: int, generator: torch.Generator | None, augment: Recipe | None, *, stored: int, size: int) -> Draws:
    """Draw one epoch: in order without a generator; without `augment` the centre of `size` in `stored` pixels."""
    still = torch.zeros(count, dtype=torch.int64)
    middle = still + (stored - size) // 2
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    if generator is None or augment is None:
        return Draws(order, middle, middle, still, 2, size)
    border = 0 if augment.random_resized_crop else augment.crop_padding
    room = stored - size + 2 * border
    shifts = torch.randint(0, room + 1, (2, count), generator=generator)
    # Drawn even where it is not used, so that a recipe without flips crops in the same places.
    mirrored = torch.randint(0, 2, (count,), generator=generator)
    orientation = _orientations(mirrored if augment.flip else still, generator, augment)
    ways = 8 if augment.vertical_flip or augment.quarter_turns else 2
    if augment.random_resized_crop is None:
        return Draws(order, shifts[0], shifts[1], orientation, ways, size, border=border)
    height, width = _window_sizes(count, stored, augment.random_resized_crop, generator)
    top, left = (
        (torch.rand(count, generator=generator) * (stored - extent + 1)).long().clamp_(max=stored - extent)
        for extent in (height, width)
    )
    return Draws(order, top, left, orientation, ways, size, height, width)


def _orientations(mirrored: Tensor, generator: torch.Generator, augment: Recipe) -> Tensor:
    """Flips first, then turns counter-clockwise, as one of the eight ways to lay a square."""
    upside = torch.zeros_like(mirrored)
    if augment.vertical_flip:
        upside = torch.randint(0, 2, (len(mirrored),), generator=generator)
    if not augment.quarter_turns:
        return mirrored + 2 * upside
    quarters = torch.randint(0, 4, (len(mirrored),), generator=generator)
    # Exchanging rows and columns first turns a flip of one axis into a flip of the other. A quarter turn is an
    # exchange and then a flip upside down, half a turn is both flips, three quarters an exchange and a mirroring.
    exchanged = quarters % 2
    across = torch.where(exchanged == 1, upside, mirrored) ^ (quarters >= 2).long()
    down = torch.where(exchanged == 1, mirrored, upside) ^ ((quarters == 1) | (quarters == 2)).long()
    return across + 2 * down + 4 * exchanged


def _window_sizes(count: int, side: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Heights and widths, (N,), int64: areas from `share` to all of the image, ratios even in their logarithm."""
    # What does not fit is drawn again; the whole image is taken after that.
    height = torch.full((count,), side, dtype=torch.int64)
    width = height.clone()
    missing = torch.ones(count, dtype=torch.bool)
    low, high = _LOG_RATIOS
    for _ in range(_ATTEMPTS):
        drawn = torch.rand((2, count), generator=generator, dtype=torch.float64)
        area = side**2 * (share + (1 - share) * drawn[0])
        ratio = (low + (high - low) * drawn[1]).exp()
        wide, tall = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
        fits = missing & (wide.clamp(min=1) <= side) & (tall.clamp(min=1) <= side)
        width = torch.where(fits, wide.clamp(min=1), width)
        height = torch.where(fits, tall.clamp(min=1), height)
        missing &= ~fits
        if not missing.any():
            break
    return height, width


Cut = Callable[[Tensor, slice], Tensor]
"""From images (B, C, S, S), uint8, and their slice of the epoch, to windows (B, C, size, size), channels_last."""


def cutter(draws: Draws, channels: int, stored: int, device: torch.device) -> Cut:
    """A function that cuts the windows of an epoch, drawn and moved to `device`, from batches of stored images."""
    if draws.height is None or draws.width is None:
        return _cropper(draws, channels, stored + 2 * draws.border, device)
    return _scaler(draws, draws.height, draws.width, stored, device)


def _cropper(draws: Draws, channels: int, side: int, device: torch.device) -> Cut:
    """Windows of a fixed size, of images that are `side` pixels wide with their border."""
    size = draws.size
    row, column = (torch.arange(size, device=device).view(shape) for shape in ((-1, 1, 1), (1, -1, 1)))
    upright = row * side + column + torch.arange(channels, device=device) * side**2
    # (2 or 8, size * size * C): flat offsets of a window's pixels in each orientation, in the order of channels_last.
    offsets = torch.stack([_oriented(upright, code).flatten() for code in range(draws.orientations)])

    def cut(images: Tensor, part: slice) -> Tensor:
        padded = F.pad(images, (draws.border,) * 4) if draws.border else images
        start = (draws.top[part] * side + draws.left[part]).unsqueeze(1)
        index = offsets.index_select(0, draws.orientation[part]).add_(start)
        return padded.flatten(1).gather(1, index).view(-1, size, size, channels).permute(0, 3, 1, 2)

    return cut


def _oriented(pixels: Tensor, orientation: int) -> Tensor:
    """(size, size, C) `pixels` in an orientation of `Draws`."""
    if orientation & 4:
        pixels = pixels.transpose(0, 1)
    return pixels.flip([axis for axis, bit in ((0, 2), (1, 1)) if orientation & bit])


def _scaler(draws: Draws, height: Tensor, width: Tensor, stored: int, device: torch.device) -> Cut:
    """Windows of any size, scaled to one, as `torch.nn.functional.interpolate(antialias=True)` does (bilinear)."""
    inputs, outputs = (torch.arange(size, device=device) + 0.5 for size in (stored, draws.size))

    def weights(start: Tensor, length: Tensor, reverse: Tensor) -> Tensor:
        """(B, size, S): weight of each row, or column, of an image in each one of the result."""
        scale = (length / draws.size).unsqueeze(1)
        middle = start.unsqueeze(1) + outputs * scale
        middle = torch.where(reverse.unsqueeze(1), middle.flip(1), middle)
        # Where an image is enlarged, the two nearest pixels count; where it is reduced, all that fall into one.
        reach = scale.clamp(min=1.0).unsqueeze(2)
        near = (1 - (inputs - middle.unsqueeze(2)).abs() / reach).clamp_(min=0)
        first, last = (each.view(-1, 1, 1) for each in (start, start + length))
        inside = near * ((inputs > first) & (inputs < last))
        return inside / inside.sum(2, keepdim=True)

    def cut(images: Tensor, part: slice) -> Tensor:
        orientation = draws.orientation[part]
        exchanged, down, across = orientation >= 4, (orientation & 2) > 0, (orientation & 1) > 0
        # What is upside down after rows and columns are exchanged was mirrored before.
        rows = weights(draws.top[part], height[part], torch.where(exchanged, across, down))
        columns = weights(draws.left[part], width[part], torch.where(exchanged, down, across))
        with torch.autocast(images.device.type, enabled=False):
            scaled = rows.unsqueeze(1) @ images.float() @ columns.transpose(1, 2).unsqueeze(1)
        scaled = torch.where(exchanged.view(-1, 1, 1, 1), scaled.transpose(2, 3), scaled)
        return scaled.round_().clamp_(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)

    return cut
