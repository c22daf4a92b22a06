"""Image files of many kinds, as cameras, scanners and programs write them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

READS_YCBCR_TIFF = int(version("pillow").partition(".")[0]) >= 13  # earlier ones take the file for cut short

WIDTH, HEIGHT = 40, 30


def ramps(channels: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A picture in which every quarter turn and every channel looks different: (height, width, channels)."""
    rows, columns = np.indices((height, width))
    values = [
        rows * 255 // max(1, height - 1),
        columns * 255 // max(1, width - 1),
        (rows * columns * 7) % 256,
        rows % 256,
    ]
    return np.stack(values[:channels], axis=2).astype(np.uint8)


def photograph(mode: str = "RGB", **shape: int) -> Image.Image:
    """`ramps` as a Pillow image of a mode."""
    if mode in {"L", "1"}:
        return Image.fromarray(ramps(1, **shape)[:, :, 0]).convert(mode)
    return Image.fromarray(ramps(3, **shape)).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gray16(values: NDArray[np.int64]) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint16)))


def whole_numbers(values: NDArray[np.int64]) -> bytes:
    return encoded(Image.fromarray(values.astype(np.int32)), "TIFF")


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """A photograph with the EXIF orientation of a camera that was held so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photograph(), kind, exif=exif.tobytes())


def translucent(mode: str) -> bytes:
    alpha = Image.fromarray(ramps(2)[:, :, 1])
    image = photograph("L" if mode == "LA" else "RGB")
    image.putalpha(alpha)
    return encoded(image)


def palette_with_transparency() -> bytes:
    image = photograph().quantize(16)
    return encoded(image, transparency=bytes(range(0, 256, 16)))


def broken_exif(blob: bytes, kind: str = "JPEG") -> bytes:
    return encoded(photograph(), kind, exif=blob)


def colours16(values: NDArray[np.int64]) -> bytes:
    """A PNG of 16 bits a channel, gray with alpha, RGB or RGBA, which Pillow cannot write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, channels = values.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def colours16_tiff(
    values: NDArray[np.int64],
    order: str = "<",
    *,
    packed: bool = False,
    orientation: int = 1,
    photometric: int = 2,
    extra: int = 2,
    planes: bool = False,
) -> bytes:
    """A TIFF of 16 bits a channel in strips of 16 lines, which Pillow cannot write: RGB, RGBA or CMYK.

    Args:
        extra: what a fourth channel of RGB is: 0 nothing, 1 alpha by which colours were multiplied, 2 alpha.
    """
    height, width, channels = values.shape
    rows = range(0, height, 16)
    strips = [values[row : row + 16].astype(f"{order}u2").tobytes() for row in rows]
    if packed:
        strips = [zlib.compress(strip) for strip in strips]
    offsets = [8 + sum(map(len, strips[:place])) for place in range(len(strips))]
    short, long = "H", "I"
    tags: list[tuple[int, str, list[int]]] = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [16] * channels),
        (259, short, [8 if packed else 1]),
        (262, short, [photometric]),
        (273, long, offsets),
        (274, short, [orientation]),
        (277, short, [channels]),
        (278, long, [16]),
        (279, long, [len(strip) for strip in strips]),
        *([(284, short, [2])] if planes else []),
        *([(338, short, [extra])] if channels == 4 and photometric == 2 else []),
    ]
    body = b"".join(strips)
    entries, overflow = b"", b""
    beyond = 8 + len(body) + 2 + 12 * len(tags) + 4
    for tag, kind, numbers in tags:
        value = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(value) > 4:
            place, overflow = beyond + len(overflow), overflow + value
            value = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, {short: 3, long: 4}[kind], len(numbers)) + value.ljust(4, b"\0")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + overflow


_RAMP = ramps(1)[:, :, 0].astype(np.int64)
_COLOURS = ramps(3).astype(np.int64)

