"""A small network that was trained for real, and the images to evaluate it on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.training.training import Training


@pytest.fixture(scope="session")
def dataset(image_folder: Path) -> Dataset:
    """Three classes of 8 x 8 images."""
    return load_dataset(image_folder)


@pytest.fixture(scope="session")
def trained(dataset: Dataset) -> Network:
    """A mixed network that tells most of the images apart; not to be changed."""
    architecture = Architecture(
        units=(("product", "conv"), ("product",)), base_width=4, in_chans=1, num_classes=3, image_size=8
    )
    training = Training(
        build(architecture),
        Recipe.usual(PRODUCT, epochs=8, batch_size=16, crop_padding=1, flip=False),
        train=dataset.train,
        validation=None,
        flip=False,
        device=torch.device("cpu"),
        seed=0,
    )
    while not training.finished:
        training.run_epoch()
    training.prepare_scoring()
    return training.network.eval()
