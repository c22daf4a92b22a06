"""`noise_error`: a fixed mixture, measured of a job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pure_nas.data import Dataset, ImageSet
from pure_nas.evaluation import NOISE_KINDS, NOISE_MIXTURE, evaluate_network, noise_error
from pure_nas.nn import Network
from pure_nas.run.weights import load_trained
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.workers import Ended, InlineExecutor, Job, Outcome

CPU = torch.device("cpu")


def test_mixture_has_each_kind_at_a_mild_and_a_strong_level() -> None:
    for kind in NOISE_KINDS:
        mild, strong = [noise.strength for noise in NOISE_MIXTURE if noise.kind == kind]
        assert 0 < mild < strong


def test_it_is_the_mean_error_over_images_and_mixture(trained: Network, dataset: Dataset) -> None:
    each = [
        evaluate_network(trained, dataset.train, CPU, noises=(noise,), seed=5).noise[noise.kind][1].quality.error
        for noise in NOISE_MIXTURE
    ]
    assert noise_error(trained, dataset.train, CPU, 5) == pytest.approx(sum(each) / len(each))
    assert noise_error(trained, dataset.train, CPU, 5) > evaluate_network(trained, dataset.train, CPU).quality.error


def outcome(dataset: Dataset, folder: Path, *, final: bool) -> Outcome:
    architecture = Architecture(units=(("product",),), base_width=3, in_chans=1, num_classes=3, image_size=8)
    candidate = Candidate(architecture, Recipe.usual(PRODUCT, epochs=2, batch_size=16, crop_padding=1))
    executor = InlineExecutor(dataset, CPU)
    executor.submit(
        Job(number=0, candidate=candidate, directory=folder, seed=3, measures=("noise_error",), final=final)
    )
    while True:
        event = executor.next_event()
        if isinstance(event, Ended):
            return event.outcome


@pytest.mark.parametrize("final", [False, True])
def test_a_job_measures_it_on_the_images_of_its_score(dataset: Dataset, tmp_path: Path, final: bool) -> None:
    def forbidden() -> ImageSet:
        raise AssertionError("the test images were read")

    images = dataset.test() if final else dataset.validation
    found = outcome(dataset if final else replace(dataset, _load_test=forbidden), tmp_path, final=final)
    (tmp_path / "architecture.json").write_text(
        Architecture(units=(("product",),), base_width=3, in_chans=1, num_classes=3, image_size=8).to_json()
    )
    network = load_trained(tmp_path / "weights.safetensors")
    assert found.metrics["noise_error"] == noise_error(network, images, CPU, 3)
    assert "noise_error" not in found.cost