ZOO: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(photograph(), "JPEG"),
    "gray JPEG": lambda: encoded(photograph("L"), "JPEG"),
    "CMYK JPEG": lambda: encoded(photograph("CMYK"), "JPEG"),
    **{f"orientation {number}": lambda number=number: turned(number) for number in range(10)},  # type: ignore[misc]
    "turned PNG": lambda: turned(6, "PNG"),
    "turned WebP": lambda: turned(8, "WEBP"),
    "turned TIFF": lambda: turned(3, "TIFF"),
    "EXIF cut short": lambda: broken_exif(b"Exif\0\0II*"),
    "EXIF of no TIFF": lambda: broken_exif(b"Exif\0\0" + bytes(40)),
    "EXIF with an offset beyond its end": lambda: broken_exif(b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    "EXIF with an entry cut short": lambda: broken_exif(b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x03\0"),
    "PNG with EXIF of no TIFF": lambda: broken_exif(b"Exif\0\0" + bytes(40), "PNG"),
    "WebP with EXIF of no TIFF": lambda: broken_exif(b"Exif\0\0nothing", "WEBP"),
    "orientation that is text": lambda: broken_exif(
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0six\0\0\0\0\0"
    ),
    "1 bit": lambda: encoded(photograph("1")),
    "8 bits": lambda: encoded(photograph("L")),
    "palette": lambda: encoded(photograph().quantize(16)),
    "palette with transparency": palette_with_transparency,
    "palette with one transparent colour": lambda: encoded(photograph().quantize(16), transparency=3),
    "RGB with a transparent colour": lambda: encoded(photograph(), transparency=(0, 0, 0)),
    "gray with a transparent shade": lambda: encoded(photograph("L"), transparency=0),
    "RGBA": lambda: translucent("RGBA"),
    "LA": lambda: translucent("LA"),
    "RGBA WebP": lambda: encoded(Image.open(io.BytesIO(translucent("RGBA"))), "WEBP", lossless=True),
    "RGB of 16 bits": lambda: colours16(_COLOURS * 257),
    "RGB of 12 bits in 16": lambda: colours16(_COLOURS * 16),
    "RGB of 8 bits in 16": lambda: colours16(_COLOURS),
    "RGBA of 12 bits in 16": lambda: colours16(np.insert(_COLOURS * 16, 3, 65535, axis=2)),
    "TIFF of 16 bits a colour": lambda: colours16_tiff(_COLOURS * 257),
    "TIFF of 12 bits in 16": lambda: colours16_tiff(_COLOURS * 16),
    "TIFF of 12 bits in 16, big endian": lambda: colours16_tiff(_COLOURS * 16, ">"),
    "packed TIFF of 12 bits in 16": lambda: colours16_tiff(_COLOURS * 16, packed=True),
    "packed TIFF of 12 bits in 16, big endian": lambda: colours16_tiff(_COLOURS * 16, ">", packed=True),
    "turned TIFF of 12 bits in 16": lambda: colours16_tiff(_COLOURS * 16, orientation=6),
    "TIFF of 12 bits in 16 with alpha": lambda: colours16_tiff(np.insert(_COLOURS * 16, 3, 65535, axis=2)),
    "TIFF of 12 bits in 16 with associated alpha": lambda: colours16_tiff(
        np.insert(_COLOURS * 16, 3, 65535, axis=2), extra=1
    ),
    "TIFF of 12 bits in 16 with a channel for nothing": lambda: colours16_tiff(
        np.insert(_COLOURS * 16, 3, 0, axis=2), ">", extra=0
    ),
    "CMYK TIFF of 12 bits in 16": lambda: colours16_tiff(np.insert(_COLOURS * 16, 3, 0, axis=2), photometric=5),
    "gray of 12 bits in 16 with alpha": lambda: colours16(np.stack([_RAMP * 16, 65535 - 0 * _RAMP], axis=2)),
    "gray of 16 bits": lambda: gray16(_RAMP * 257),
    "gray of 16 bits with a transparent shade": lambda: encoded(
        Image.fromarray((_RAMP * 257).astype(np.uint16)), transparency=0
    ),
    "dark gray of 16 bits": lambda: gray16(_RAMP // 20 * 257),
    "gray of 16 bits, big endian": lambda: encoded(Image.fromarray((_RAMP * 257).astype(">u2")), "TIFF"),
    "12 bits in 16": lambda: gray16(_RAMP * 16),
    "10 bits in 16": lambda: gray16(_RAMP * 4),
    "8 bits in 16": lambda: gray16(_RAMP),
    "whole numbers of 20 bits": lambda: whole_numbers(_RAMP * 4096),
    "whole numbers of 31 bits": lambda: whole_numbers(_RAMP << 23),
    "negative whole numbers": lambda: whole_numbers(_RAMP * 16 - 1024),
    **({"YCbCr TIFF": lambda: encoded(photograph("YCbCr"), "TIFF")} if READS_YCBCR_TIFF else {}),
    "CMYK TIFF": lambda: encoded(photograph("CMYK"), "TIFF"),
    "PGM of 12 bits": lambda: b"P5 40 30 4095\n" + (_RAMP * 16).astype(">u2").tobytes(),
    "BMP": lambda: encoded(photograph(), "BMP"),
    "smaller than the network's images": lambda: encoded(photograph(width=5, height=3)),
    "one pixel": lambda: encoded(photograph(width=1, height=1)),
    "of the network's size": lambda: encoded(photograph(width=16, height=16)),
    "tall": lambda: encoded(photograph(width=7, height=300)),
    "wide": lambda: encoded(photograph(width=500, height=9), "JPEG"),
    "large": lambda: encoded(photograph(width=3000, height=2000), "JPEG"),
    "animated PNG": lambda: encoded(
        photograph(), save_all=True, append_images=[photograph().transpose(Image.Transpose.ROTATE_180)]
    ),
    "animated WebP": lambda: encoded(
        photograph(), "WEBP", save_all=True, append_images=[photograph().transpose(Image.Transpose.ROTATE_180)]
    ),
    "TIFF of two pages": lambda: encoded(photograph(), "TIFF", save_all=True, append_images=[photograph("L")]),
}
"""A name for each kind of file, and what makes it."""
