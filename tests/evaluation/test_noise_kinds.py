"""Noise has the statistics that theory says, for each image on its own."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pure_nas.errors import UsageError
from pure_nas.evaluation.noise import (
    NOISE_KINDS,
    Noise,
    NoiseKind,
    add_noise,
    noise_seeds,
    usual_noises,
)

GREY = 0.4
KINDS = st.sampled_from(NOISE_KINDS)
LEVELS = {kind: [noise.level for noise in usual_noises([kind])] for kind in NOISE_KINDS}


def grey(count: int = 100, size: int = 24) -> Tensor:
    return torch.full((count, 3, size, size), GREY)


def noisy(kind: NoiseKind, level: float, images: Tensor, seed: int = 0) -> Tensor:
    return add_noise(images, Noise(kind, level), noise_seeds(seed, kind, len(images)))


@pytest.mark.parametrize(
    ("kind", "level", "variance"),
    [
        ("gaussian", 0.05, 0.05**2),
        ("speckle", 0.2, (0.2 * GREY) ** 2),
        # A Poisson number's variance is its mean; GREY * level photons are counted and divided by the level.
        ("poisson", 200.0, GREY / 200),
        ("poisson", 1000.0, GREY / 1000),
    ],
)
def test_mean_and_variance_are_those_of_theory(kind: NoiseKind, level: float, variance: float) -> None:
    images = grey()
    found = noisy(kind, level, images).double()
    count = found.numel()
    # Five standard errors: of the mean, and of the variance of a nearly normal number.
    assert abs(found.mean().item() - GREY) < 5 * math.sqrt(variance / count)
    assert abs(found.var().item() / variance - 1) < 5 * math.sqrt(2 / count)


def test_counted_photons_are_whole_numbers() -> None:
    photons = noisy("poisson", 10.0, grey()) * 10
    torch.testing.assert_close(photons, photons.round())
    assert photons.unique().numel() > 5


@pytest.mark.parametrize("level", [0.02, 0.3, 1.0])
def test_salt_and_pepper_are_equally_many_whole_pixels(level: float) -> None:
    found = noisy("salt-and-pepper", level, grey())
    assert torch.equal(found.amin(1), found.amax(1))
    pixels = found[:, 0]
    reach = 5 * math.sqrt(level / 2 / pixels.numel())
    assert abs((pixels == 0).double().mean().item() - level / 2) < reach
    assert abs((pixels == 1).double().mean().item() - level / 2) < reach
    untouched = pixels[(pixels > 0) & (pixels < 1)]
    assert torch.all(untouched == torch.tensor(GREY))


def test_black_stays_black_under_photon_noise_and_speckle() -> None:
    black = torch.zeros(2, 1, 4, 4)
    assert not noisy("poisson", 10.0, black).any()
    assert not noisy("speckle", 0.5, black).any()


@given(kind=KINDS, strong=st.booleans(), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_images_stay_in_their_range_and_the_given_ones_are_left_alone(kind: NoiseKind, strong: bool, seed: int) -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    before = images.clone()
    found = noisy(kind, LEVELS[kind][-1 if strong else 0], images, seed)
    assert torch.equal(images, before)
    assert found.amin() >= 0
    assert found.amax() <= 1
    assert not (strong and torch.equal(found, images))
    assert found.is_contiguous(memory_format=torch.channels_last)


@given(kind=KINDS, cuts=st.sets(st.integers(1, 8), max_size=4), seed=st.integers(0, 2**31), last=st.booleans())
@settings(max_examples=60, deadline=None)
def test_noise_of_an_image_does_not_depend_on_its_batch(kind: NoiseKind, cuts: set[int], seed: int, last: bool) -> None:
    images = torch.rand(9, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    noise, seeds = Noise(kind, LEVELS[kind][-1]), noise_seeds(seed, kind, 9)
    whole = add_noise(images, noise, seeds)
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    bounds = [0, *sorted(cuts), 9]
    parts = [add_noise(images[start:stop], noise, seeds[start:stop]) for start, stop in pairwise(bounds)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_images_seeds_and_kinds_have_noise_of_their_own(kind: NoiseKind) -> None:
    images = grey(6, 8)
    found = noisy(kind, LEVELS[kind][-1], images)
    assert len({tuple(image.flatten().tolist()) for image in found}) == 6
    assert not torch.equal(found, noisy(kind, LEVELS[kind][-1], images, seed=1))
    assert torch.equal(found, noisy(kind, LEVELS[kind][-1], images))
    every = [tuple(noise_seeds(0, other, 6)) for other in NOISE_KINDS]
    assert len(set(every)) == len(NOISE_KINDS)
    assert noise_seeds(5, kind, 50)[:7] == noise_seeds(5, kind, 7)


@pytest.mark.parametrize("kind", ["gaussian", "speckle"])
def test_levels_scale_the_same_draws(kind: NoiseKind) -> None:
    images = grey(2, 8)
    weak, strong = (noisy(kind, level, images) - images for level in (0.01, 0.04))
    torch.testing.assert_close(strong, 4 * weak, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_usual_levels_grow_stronger_from_none(kind: NoiseKind) -> None:
    noises = [Noise(kind, 0.0), *usual_noises([kind])]
    strengths = [noise.strength for noise in noises]
    assert strengths == sorted(set(strengths))
    images = grey(20, 8)
    distances = [(noisy(kind, noise.level, images) - images).square().mean().item() for noise in noises]
    assert distances == sorted(set(distances))
    assert [noise.clean for noise in noises] == [distance == 0 for distance in distances]


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [
        ("gausian", 0.1, 'kind: .gausian. is not valid; did you mean "gaussian"'),
        ("gaussian", -0.1, "The level of gaussian noise is -0.1, but must be 0 or more"),
        ("gaussian", math.nan, "got nan"),
        ("speckle", math.inf, "got inf"),
        ("salt-and-pepper", 1.5, "must be from 0 to 1"),
        ("poisson", 1e9, "must be from 0 to 1e\\+07"),
    ],
)
def test_noise_that_cannot_be_had_is_refused(kind: NoiseKind, level: float, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Noise(kind, level)
