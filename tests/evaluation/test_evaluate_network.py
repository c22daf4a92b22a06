"""Whole evaluations of a small trained network, of several seeds as one, and its error over a mixture of noise."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from held_images import resident

from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.evaluation.evaluation import Evaluation, evaluate_network, noise_error, pooled
from pure_nas.evaluation.noise import NOISE_KINDS, NOISE_MIXTURE, Noise, usual_noises
from pure_nas.evaluation.views import Views
from pure_nas.nn.network import Network, build
from pure_nas.run.weights import load_trained
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.training.scoring import evaluate
from pure_nas.workers import Ended, InlineExecutor, Job

CPU = torch.device("cpu")
STRONG = tuple(noise for noise in usual_noises() if noise in {usual_noises([kind])[-1] for kind in NOISE_KINDS})


@pytest.fixture(scope="module")
def found(trained: Network, dataset: Dataset) -> Evaluation:
    return evaluate_network(
        trained,
        dataset.train,
        CPU,
        classes=dataset.classes,
        noises=usual_noises(),
        views=Views("five-crop"),
        factors=(2.0, 0.5),
        seed=3,
    )


def colours(count: int, *, size: int = 8, shown: int | None = None, channels: int = 1) -> ImageSet:
    pixels = torch.randint(0, 256, (count, channels, size, size), generator=torch.Generator().manual_seed(count))
    labels = torch.arange(count) % 3
    normalisation = Normalisation((0.4,) * channels, (0.25,) * channels)
    return resident(pixels.to(torch.uint8), labels, normalisation, image_size=shown)


def test_without_noise_it_is_the_score_of_training(trained: Network, dataset: Dataset, found: Evaluation) -> None:
    score = evaluate(trained, dataset.train, CPU)
    assert found.quality.error == score.error < 0.2
    assert found.quality.loss == pytest.approx(score.loss, rel=1e-6)


def test_curves_begin_without_noise_and_grow_stronger(found: Evaluation) -> None:
    assert list(found.noise) == list(NOISE_KINDS)
    for points in found.noise.values():
        assert points[0].quality == found.quality
        assert points[0].noise.clean
        strengths = [point.noise.strength for point in points]
        assert strengths == sorted(strengths)
        errors = [point.quality.error for point in points[1:]]
        assert errors[-1] > found.quality.error


def test_hardly_any_noise_changes_hardly_anything(trained: Network, dataset: Dataset) -> None:
    faint = (Noise("poisson", 1e7), Noise("gaussian", 1e-5), Noise("salt-and-pepper", 1e-9), Noise("speckle", 1e-5))
    plain = evaluate_network(trained, dataset.train, CPU, noises=faint)
    for points in plain.noise.values():
        quality = points[1].quality
        assert quality.confusion == plain.quality.confusion
        assert quality.loss == pytest.approx(plain.quality.loss, rel=0.01)


def test_one_seed_gives_one_result(trained: Network, dataset: Dataset, found: Evaluation) -> None:
    again, other = (
        evaluate_network(trained, dataset.train, CPU, classes=dataset.classes, noises=usual_noises(), seed=seed)
        for seed in (3, 4)
    )
    assert again.noise == found.noise != other.noise
    assert other.quality == found.quality


@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_batch_size_changes_no_prediction(
    trained: Network, dataset: Dataset, found: Evaluation, batch_size: int
) -> None:
    asked = {"classes": dataset.classes, "noises": usual_noises(), "factors": (2.0, 0.5), "seed": 3}
    other = evaluate_network(trained, dataset.train, CPU, batch_size=batch_size, **asked)
    for one, two in zip(found.noise.values(), other.noise.values(), strict=True):
        assert [point.quality.confusion for point in one] == [point.quality.confusion for point in two]
    for one, two in zip(found.intensity, other.intensity, strict=True):
        assert (one.hits, one.agreement) == (two.hits, two.agreement)
        assert one.cosine == pytest.approx(two.cosine, rel=1e-5)


def test_views_average_probabilities(trained: Network) -> None:
    images = colours(5, size=8)
    found = evaluate_network(trained, images, CPU, views=Views("flip", (8, 12)))
    ((batch, labels),) = images.batches(8)
    with torch.no_grad():
        shown = list(Views("flip", (8, 12)).of(batch, 8))
        mean = torch.stack([trained(view).double().softmax(1) for view in shown]).mean(0)
    expected = -mean.gather(1, labels.unsqueeze(1)).log().mean().item()
    assert found.viewed is not None
    assert found.viewed.loss == pytest.approx(expected, rel=1e-4)
    assert found.viewed.hits == (mean.argmax(1) == labels).sum().item()
    assert found.viewed.loss != pytest.approx(found.quality.loss, rel=1e-4)


def test_the_single_view_is_the_middle_whatever_the_other_views(trained: Network) -> None:
    images = colours(9, size=10, shown=8)
    alone = evaluate_network(trained, images, CPU, noises=STRONG)
    beside = evaluate_network(trained, images, CPU, noises=STRONG, views=Views("ten-crop"))
    assert alone.viewed is None
    assert beside.viewed is not None
    assert beside.quality == alone.quality
    assert beside.noise == alone.noise


def test_the_probe_finds_nothing_where_nothing_is_multiplied(trained: Network, dataset: Dataset) -> None:
    found = evaluate_network(trained, dataset.train, CPU, factors=(1.0, 4.0, 1.0))
    same, brighter = found.intensity
    assert same.accuracy == found.quality.accuracy
    assert (same.cosine, same.norm_ratio, same.agreement) == pytest.approx((1, 1, 1), rel=1e-4)
    assert same.relative_change == pytest.approx(0, abs=1e-3)
    assert brighter.relative_change is not None
    assert brighter.relative_change > 0.1


def test_intensities_are_multiplied_before_they_are_normalised(trained: Network) -> None:
    """A factor of 2 on half as bright pixels gives the images themselves."""
    bright = colours(6)
    ((_, labels),) = bright.batches(8)
    pixels = 2 * torch.randint(0, 128, (6, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    whole, half = (
        resident(each.to(torch.uint8), labels, bright.normalisation)
        for each in (pixels, pixels.div(2, rounding_mode="floor"))
    )
    direct = evaluate_network(trained, whole, CPU)
    doubled = evaluate_network(trained, half, CPU, factors=(2.0,))
    assert doubled.intensity[0].hits == direct.quality.hits


def test_the_network_is_left_as_it_was(trained: Network, dataset: Dataset) -> None:
    network = copy.deepcopy(trained).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate_network(network, dataset.validation, CPU, noises=STRONG, views=Views("flip"), factors=(0.5,))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_sick_network_is_wrong_everywhere(trained: Network) -> None:
    network = copy.deepcopy(trained)
    with torch.no_grad():
        network.classifier.linear.bias.fill_(math.nan)
    found = evaluate_network(network, colours(5), CPU, noises=STRONG, views=Views("flip"), factors=(2.0,))
    assert found.viewed is not None
    assert (found.quality.unpredicted, found.quality.error, found.viewed.unpredicted) == (5, 1.0, 5)
    assert all(point.quality.error == 1 for points in found.noise.values() for point in points)
    assert (found.intensity[0].hits, found.intensity[0].agreement) == (0, 0)
    json.dumps(found.document(), allow_nan=False)


@pytest.mark.parametrize("count", [1, 5])
def test_few_images_are_enough(trained: Network, count: int) -> None:
    found = evaluate_network(
        trained, colours(count), CPU, noises=STRONG, views=Views("ten-crop", (8, 9)), factors=(0.5,), batch_size=2
    )
    assert found.quality.images == count
    assert all(point.quality.images == count for points in found.noise.values() for point in points)
    json.dumps(found.document(), allow_nan=False)


@pytest.mark.parametrize(
    ("views", "most"), [(Views(), 512), (Views("five-crop", (64,)), 512), (Views("flip", (8, 64)), 32)]
)
def test_a_batch_is_as_small_as_the_largest_images_that_are_shown_need(
    trained: Network, views: Views, most: int
) -> None:
    told: list[tuple[int, int]] = []
    evaluate_network(trained, colours(most + 9), CPU, views=views, progress=lambda *done: told.append(done))
    assert told == [(most, most + 9), (most + 9, most + 9)]


def test_document_is_json_and_says_what_was_found(found: Evaluation) -> None:
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["schema"] == 1
    assert document["accuracy"] == found.quality.accuracy
    assert found.viewed is not None
    assert document["views"]["name"] == "five-crop"
    assert document["views"]["accuracy"] == found.viewed.accuracy
    assert {kind: len(points) for kind, points in document["noise"].items()} == dict.fromkeys(NOISE_KINDS, 6)
    assert [each["factor"] for each in document["intensity"]] == [0.5, 2.0]
    assert replace(found, viewed=None).document()["views"] is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_nearly_the_same_and_draws_its_own_noise_from_the_seed(
    trained: Network, dataset: Dataset, found: Evaluation
) -> None:
    device = torch.device("cuda")
    asked = {"noises": usual_noises(), "views": Views("five-crop"), "factors": (0.5,)}
    runs = [evaluate_network(trained, dataset.train, device, batch_size=size, **asked) for size in (7, 64)]
    assert runs[0].quality.error == pytest.approx(found.quality.error, abs=0.05)
    for one, other in zip(runs[0].noise.values(), runs[1].noise.values(), strict=True):
        for point, same in zip(one, other, strict=True):
            assert point.quality.error == pytest.approx(same.quality.error, abs=0.05)
    assert next(trained.parameters()).device.type == "cpu"


def test_it_is_the_mean_error_over_images_and_mixture(trained: Network, dataset: Dataset) -> None:
    each = [
        evaluate_network(trained, dataset.train, CPU, noises=(noise,), seed=5).noise[noise.kind][1].quality.error
        for noise in NOISE_MIXTURE
    ]
    assert noise_error(trained, dataset.train, CPU, 5) == pytest.approx(sum(each) / len(each))
    assert noise_error(trained, dataset.train, CPU, 5) > evaluate_network(trained, dataset.train, CPU).quality.error


@pytest.mark.parametrize("final", [False, True])
def test_a_job_measures_it_on_the_images_of_its_score(dataset: Dataset, tmp_path: Path, final: bool) -> None:
    def forbidden(_: Dataset) -> ImageSet:
        raise AssertionError("the test images were read")

    architecture = Architecture(units=(("product",),), base_width=3, in_chans=1, num_classes=3, image_size=8)
    candidate = Candidate(architecture, Recipe.usual(PRODUCT, epochs=2, batch_size=16, crop_padding=1))
    executor = InlineExecutor(dataset if final else replace(dataset, _load_test=forbidden), CPU)
    executor.submit(
        Job(number=0, candidate=candidate, directory=tmp_path, seed=3, measures=("noise_error",), final=final)
    )
    events = iter(executor.next_event, None)
    found = next(event for event in events if isinstance(event, Ended)).outcome
    network = load_trained(tmp_path / "weights.safetensors", architecture)
    images = dataset.test() if final else dataset.validation
    assert found.metrics["noise_error"] == noise_error(network, images, CPU, 3)
    assert "noise_error" not in found.cost


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
