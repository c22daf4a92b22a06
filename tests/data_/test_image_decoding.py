from __future__ import annotations

import io

import numpy as np
import pytest
from dataset_files import picture
from PIL import Image

from pure_nas.data.decode import CorruptImageError, decode_image, probe_image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
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


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    image = Image.fromarray(np.full((8, 8), 32896, dtype=np.uint16))
    assert (decode_image(encoded(image), 8, 1) == 128).all()


def test_transparent_pixels_show_white() -> None:
    assert (decode_image(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), 8, 3) == 255).all()


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
    probe = probe_image(encoded(Image.new(mode, (12, 9))))
    assert (probe.width, probe.height, probe.gray) == (12, 9, gray)


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
