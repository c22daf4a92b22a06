from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from dataset_files import listing_of, picture
from held_images import resident, varied
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pure_nas.data.augment import Draws, allowed, cutter, draw
from pure_nas.data.image_set import ImageSet, Normalisation, StreamedPixels
from pure_nas.data.raw_images import EncodedImages
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV

CPU = torch.device("cpu")
PLAIN = Normalisation((0.0,) * 3, (1.0,) * 3)
ALL = varied(random_resized_crop=0.2, vertical_flip=True, quarter_turns=True)


def images_of(count: int, size: int = 8, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)


def laid(image: Tensor, orientation: int) -> Tensor:
    """(C, S, S) `image` as `Draws.orientation` says."""
    if orientation >= 4:
        image = image.transpose(1, 2)
    if orientation & 2:
        image = image.flip(1)
    return image.flip(2) if orientation & 1 else image


def pixels(batch: Tensor) -> Tensor:
    return batch.mul(255).round().to(torch.uint8)


def epoch(images: ImageSet, augment: Recipe | None, seed: int = 0, batch_size: int = 16, device: str = "cpu") -> Tensor:
    batches = images.batches(batch_size, device=device, generator=torch.Generator().manual_seed(seed), augment=augment)
    return torch.cat([pixels(x) for x, _ in batches])


@pytest.mark.parametrize(
    ("augment", "digest"),
    [
        (varied(), "0c31410ac5d21466"),
        (varied(2, flip=False), "f6183f8e58f65311"),
        (None, "b18d5775dd5d42dc"),
    ],
)
def test_crops_and_flips_are_those_of_every_version(augment: Recipe | None, digest: str) -> None:
    images = resident(images_of(50, 8), torch.arange(50), PLAIN)
    seen = hashlib.sha256()
    for batch, labels in images.batches(16, generator=torch.Generator().manual_seed(7), augment=augment):
        seen.update(pixels(batch).contiguous().numpy().tobytes())
        seen.update(labels.numpy().tobytes())
    assert seen.hexdigest()[:16] == digest


IMAGE = images_of(1, 5)[0]
TURNED = [IMAGE.rot90(quarters, (1, 2)) for quarters in range(4)]
MIRRORED = [each.flip(2) for each in TURNED]


@pytest.mark.parametrize(
    ("augment", "ways"),
    [
        (varied(0, flip=False, quarter_turns=True), TURNED),
        (varied(0, flip=True, quarter_turns=True), TURNED + MIRRORED),
        (varied(0, flip=False, vertical_flip=True, quarter_turns=True), TURNED + MIRRORED),
        (varied(0, flip=False, vertical_flip=True), [IMAGE, IMAGE.flip(1)]),
        (varied(0, flip=True, vertical_flip=True), [IMAGE, IMAGE.flip(1), IMAGE.flip(2), IMAGE.flip(1, 2)]),
    ],
)
def test_images_are_laid_in_every_way_that_is_asked_for_and_in_no_other(augment: Recipe, ways: list[Tensor]) -> None:
    copies = resident(IMAGE.expand(400, -1, -1, -1), torch.zeros(400, dtype=torch.int64), PLAIN)
    found, expected = (
        {each.contiguous().numpy().tobytes() for each in images} for images in (epoch(copies, augment), ways)
    )
    assert found == expected


def test_all_eight_ways_are_equally_likely() -> None:
    draws = draw(8000, torch.Generator().manual_seed(0), varied(quarter_turns=True), stored=8, size=8)
    assert draws.orientation.bincount().min() > 900


@given(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9), st.integers(0, 4), st.booleans(), st.integers(0, 999))
@settings(deadline=None)
def test_windows_of_a_fixed_size_equal_slicing_and_orienting_each_image(
    count: int, channels: int, size: int, padding: int, turned: bool, seed: int
) -> None:
    augment = varied(padding, vertical_flip=turned, quarter_turns=turned)
    images, stored = images_of(count, size + 2, channels), size + 2
    draws = draw(count, torch.Generator().manual_seed(seed), augment, stored=stored, size=size)
    windows = cutter(draws, channels, stored, CPU)(images, slice(0, count))
    places = zip(draws.top.tolist(), draws.left.tolist(), draws.orientation.tolist(), strict=True)
    for image, window, (top, left, way) in zip(F.pad(images, (padding,) * 4), windows, places, strict=True):
        assert torch.equal(window, laid(image[:, top : top + size, left : left + size], way))


@given(st.integers(4, 24), st.integers(2, 20), st.integers(0, 7), st.data())
@settings(deadline=None, max_examples=60)
def test_scaled_windows_equal_those_of_pytorch(stored: int, size: int, way: int, data: st.DataObject) -> None:
    image = images_of(1, stored)
    height, width = (data.draw(st.integers(1, stored)) for _ in range(2))
    top, left = data.draw(st.integers(0, stored - height)), data.draw(st.integers(0, stored - width))
    numbers = [torch.tensor([each]) for each in (0, top, left, way)]
    draws = Draws(*numbers, 8, size, torch.tensor([height]), torch.tensor([width]))
    (found,) = cutter(draws, 3, stored, CPU)(image, slice(0, 1))
    window = image[:, :, top : top + height, left : left + width].float()
    (expected,) = F.interpolate(window, (size, size), mode="bilinear", antialias=True)
    assert (found.float() - laid(expected, way)).abs().max() <= 0.501


