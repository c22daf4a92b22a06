"""Evaluations of several seeds as one."""

from __future__ import annotations

import json

import pytest
import torch

from pure_nas.data.dataset import Dataset
from pure_nas.evaluation.evaluation import Evaluation, evaluate_network, pooled
from pure_nas.evaluation.noise import Noise
from pure_nas.evaluation.views import Views
from pure_nas.nn.network import Network, build

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def seeds(trained: Network, dataset: Dataset) -> list[Evaluation]:
    """A trained network and an untrained one."""
    torch.manual_seed(1)
    return [
        evaluate_network(
            each, dataset.train, CPU, noises=(Noise("gaussian", 0.1),), views=Views("five-crop"), factors=(0.5,)
        )
        for each in (trained, build(trained.architecture))
    ]


def test_accuracies_are_means_between_the_lowest_and_the_highest_seed(seeds: list[Evaluation]) -> None:
    found = pooled(seeds)
    qualities = [(each.quality, *(point.quality for point in each.noise["gaussian"]), each.viewed) for each in seeds]
    together = (found.quality, *(point.quality for point in found.noise["gaussian"]), found.viewed)
    for quality, *each in zip(together, *qualities, strict=True):
        accuracies = [one.accuracy for one in each]
        assert accuracies[0] != accuracies[1]
        assert quality.accuracy == pytest.approx(sum(accuracies) / 2)
        assert quality.interval == (min(accuracies), max(accuracies))
        assert quality.loss == pytest.approx(sum(one.loss for one in each) / 2)
        assert quality.calibration_error == pytest.approx(sum(one.calibration_error for one in each) / 2)
    (change,), changes = found.intensity, [one.intensity[0] for one in seeds]
    assert change.accuracy == pytest.approx(sum(one.accuracy for one in changes) / 2)
    assert change.cosine == pytest.approx(sum(one.cosine or 0 for one in changes) / 2)
    assert change.document()["interval"] == [min(change.accuracies), max(change.accuracies)]


def test_images_are_counted_once_a_seed_and_every_accuracy_is_in_the_document(seeds: list[Evaluation]) -> None:
    quality = pooled(seeds).quality
    assert quality.images == sum(map(sum, quality.confusion)) == sum(each.quality.images for each in seeds)
    assert sum(each.count for each in quality.bins) == quality.images
    assert sum(each.count * each.accuracy for each in quality.bins) == pytest.approx(quality.hits)
    document = json.loads(json.dumps(pooled(seeds).document(), allow_nan=False))
    assert document["accuracies"] == [each.quality.accuracy for each in seeds]
    assert document["views"]["accuracies"] == [each.viewed.accuracy for each in seeds if each.viewed]
    assert [each.low for each in quality.bins] == sorted({each.low for one in seeds for each in one.quality.bins})


def test_a_single_seed_is_itself(seeds: list[Evaluation]) -> None:
    assert pooled(seeds[:1]) is seeds[0]
    assert "accuracies" not in seeds[0].document()
    assert "accuracies" not in seeds[0].intensity[0].document()
