"""A finished experiment on the tiny image folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_files import PAIR, go, settings_of


@pytest.fixture(scope="session")
def text(image_folder: Path) -> str:
    """Three small networks, two seeds of two epochs."""
    return PAIR.format(dataset=image_folder)


@pytest.fixture(scope="session")
def finished(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    go(settings_of(text), folder)
    return folder