@given(st.floats(0.02, 1), st.integers(8, 256))
@settings(deadline=None, max_examples=40)
def test_resized_windows_lie_in_the_image_and_have_the_asked_area_and_shape(share: float, stored: int) -> None:
    draws = draw(300, torch.Generator().manual_seed(0), varied(random_resized_crop=share), stored=stored, size=8)
    assert min(int(each.min()) for each in (draws.top, draws.left)) >= 0
    assert min(int(each.min()) for each in (draws.height, draws.width)) >= 1
    assert int((draws.top + draws.height).max()) <= stored
    assert int((draws.left + draws.width).max()) <= stored
    # Sides are rounded to whole pixels.
    assert ((draws.height + 0.5) * (draws.width + 0.5) >= share * stored**2 * 0.999).all()
    assert ((draws.width + 0.5) / (draws.height - 0.5).clamp(min=0.5) >= 3 / 4 * 0.999).all()
    assert ((draws.height + 0.5) / (draws.width - 0.5).clamp(min=0.5) >= 3 / 4 * 0.999).all()


def test_resized_windows_are_of_every_size_and_shape() -> None:
    draws = draw(4000, torch.Generator().manual_seed(0), varied(random_resized_crop=0.08), stored=256, size=224)
    area = draws.height * draws.width / 256**2
    assert area.quantile(0.05) < 0.15
    assert area.quantile(0.95) > 0.8
    ratio = draws.width / draws.height
    assert 0.49 < float((ratio > 1).float().mean()) < 0.53
    assert len(torch.stack([draws.top, draws.left]).unique(dim=1).T) > 2000


@pytest.mark.parametrize("augment", [ALL, varied(2, vertical_flip=True), varied(1, quarter_turns=True), None])
@pytest.mark.parametrize("size", [8, 12])
def test_streamed_images_are_varied_like_those_in_memory(tmp_path: Path, augment: Recipe | None, size: int) -> None:
    global_state = torch.get_rng_state()
    paths = [tmp_path / f"{number}.png" for number in range(21)]
    for number, path in enumerate(paths):
        picture(number, 12, 12).save(path)
    source = EncodedImages(listing_of(paths), 12, 3)
    labels = torch.arange(21)
    streamed = ImageSet(StreamedPixels(source, 0), labels, PLAIN, image_size=size)
    held = torch.stack([torch.from_numpy(source.pixels(number).copy()) for number in range(21)])
    memory = resident(held, labels, PLAIN, image_size=size)
    assert torch.equal(epoch(streamed, augment), epoch(memory, augment))
    chosen = torch.tensor([5, 3, 17])
    both = [each.subset(chosen).normalised(PLAIN) for each in (streamed, memory)]
    assert torch.equal(epoch(both[0], augment), epoch(both[1], augment))
    shuffled = [next(each.batches(3, generator=torch.Generator().manual_seed(0)))[1] for each in both]
    assert torch.equal(*shuffled)
    assert torch.equal(*(each.histogram(0) for each in both))
    assert torch.equal(torch.get_rng_state(), global_state)
    assert (both[0].image_size, both[0].stored_size) == (both[1].image_size, both[1].stored_size) == (size, 12)


def test_one_seed_gives_one_epoch_of_everything() -> None:
    images = resident(images_of(40, 12), torch.arange(40), PLAIN, image_size=8)
    assert torch.equal(epoch(images, ALL, 1), epoch(images, ALL, 1))
    assert not torch.equal(epoch(images, ALL, 1), epoch(images, ALL, 2))
    assert torch.equal(epoch(images, ALL, 1, batch_size=40), epoch(images, ALL, 1, batch_size=8))


def test_the_middle_of_an_image_is_shown_and_all_of_it_where_asked() -> None:
    held = images_of(6, 12)
    images = resident(held, torch.arange(6), PLAIN, image_size=8)
    shown, _ = next(images.batches(6))
    assert torch.equal(pixels(shown), held[:, :, 2:10, 2:10])
    whole, _ = next(images.batches(6, whole=True))
    assert torch.equal(pixels(whole), held)


def test_a_recipe_asks_and_a_dataset_allows() -> None:
    recipe = Recipe.usual(CONV, random_resized_crop=0.3, vertical_flip=True, quarter_turns=True)
    upright = allowed(recipe, flip=False, turns=False)
    assert upright == varied(crop_padding=4, flip=False, random_resized_crop=0.3)
    assert allowed(recipe, flip=True, turns=True) == recipe
    assert allowed(Recipe.usual(CONV), flip=True, turns=True) == varied()


def test_the_border_is_black_before_normalisation() -> None:
    white = torch.full((50, 1, 8, 8), 255, dtype=torch.uint8)
    images = resident(white, torch.zeros(50, dtype=torch.int64), Normalisation((0.5,), (0.25,)))
    batch, _ = next(images.batches(50, generator=torch.Generator().manual_seed(0), augment=varied(4)))
    assert batch.unique().tolist() == [-2.0, 2.0]


@pytest.mark.parametrize(("padding", "stored", "last"), [(4, 8, 8), (1, 12, 6)])
def test_every_shift_and_both_mirrorings_occur(padding: int, stored: int, last: int) -> None:
    draws = draw(2000, torch.Generator().manual_seed(0), varied(padding), stored=stored, size=8)
    for shifts in (draws.top, draws.left):
        assert shifts.unique().tolist() == list(range(last + 1))
    assert 900 < int(draws.orientation.sum()) < 1100


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("augment", [ALL, varied(2, vertical_flip=True, quarter_turns=True)])
def test_a_gpu_cuts_the_windows_of_a_cpu(augment: Recipe) -> None:
    images = resident(images_of(64, 40), torch.arange(64), PLAIN, image_size=32)
    cpu, gpu = (epoch(images, augment, device=device).cpu() for device in ("cpu", "cuda"))
    # Sums of another order may round a pixel to its neighbour.
    assert (cpu.int() - gpu.int()).abs().max() <= (1 if augment.random_resized_crop else 0)
