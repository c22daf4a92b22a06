"""The dataset that jobs train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet


@pytest.fixture(scope="session")
def dataset(image_folder: Path) -> Dataset:
    return load_dataset(image_folder)


@pytest.fixture
def untested(dataset: Dataset) -> Dataset:
    """The dataset, whose test images nobody may read."""

    def forbidden(_: Dataset) -> ImageSet:
        raise AssertionError("the test images were read")

    return replace(dataset, _load_test=forbidden)
