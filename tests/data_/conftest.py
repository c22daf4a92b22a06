from __future__ import annotations

from pathlib import Path

import pytest
from dataset_files import write_classes


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Train and test images of three classes: 12, 8 and 4 to train on, 3 of each to test on."""
    root = tmp_path / "animals"
    write_classes(root / "train", {"cat": 12, "dog": 8, "owl": 4})
    write_classes(root / "test", {"cat": 3, "dog": 3, "owl": 3})
    return root
