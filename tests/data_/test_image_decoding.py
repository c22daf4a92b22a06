from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from dataset_files import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from image_zoo import (
    READS_YCBCR_TIFF,
    broken_exif,
    colours16,
    colours16_tiff,
    encoded,
    gray16,
    photograph,
    whole_numbers,
)
from numpy.typing import NDArray
from PIL import Image

from pure_nas.data.decode import CorruptImageError, decode_image, probe_image


def test_an_image_of_the_right_size_is_kept_as_it_is() -> None:
    image = picture(0)
    assert (decode_image(encoded(image), 16, 3) == np.array(image).transpose(2, 0, 1)).all()


def test_the_centre_of_a_wide_image_is_used() -> None:
    values = np.zeros((20, 60, 3), dtype=np.uint8)
    values[:, 16:44] = 200  # a little more than the square: the filter looks past its edge
    assert (decode_image(encoded(Image.fromarray(values)), 10, 3) == 200).all()


def test_shrinking_averages_instead_of_picking() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    small = decode_image(encoded(Image.fromarray(checks.astype(np.uint8))), 16, 1)
    assert 100 < small.min() <= small.max() < 155


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", *["YCbCr"] * READS_YCBCR_TIFF])
@pytest.mark.parametrize("in_chans", [1, 3])
def test_a_white_image_is_white_in_every_mode(mode: str, in_chans: int) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((16, 16), 65535, dtype=np.uint16))
    else:
        image = Image.new("RGB", (16, 16), "white").convert(mode)
    kind = "TIFF" if mode in {"CMYK", "YCbCr"} else "PNG"
    pixels = decode_image(encoded(image, kind), 16, in_chans)
    assert pixels.shape == (in_chans, 16, 16)
    assert pixels.dtype == np.uint8
    assert pixels.min() >= 254


def test_a_palette_with_transparency_is_decoded() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30] * 256)
    assert (decode_image(encoded(image, transparency=b"\xff" * 4), 8, 3)[:, 0, 0] == [10, 20, 30]).all()


def test_a_camera_held_sideways_is_put_upright() -> None:
    values = np.zeros((16, 16, 3), dtype=np.uint8)
    values[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    upright = decode_image(encoded(Image.fromarray(values), exif=exif), 16, 3)
    assert (upright[:, :, 8:] == 255).all()
    assert (upright[:, :, :8] == 0).all()


@pytest.mark.parametrize(("mode", "gray"), [("L", True), ("1", True), ("LA", True), ("RGB", False), ("P", False)])
def test_a_header_tells_size_and_colour(mode: str, gray: bool) -> None:
    assert probe_image(encoded(Image.new(mode, (12, 9)))) == (12, 9, gray)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("kept", [0, 0.1, 0.6])
def test_a_file_cut_short_is_corrupt_in_every_format(kind: str, kept: float) -> None:
    data = encoded(picture(1, 64, 64), kind)
    with pytest.raises(CorruptImageError) as caught:
        decode_image(data[: int(kept * len(data))], 16, 3)
    assert str(caught.value)
    assert "0x" not in str(caught.value)


def test_pixels_without_a_range_are_refused() -> None:
    image = Image.fromarray(np.zeros((8, 8), dtype=np.float32))
    with pytest.raises(CorruptImageError, match="floating-point"):
        decode_image(encoded(image, "TIFF"), 8, 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF|Metadata Warning:UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@given(
    blob=st.binary(max_size=60)
    | st.builds(
        lambda start, number, body: start + struct.pack("<H", number) + body,
        st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff"]),
        st.integers(0, 3),
        st.binary(max_size=40),
    )
)
@settings(max_examples=30, deadline=None)
def test_a_sound_image_with_damaged_exif_is_read(kind: str, blob: bytes) -> None:
    damaged = decode_image(broken_exif(b"Exif\0\0" + blob, kind), 16, 3)
    sound = decode_image(encoded(photograph(), kind), 16, 3)
    turns = [np.rot90(sound, quarters, (1, 2)) for quarters in range(4)]
    assert any((damaged == way).all() for way in [*turns, *(each[:, :, ::-1] for each in turns)])


RAMP = np.tile(np.arange(256), (256, 1))


def gray_with_alpha(values: NDArray[np.int64]) -> bytes:
    return colours16(np.stack([values, np.full_like(values, 65535)], axis=2))


def gray_with_a_transparent_shade(values: NDArray[np.int64]) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint16)), transparency=257)


FULL = np.arange(65536).reshape(256, 256)
DARK = [RAMP.clip(0, brightest) for brightest in (1, 10, 100, 255)]


