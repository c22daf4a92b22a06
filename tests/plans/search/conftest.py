"""Settings and objectives on the tiny image folder, and a silent Optuna."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from searches import Objectives, Settings, settings_for

from pure_nas.plans.search.objective import Objective
from pure_nas.plans.search.settings import SearchSettings

# Six candidates in all, so that a longer search must repeat itself.
SMALL_SPACE = """
[run]
trials = 6
epochs = {epochs}
batch_size = 16
[architecture]
stages = 1
blocks_per_stage = 1
base_width = {{ choices = [2, 3, 4] }}
units = {{ choices = ["conv", "product"] }}
[recipe]
crop_padding = 1
learning_rate = 0.05
"""


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def tiny(image_folder: Path, tiny_space_file: Path) -> Settings:
    """Makes settings of a search of three trials without baselines."""

    def make(**changes: Any) -> SearchSettings:
        return settings_for(image_folder, tiny_space_file, **changes)

    return make


@pytest.fixture
def small(image_folder: Path, tmp_path: Path) -> Settings:
    """Makes settings of a random search of six candidates in all."""

    def make(epochs: int = 1, **changes: Any) -> SearchSettings:
        path = tmp_path / "small.toml"
        path.write_text(SMALL_SPACE.format(epochs=epochs), encoding="utf-8")
        return settings_for(image_folder, path, **{"sampler": "random", **changes})

    return make


@pytest.fixture(scope="session")
def objective_of(image_folder: Path, tiny_space_file: Path) -> Objectives:
    """Makes an objective for a study of one's own."""

    def make(**changes: Any) -> Objective:
        return Objective(str(image_folder), tiny_space_file, **{"device": "cpu", **changes})

    return make
