"""The estimate times a small and a large network, and what lies between follows from flops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pure_nas.architecture import Architecture
from pure_nas.candidate import Candidate
from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset, load_dataset
from pure_nas.recipe import Recipe
from pure_nas.search import estimate as module
from pure_nas.search.baselines import baselines
from pure_nas.search.catalogue import load_space
from pure_nas.search.estimate import estimate, nominal_seconds_per_trial
from pure_nas.search.space import SearchSpace
from pure_nas.units import CONV

CPU = "cpu"


@pytest.fixture(scope="module")
def dataset(image_folder: Path) -> Dataset:
    return load_dataset(image_folder)


@pytest.fixture
def space(tiny_space_file: Path) -> SearchSpace:
    return load_space(str(tiny_space_file)).with_run(epochs=10).with_images(in_chans=1, num_classes=3, image_size=8)


@pytest.fixture
def by_flops(monkeypatch: pytest.MonkeyPatch) -> float:
    """Every image takes a microsecond a flop."""
    monkeypatch.setattr(module, "_seconds_per_image", lambda architecture, *_: 1e-6 * cost_of(architecture).flops)
    return 1e-6


def images_an_epoch(dataset: Dataset) -> float:
    """Training images and, at their share, those scored: the validation set and those that re-estimate norms."""
    return len(dataset.train) + 0.35 * (len(dataset.validation) + len(dataset.train))


def test_the_time_of_a_trial_follows_from_images_epochs_and_flops(
    space: SearchSpace, dataset: Dataset, by_flops: float
) -> None:
    small = min(cost_of(each).flops for each in space.smallest_architectures())
    large = max(cost_of(each).flops for each in space.largest_architectures())
    found = estimate(space, dataset, 5, [], module.torch.device(CPU))
    assert found.trials == 5
    assert found.seconds_per_trial == pytest.approx(by_flops * (small + large) / 2 * images_an_epoch(dataset) * 10)
    assert found.seconds == pytest.approx(5 * found.seconds_per_trial)


def test_planned_candidates_are_known_and_only_those_that_are_trained_count(
    space: SearchSpace, dataset: Dataset, by_flops: float
) -> None:
    big = Candidate(Architecture.uniform("conv", [2, 2], base_width=4, in_chans=1, image_size=8), Recipe.usual(CONV))
    flops = cost_of(big.architecture).flops
    found = estimate(space, dataset, 2, [big] * 3, module.torch.device(CPU))
    assert found.seconds_per_trial == pytest.approx(by_flops * flops * images_an_epoch(dataset) * 10)


def test_a_large_network_is_never_taken_as_faster_than_a_small_one(
    space: SearchSpace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([2e-3, 1e-3])
    monkeypatch.setattr(module, "_seconds_per_image", lambda *_: next(times))
    found = estimate(space, dataset, 1, [], module.torch.device(CPU))
    assert found.seconds_per_trial == pytest.approx(2e-3 * images_an_epoch(dataset) * 10)


def test_a_space_of_one_network_can_be_estimated(dataset: Dataset) -> None:
    only = SearchSpace.from_toml('[architecture]\nstages = 1\nblocks_per_stage = 1\nbase_width = 2\nunits = "conv"')
    only = only.with_images(in_chans=1, num_classes=3, image_size=8).with_run(epochs=1)
    assert estimate(only, dataset, 1, [], module.torch.device(CPU)).seconds > 0


def test_a_real_estimate_is_close_to_what_training_takes(space: SearchSpace, dataset: Dataset) -> None:
    planned = [baseline.candidate for baseline in baselines(space)]
    found = estimate(space, dataset, 8, planned, module.torch.device(CPU))
    assert 1e-3 < found.seconds_per_trial < 60


def test_nominal_seconds_follow_from_the_work_alone(space: SearchSpace, dataset: Dataset) -> None:
    """They grow with the epochs and not with what the clock says, so the choice of a sampler never varies."""
    once, again = (nominal_seconds_per_trial(space, dataset, torch.device("cpu")) for _ in range(2))
    longer = nominal_seconds_per_trial(space.with_run(epochs=30), dataset, torch.device("cpu"))
    assert once == again > 0
    assert longer == pytest.approx(3 * once)
    assert nominal_seconds_per_trial(space, dataset, torch.device("cuda")) < once
