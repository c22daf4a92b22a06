from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from pure_nas.data import Augment, ResidentImages
from pure_nas.data.augment import Cropper, draw
from pure_nas.data.image_set import Normalisation
from pure_nas.data.resident import resident
from pure_nas.errors import UsageError

PLAIN = Normalisation((0.0,) * 3, (1.0,) * 3)


def images_of(count: int, size: int = 8, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)


def image_set(count: int, size: int = 8) -> ResidentImages:
    """Images whose labels are their positions."""
    return resident(images_of(count, size), torch.arange(count), PLAIN)


@given(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9), st.integers(0, 4), st.integers(0, 999))
def test_windows_equal_slicing_and_mirroring_each_image(
    count: int, channels: int, size: int, padding: int, seed: int
) -> None:
    padded = F.pad(images_of(count, size, channels), (padding,) * 4)
    draws = draw(count, torch.Generator().manual_seed(seed), Augment(padding, flip=True), stored=size, size=size)
    crop = Cropper(channels, size + 2 * padding, size, torch.device("cpu"))
    windows = crop(padded, draws.top, draws.left, draws.orientation)
    for i in range(count):
        top, left = int(draws.top[i]), int(draws.left[i])
        expected = padded[i, :, top : top + size, left : left + size]
        assert torch.equal(windows[i], expected.flip(2) if draws.orientation[i] else expected)


def test_every_shift_and_both_mirrorings_occur() -> None:
    draws = draw(2000, torch.Generator().manual_seed(0), Augment(4), stored=8, size=8)
    for shifts in (draws.top, draws.left):
        assert shifts.unique().tolist() == list(range(9))
    assert 900 < int(draws.orientation.sum()) < 1100


def test_images_of_a_batch_are_varied_independently() -> None:
    same = images_of(1).expand(64, -1, -1, -1)
    images = resident(same, torch.zeros(64, dtype=torch.int64), PLAIN)
    batch, _ = next(images.batches(64, generator=torch.Generator().manual_seed(0), augment=Augment(2)))
    assert len(batch.unique(dim=0)) > 30


def test_the_border_is_black_before_normalisation() -> None:
    white = torch.full((50, 1, 8, 8), 255, dtype=torch.uint8)
    images = resident(white, torch.zeros(50, dtype=torch.int64), Normalisation((0.5,), (0.25,)))
    batch, _ = next(images.batches(50, generator=torch.Generator().manual_seed(0), augment=Augment(4)))
    assert batch.unique().tolist() == [-2.0, 2.0]


def test_one_seed_gives_one_epoch() -> None:
    def epoch(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        batches = image_set(50).batches(16, generator=generator, augment=Augment())
        return torch.cat([batch for batch, _ in batches])

    assert torch.equal(epoch(3), epoch(3))
    assert not torch.equal(epoch(3), epoch(4))


def test_the_second_epoch_of_a_generator_differs() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (next(image_set(50).batches(50, generator=generator))[1] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_without_a_flip_images_are_cropped_in_the_same_places() -> None:
    draws = [
        draw(40, torch.Generator().manual_seed(0), Augment(4, flip=flip), stored=8, size=8) for flip in (True, False)
    ]
    assert torch.equal(draws[0].top, draws[1].top)
    assert int(draws[1].orientation.sum()) == 0


def test_augmentation_without_a_generator_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a generator"):
        image_set(4).batches(2, augment=Augment())


def test_a_negative_padding_is_refused() -> None:
    with pytest.raises(UsageError, match="crop_padding must be 0 or more"):
        Augment(-1)
