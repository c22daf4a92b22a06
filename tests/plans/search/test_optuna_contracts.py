"""Optuna's own tests of storages and samplers, on ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase
from optuna.testing.pytest_storages import StorageTestCase

import pure_nas
from pure_nas.plans.search.storage import close_storage, open_storage


class TestStudyFile(StorageTestCase):
    """The SQLite file of a run."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        found = open_storage(tmp_path / "study.db", None)
        yield found
        close_storage(found)


@pytest.mark.faults
class TestStorageOfUrl(StorageTestCase):
    """What --storage names."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        found = open_storage(tmp_path / "unused.db", f"sqlite:///{tmp_path}/studies.db")
        yield found
        close_storage(found)


@pytest.fixture(scope="module")
def objective(image_folder: Path, tiny_space_file: Path) -> pure_nas.Objective:
    return pure_nas.Objective(image_folder, tiny_space_file, epochs=1, device="cpu")


class TestForecastSampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """Also in studies of other things than networks, where it draws at random."""

    @pytest.fixture
    def sampler(self, objective: pure_nas.Objective) -> Callable[[], BaseSampler]:
        return lambda: pure_nas.ForecastSampler(objective)
