"""Test-time views: which pixels they show, and that every network takes their sizes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from held_images import resident
from torch import Tensor

from pure_nas.data.image_set import Normalisation
from pure_nas.errors import UsageError
from pure_nas.evaluation.views import Crops, Views, middle
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture


def numbered(size: int) -> Tensor:
    """An image of which every pixel has another value."""
    return torch.arange(float(size**2)).view(1, 1, size, size)


def views(wanted: Views, held: Tensor, shown: int) -> list[Tensor]:
    return list(wanted.of(held, shown))


def test_crops_are_the_corners_and_the_centre_then_mirrored() -> None:
    image = numbered(16)
    found = views(Views("ten-crop"), image, 16)
    assert [each.shape[-1] for each in found] == [14] * 10
    starts = [(int(each[0, 0, 0, 0]) // 16, int(each[0, 0, 0, 0]) % 16) for each in found[::2]]
    assert starts == [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]
    for plain, mirrored in zip(found[::2], found[1::2], strict=True):
        assert torch.equal(mirrored.flip(3), plain)
    five = views(Views("five-crop"), image, 16)
    assert all(torch.equal(one, other) for one, other in zip(five, found[::2], strict=True))


def test_crops_of_larger_images_are_as_large_as_what_is_shown_of_them() -> None:
    found = views(Views("ten-crop"), numbered(16), 12)
    assert {each.shape[-1] for each in found} == {12}
    assert torch.equal(found[8], middle(numbered(16), 12))


def test_whole_and_flip_show_what_is_shown_usually() -> None:
    (whole,) = views(Views(), numbered(10), 8)
    assert torch.equal(whole, middle(numbered(10), 8))
    plain, mirrored = views(Views("flip"), numbered(10), 8)
    assert torch.equal(plain, whole)
    assert torch.equal(mirrored, whole.flip(3))


def test_scales_bring_the_whole_image_to_their_size() -> None:
    found = views(Views("whole", (10, 16, 24)), numbered(16), 12)
    assert [each.shape[-1] for each in found] == [10, 16, 24]
    assert torch.equal(found[1], numbered(16))
    assert [each.shape[-1] for each in views(Views("flip", (10, 24)), numbered(16), 12)] == [10, 10, 24, 24]


def test_crops_of_every_scale_are_as_large_as_what_is_shown_usually() -> None:
    found = views(Views("five-crop", (12, 16, 32)), numbered(16), 12)
    assert [each.shape[-1] for each in found] == [12] * 15
    plain = views(Views("five-crop"), numbered(16), 12)
    assert all(torch.equal(one, other) for one, other in zip(found[5:10], plain, strict=True))
    # Twice as large, a corner shows the middle of the pixels there, half as far apart.
    torch.testing.assert_close(found[10][0, 0, 2:-2:2, 2:-2:2], numbered(16)[0, 0, 1:5, 1:5] - 0.25 * 17)


@pytest.mark.parametrize("crops", ["five-crop", "ten-crop"])
def test_a_scale_below_what_is_shown_is_refused_where_crops_are_cut(crops: str) -> None:
    wanted = Views(crops, (256, 200))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=rf"{crops} cuts 224 x 224 pixels, .* but a scale is 200\."):
        wanted.fitting(224)
    with pytest.raises(UsageError, match="but a scale is 200"):
        views(wanted, torch.zeros(1, 1, 256, 256), 224)
    assert wanted.fitting(200) is wanted
    assert Views("flip", (200,)).fitting(224).count == 2


def test_a_uniform_image_looks_the_same_at_every_scale() -> None:
    for each in views(Views("ten-crop", (16, 19, 31)), torch.full((2, 3, 16, 16), 0.25), 16):
        torch.testing.assert_close(each, torch.full_like(each, 0.25))


@pytest.mark.parametrize("crops", get_args(Crops))
@pytest.mark.parametrize("scales", [(), (16,), (18, 20, 24)])
def test_what_is_said_of_views_is_true_of_them(crops: str, scales: tuple[int, ...]) -> None:
    wanted = Views(crops, scales)  # type: ignore[arg-type]
    found = views(wanted, numbered(16), 16)
    usual = wanted.crops in ("five-crop", "ten-crop") and not scales
    assert wanted.largest(16) == max(16 if usual else each.shape[-1] for each in found)
    assert wanted.count == len(found)
    assert wanted.single is (crops == "whole" and not scales)
    assert wanted.mirrored is (crops in ("flip", "ten-crop"))


def test_unmirrored_views_have_no_mirror_images() -> None:
    assert [Views(crops).unmirrored().crops for crops in get_args(Crops)] == [
        "whole",
        "five-crop",
        "five-crop",
        "five-crop",
    ]
    assert Views("ten-crop", (16,)).unmirrored().scales == (16,)


@pytest.mark.parametrize(
    ("crops", "scales", "words"),
    [
        ("ten-crops", (), 'crops: .ten-crops. is not valid; did you mean "ten-crop"'),
        ("whole", (4,), "scales.0: input should be greater than or equal to 8, got 4"),
        ("whole", (16, 16), "The scales 16, 16 list a size twice"),
    ],
)
def test_views_that_cannot_be_had_are_refused(crops: str, scales: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Views(crops, scales)  # type: ignore[arg-type]


def test_middle_is_what_a_set_shows_of_the_images_that_it_holds() -> None:
    pixels = torch.randint(0, 256, (3, 2, 11, 11), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = resident(pixels, torch.zeros(3, dtype=torch.int64), Normalisation((0.3, 0.5), (0.2, 0.1)), image_size=8)
    ((shown, _),) = images.batches(3)
    ((held, _),) = images.batches(3, whole=True)
    assert torch.equal(middle(held, 8), shown)


@pytest.mark.parametrize(
    "fields", [{}, {"shortcut": "padding"}, {"family": "imagenet", "image_size": 64}, {"bottleneck": True}], ids=str
)
def test_networks_take_images_of_every_size(fields: dict[str, Any]) -> None:
    units = (("product",), ("conv",), ("product",))
    network = build(Architecture(**{"units": units, "base_width": 4, "image_size": 32, **fields})).eval()
    for size in (8, 27, 32, 45):
        with torch.no_grad():
            logits = network(torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size)))
        assert logits.shape == (2, 10)
        assert logits.isfinite().all()
