"""The estimate times a small and a large network, and what lies between follows from flops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from interleaved import Interleaved

from benchmarks.images import load_dataset
from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import RunError
from pure_nas.plans.estimate import nominal_seconds_per_trial
from pure_nas.plans.search.baselines import Baseline
from pure_nas.plans.search.session import Prepared
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import CONV
from pure_nas.workers import Executor, InlineExecutor
from pure_nas.workers.resources import Work

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(image_folder: Path) -> Dataset:
    return load_dataset(image_folder)


@pytest.fixture
def space(tiny_space_file: Path) -> SearchSpace:
    return load_space(str(tiny_space_file)).with_run(epochs=10).with_images(in_chans=1, num_classes=3, image_size=8)


class Timed(Interleaved):
    """Trains an image in the time that it is told, by the network's flops."""

    def __init__(self, dataset: Dataset, seconds: Callable[[int], float | None]) -> None:
        super().__init__(dataset, 1)
        self.seconds = seconds

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        return self.seconds(cost_of(candidate.architecture).flops)


def seconds_per_trial(
    space: SearchSpace, dataset: Dataset, trials: int, planned: list[Candidate], executor: Executor
) -> float:
    """What a search with these baselines expects of a trial."""
    prepared = Prepared(
        settings=SearchSettings(study="study", dataset="images", space_name="space", space=space, trials=trials),
        dataset=dataset,
        load=lambda: dataset,
        device=CPU,
        train_images=len(dataset.train),
        workers=1,
        work=lambda: Work.of_space(space),
    )
    vars(prepared)["baselines"] = [Baseline("", candidate) for candidate in planned]
    return prepared.seconds_per_trial(executor)


def images_an_epoch(dataset: Dataset) -> float:
    """Training images and, at their share, those scored: the validation set and those that re-estimate norms."""
    return len(dataset.train) + 0.35 * (len(dataset.validation) + len(dataset.train))


def extremes(space: SearchSpace) -> tuple[int, int]:
    """Flops of the smallest and the largest network."""
    small = min(cost_of(each).flops for each in space.smallest_architectures())
    return small, max(cost_of(each).flops for each in space.largest_architectures())


def test_the_time_of_a_trial_follows_from_images_epochs_and_flops(space: SearchSpace, dataset: Dataset) -> None:
    small, large = extremes(space)
    found = seconds_per_trial(space, dataset, 5, [], Timed(dataset, lambda flops: 1e-6 * flops))
    assert found == pytest.approx(1e-6 * (small + large) / 2 * images_an_epoch(dataset) * 10)


def test_planned_candidates_are_known_and_only_those_that_are_trained_count(
    space: SearchSpace, dataset: Dataset
) -> None:
    big = Candidate(Architecture.uniform("conv", [2, 2], base_width=4, in_chans=1, image_size=8), Recipe.usual(CONV))
    flops = cost_of(big.architecture).flops
    found = seconds_per_trial(space, dataset, 2, [big] * 3, Timed(dataset, lambda flops: 1e-6 * flops))
    assert found == pytest.approx(1e-6 * flops * images_an_epoch(dataset) * 10)


def test_a_large_network_is_never_taken_as_faster_than_a_small_one(space: SearchSpace, dataset: Dataset) -> None:
    found = seconds_per_trial(space, dataset, 1, [], Timed(dataset, lambda flops: 1.0 / flops))
    assert found == pytest.approx(images_an_epoch(dataset) * 10 / extremes(space)[0])


def test_a_largest_network_that_does_not_fit_is_taken_as_slow_as_its_flops(
    space: SearchSpace, dataset: Dataset
) -> None:
    small, large = extremes(space)
    found = seconds_per_trial(space, dataset, 1, [], Timed(dataset, lambda flops: 1e-3 if flops < large else None))
    assert found == pytest.approx(1e-3 * (1 + large / small) / 2 * images_an_epoch(dataset) * 10)


def test_a_space_of_which_nothing_fits_is_said_before_it_is_searched(space: SearchSpace, dataset: Dataset) -> None:
    with pytest.raises(RunError, match="smallest network of the space cannot be trained here with a batch size of 16"):
        seconds_per_trial(space, dataset, 1, [], Timed(dataset, lambda _: None))


def test_a_space_of_one_network_can_be_estimated(dataset: Dataset) -> None:
    only = SearchSpace.from_toml('[architecture]\nstages = 1\nblocks_per_stage = 1\nbase_width = 2\nunits = "conv"')
    only = only.with_images(in_chans=1, num_classes=3, image_size=8).with_run(epochs=1)
    assert seconds_per_trial(only, dataset, 1, [], InlineExecutor(dataset, CPU)) > 0


def test_nominal_seconds_follow_from_the_work_alone(space: SearchSpace, dataset: Dataset) -> None:
    """They grow with the epochs and not with what the clock says, so the choice of a sampler never varies."""
    once, again = (nominal_seconds_per_trial(space, dataset, CPU) for _ in range(2))
    longer = nominal_seconds_per_trial(space.with_run(epochs=30), dataset, CPU)
    assert once == again > 0
    assert longer == pytest.approx(3 * once)
    assert nominal_seconds_per_trial(space, dataset, torch.device("cuda")) < once