@pytest.mark.parametrize(
    ("written", "values", "expected", "error"),
    [
        *((gray16, RAMP * (2**bits - 1) // 255, RAMP, 1) for bits in (8, 10, 12, 14, 16)),
        *((gray_with_alpha, RAMP * (2**bits - 1) // 255, RAMP, 1) for bits in (8, 10, 12, 14, 16)),
        *((whole_numbers, RAMP * (2**bits - 1) // 255, RAMP, 1) for bits in (8, 12, 16, 20, 24, 30, 31)),
        (whole_numbers, RAMP * 4095 // 255 - 1024, RAMP, 1),
        *((gray16, dark * factor, dark, error) for dark in DARK for factor, error in ((256, 1), (257, 0))),
        (gray16, FULL, (FULL + 128) // 257, 0),
        (gray_with_a_transparent_shade, RAMP * 257, np.where(RAMP == 1, 255, RAMP), 0),
    ],
)
def test_values_of_more_than_8_bits_use_the_range_of_8_and_keep_their_contrast(
    written: Callable[[NDArray[np.int64]], bytes],
    values: NDArray[np.int64],
    expected: NDArray[np.int64],
    error: int,
) -> None:
    pixels = decode_image(written(values), 256, 1)[0]
    assert (np.abs(pixels.astype(int) - expected) <= error).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "written",
    [
        colours16,
        colours16_tiff,
        partial(colours16_tiff, order=">"),
        partial(colours16_tiff, packed=True),
        partial(colours16_tiff, order=">", packed=True),
    ],
    ids=["PNG", "TIFF", "TIFF big endian", "packed TIFF", "packed TIFF big endian"],
)
def test_colours_of_fewer_bits_than_their_file_keep_their_contrast(
    bits: int, channels: int, written: Callable[[NDArray[np.int64]], bytes]
) -> None:
    ramps = np.stack([RAMP, RAMP[:, ::-1], RAMP[::-1]], axis=2)
    values = ramps * (2**bits - 1) // 255
    opaque = values if channels == 3 else np.insert(values, 3, 65535, axis=2)
    pixels = decode_image(written(opaque), 256, 3).transpose(1, 2, 0)
    assert (np.abs(pixels.astype(int) - ramps) <= 1).all()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_colours_that_were_multiplied_by_alpha_keep_their_contrast(bits: int) -> None:
    """Half the image is half transparent, and shows half white."""
    white = 2**bits - 1
    alpha = np.where(np.arange(256)[:, None] < 128, 65535, 32768) + 0 * RAMP
    ramps = np.stack([RAMP, RAMP[:, ::-1], RAMP], axis=2)
    stored = ramps * white // 255 * alpha[..., None] // 65535
    pixels = decode_image(colours16_tiff(np.concatenate([stored, alpha[..., None]], 2), extra=1), 256, 3)
    expected = np.where(alpha[..., None] == 65535, ramps, (ramps + 255) / 2)
    assert (np.abs(pixels.transpose(1, 2, 0) - expected) <= 2).all()


def test_inks_of_fewer_bits_than_their_file_keep_their_contrast() -> None:
    inks = np.stack([RAMP, RAMP[:, ::-1], RAMP[::-1], 0 * RAMP], axis=2)
    expected = decode_image(encoded(Image.fromarray(inks.astype(np.uint8), "CMYK"), "TIFF"), 256, 3)
    pixels = decode_image(colours16_tiff(inks * 4095 // 255, photometric=5), 256, 3)
    assert (np.abs(pixels.astype(int) - expected.astype(int)) <= 2).all()


def test_planes_of_16_bits_are_refused() -> None:
    with pytest.raises(CorruptImageError, match="plane of its own"):
        decode_image(colours16_tiff(np.stack([RAMP] * 3, axis=2), planes=True), 16, 3)


def test_a_very_large_image_is_read_and_pillows_limit_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photograph(), "JPEG")
    expected = decode_image(data, 16, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr("pure_nas.data.decode._LARGE_PIXELS", 100)
    assert (decode_image(data, 16, 3) == expected).all()
    assert probe_image(data)[0] == 40
    assert Image.MAX_IMAGE_PIXELS == 100


def test_an_image_of_more_than_2_to_the_30_pixels_is_refused() -> None:
    data = bytearray(encoded(Image.new("1", (8, 8)), "BMP"))
    data[18:26] = struct.pack("<ii", 40_000, 40_000)
    for read in (probe_image, lambda data: decode_image(data, 16, 3)):
        with pytest.raises(CorruptImageError, match="1600000000 pixels"):
            read(bytes(data))
