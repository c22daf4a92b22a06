"""From an image to what a network is shown of it: for training, and, as source, in every exported file.

Each function stands alone: it imports Pillow by itself, so that an exported file needs Pillow only where it decodes.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from PIL import Image


def open_image(file: str | IO[bytes]) -> Image.Image:
    """Open an image file of up to 2**30 pixels; Pillow's own limit is meant for uploads of strangers."""
    from PIL import Image

    try:
        return Image.open(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 2**29  # Pillow refuses twice as many
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def white_of(values: Tensor) -> int:
    """The largest number of 8, 10, 12, ... 30, 31 or 32 bits: the fewest that hold the largest of `values`.

    Values that are all multiples of 256, or of 257, are 8-bit values that were widened to 16.
    """
    bits = int(values.max()).bit_length()
    widened = bits <= 16 and any(not (values % step).any() for step in (256, 257))
    depth = 16 if widened else max(8, bits + bits % 2) if bits < 31 else bits
    return int(2**depth - 1)


def in_eight_bits(values: Tensor) -> Tensor:
    """Values of 16 bits, scaled by the bits that they use; where they use all, their upper 8, as Pillow gives them."""
    white = white_of(values)
    return values // 256 if white == 2**16 - 1 else (values * 255 + white // 2) // white


def shallow_colours(image: Image.Image) -> Image.Image:
    """Bring a PNG or TIFF of 16 bits a colour to 8, scaled by the bits that it uses.

    Pillow gives the upper 8 of 16 bits. The lower ones are what it gives where it is told that bytes are swapped or, of
    gray with alpha, that there are twice as many channels. That takes an image that was opened and not yet loaded, and
    leaves it so; others stay as they are.

    Raises:
        ValueError: each colour has a plane of its own, which Pillow misreads.
    """
    import io
    import sys

    from PIL import Image

    def first(arguments: str | tuple[object, ...]) -> str:
        return str(arguments[0] if isinstance(arguments, tuple) else arguments)

    def opened(mode: str, rawmode: str) -> Tensor:
        again = open_image(io.BytesIO(data))
        tiles = [
            tuple.__new__(type(tile), (*tile[:3], (rawmode, *tile[3][1:]) if isinstance(tile[3], tuple) else rawmode))
            for tile in vars(again)["tile"]
        ]
        vars(again).update(tile=tiles, _mode=mode)
        again.load()
        size.append(again.size)  # a TIFF is turned when it is loaded
        return torch.frombuffer(bytearray(again.tobytes()), dtype=torch.uint8).view(-1, len(mode)).long()

    tiles, file = getattr(image, "tile", None), getattr(image, "fp", None)
    if not tiles or file is None:
        return image
    kind, _, order = first(tiles[0][3]).partition(";16")
    bits = getattr(image, "tag_v2", {}).get(258, (8,))
    if getattr(image, "_planar_configuration", 1) == 2 and max(bits) > 8:
        raise ValueError("each colour of 16 bits has a plane of its own")
    stored = {"RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "RGBX": "RGBA", "CMYK": "CMYK", "LA": "RGBA"}.get(kind)
    if stored is None or order not in {"L", "B", "N"}:
        return image
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    size: list[tuple[int, int]] = []
    if kind == "LA":
        both = opened("RGBA", "RGBA")
        values = both[:, 0::2] * 256 + both[:, 1::2]
    else:
        little = order == "L" or (order == "N" and sys.byteorder == "little")
        upper, lower = (opened(stored, f"{stored};16{byte}") for byte in ("LB" if little else "BL"))
        values = upper * 256 + lower
    colours, alpha = (values, None) if kind in {"RGB", "CMYK"} else (values[:, :-1], values[:, -1:])
    if kind == "RGBa" and alpha is not None:
        colours = (colours * white_of(alpha) // alpha.clamp(min=1)).clamp(max=2**16 - 1)
    channels = [colours, *([] if alpha is None or kind == "RGBX" else [alpha])]
    eight = torch.cat([in_eight_bits(each) for each in channels], 1).flatten()
    raw = bytearray(len(eight))
    torch.frombuffer(raw, dtype=torch.uint8).copy_(eight)
    mode = {"RGBX": "RGB", "RGBa": "RGBA"}.get(kind, kind)
    pixels = Image.frombytes(mode, size[0], bytes(raw))
    pixels.info.update(image.info)
    return pixels


def upright(image: Image.Image) -> Image.Image:
    """Turn a photograph as its EXIF orientation says; damaged EXIF says nothing."""
    import struct

    from PIL import Image

    image = shallow_colours(image)
    image.load()
    try:
        orientation = image.getexif().get(0x0112)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error):
        return image
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def whole_numbers_to_gray(image: Image.Image) -> Image.Image:
    """Bring pixels of 16 or 32 bits to 8, scaled by the bits that the image uses.

    Where values are negative, the smallest power of two that makes none of them negative is added first.
    """
    from PIL import Image

    values = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32).long()
    background = image.info.get("transparency")
    transparent = values == background if isinstance(background, int) else torch.zeros_like(values, dtype=torch.bool)
    if values.min() < 0:
        values += 1 << (-int(values.min()) - 1).bit_length()
    white = white_of(values)
    gray = bytearray(len(values))
    torch.frombuffer(gray, dtype=torch.uint8).copy_((values * 255 + white // 2) // white).masked_fill_(transparent, 255)
    return Image.frombytes("L", image.size, bytes(gray))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Bring an image of any kind to `mode`, "L" or "RGB"; transparent pixels show white."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = whole_numbers_to_gray(image)
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def square(image: Image.Image, size: int) -> Image.Image:
    """Scale the largest centred square of an image to `size` x `size` pixels (bilinear, antialiased)."""
    from PIL import Image

    width, height = image.size
    if width == height == size:
        return image
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """What pixels of 0 to 255 are multiplied with, and what is then added, to be normalised: (C, 1, 1), float32."""
    means, stds = (torch.tensor(each, dtype=torch.float64).view(-1, 1, 1) for each in (mean, std))
    return (1 / (255 * stds)).float(), (-means / stds).float()


def scaled(pixels: Tensor, size: int) -> Tensor:
    """Scale (N, C, H, W) uint8 images to `size` x `size` pixels (bilinear, antialiased)."""
    return F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
