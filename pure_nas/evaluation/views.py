"""Test-time views: crops, mirror images and scales of a whole stored image, over which probabilities are averaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from pure_nas.errors import UsageError
from pure_nas.validation import checked_fields

Crops = Literal["whole", "flip", "five-crop", "ten-crop"]
"""whole: the image; flip: and its mirror image; five-crop: the corners and the centre; ten-crop: those and their mirror
images (Krizhevsky et al. 2012). A crop has the size that the network usually sees. If that is the whole image and no
scale is given, a crop is 7/8 as high and wide, as 224 of 256 pixels."""
Size = Annotated[int, Field(ge=8, le=2048)]  # pixels
_USUAL_SHARE = 7 / 8


@checked_fields
@dataclass(frozen=True)
class Views:
    """Which views of an image a network sees.

    Attributes:
        crops: "whole", "flip", "five-crop" or "ten-crop".
        scales: heights and widths to scale the image to first, pixels; empty: its own size. Crops are cut from each
            (224 pixels out of 256, 288 and 320); without crops the network sees the whole of each (Simonyan and
            Zisserman 2015; He et al. 2016). Sizes above the stored one add no detail.

    Raises:
        UsageError: there are no such crops, or a scale cannot be used.

    Example:
        >>> pure_nas.Views("ten-crop").count
        10
    """

    crops: Crops = "whole"
    scales: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.scales)) != len(self.scales):
            raise UsageError(f"The scales {', '.join(map(str, self.scales))} list a size twice.")

    @property
    def single(self) -> bool:
        """Whether the only view is the image as it is."""
        return self.crops == "whole" and not self.scales

    @property
    def mirrored(self) -> bool:
        """Whether mirror images are among the views."""
        return self.crops in ("flip", "ten-crop")

    @property
    def count(self) -> int:
        """Number of views of an image."""
        return {"whole": 1, "flip": 2, "five-crop": 5, "ten-crop": 10}[self.crops] * max(1, len(self.scales))

    @property
    def name(self) -> str:
        """In words, such as "ten-crop at 224, 256"."""
        return f"{self.crops} at {', '.join(map(str, self.scales))}" if self.scales else self.crops

    def unmirrored(self) -> Views:
        """The views for images that must not be mirrored, such as digits."""
        return Views("five-crop", self.scales) if self.mirrored else self

    def largest(self, shown: int) -> int:
        """Height and width of the largest view of a network that usually sees `shown` pixels."""
        return shown if self._cuts else max((shown, *self.scales))

    def fitting(self, shown: int) -> Views:
        """These views, checked for a network that usually sees `shown` pixels.

        Raises:
            UsageError: a scale is smaller than the crops that are cut from it.
        """
        small = [scale for scale in self.scales if scale < shown]
        if self._cuts and small:
            raise UsageError(
                f"{self.crops} cuts {shown} x {shown} pixels, what the network is shown usually, out of images of each "
                f"scale, but a scale is {small[0]}.",
                hint=f"Take scales of {shown} pixels or more, or the whole image at each scale: views whole or flip.",
            )
        return self

    def of(self, held: Tensor, shown: int) -> Iterator[Tensor]:
        """The views (B, C, S', S') of normalised images, one after the other.

        Args:
            held: (B, C, S, S), the stored images.
            shown: height and width of the centre that the network usually sees, pixels.

        Raises:
            UsageError: a scale is smaller than the crops that are cut from it.
        """
        self.fitting(shown)
        crop = shown if self.scales or shown < held.shape[-1] else max(1, round(shown * _USUAL_SHARE))
        images: Iterable[Tensor] = [held if self._cuts else middle(held, shown)]
        if self.scales:
            images = (
                held if size == held.shape[-1] else F.interpolate(held, (size, size), mode="bilinear", antialias=True)
                for size in self.scales
            )
        for image in images:
            for view in _cropped(image, crop) if self._cuts else [image]:
                yield view
                if self.mirrored:
                    yield view.flip(3)

    @property
    def _cuts(self) -> bool:
        return self.crops in ("five-crop", "ten-crop")


def _cropped(image: Tensor, crop: int) -> Iterator[Tensor]:
    """The corners and the centre, (B, C, crop, crop)."""
    end, centre = image.shape[-1] - crop, (image.shape[-1] - crop) // 2
    for top, left in ((0, 0), (0, end), (end, 0), (end, end), (centre, centre)):
        yield image[:, :, top : top + crop, left : left + crop]


def middle(images: Tensor, size: int) -> Tensor:
    """The centre (B, C, size, size) of `images` (B, C, S, S), channels_last."""
    start = (images.shape[-1] - size) // 2
    cut = images[:, :, start : start + size, start : start + size]
    return cut.contiguous(memory_format=torch.channels_last)
