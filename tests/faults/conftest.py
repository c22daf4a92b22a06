from __future__ import annotations

from pathlib import Path

import pytest
from studies import Study


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time of a report, and are drawn last."""
    monkeypatch.setattr("pure_nas.report.matplotlib_chart.write_figures", lambda folder, figures: [])


@pytest.fixture
def new_study(image_folder: Path, tiny_space_file: Path, tmp_path: Path) -> Study:
    """A search that has not begun."""
    return Study(image_folder, tiny_space_file, tmp_path / "runs", "new")


@pytest.fixture(scope="session")
def finished(image_folder: Path, tiny_space_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished search of six trials; not to be changed."""
    study = Study(image_folder, tiny_space_file, tmp_path_factory.mktemp("runs"), "tiny")
    study.go().done()
    return study
