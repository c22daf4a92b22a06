from __future__ import annotations

from pathlib import Path

import pytest
from studies import Study, trained


@pytest.fixture
def figures() -> None:
    """Lets reports draw their figures."""


@pytest.fixture(autouse=True)
def _without_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a report: they are drawn where a test asks for `figures`, and in processes."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr("pure_nas.report.matplotlib_chart.write_figures", lambda folder, figures: [])


@pytest.fixture(scope="session")
def finished(image_folder: Path, tiny_space_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished search of six trials; not to be changed."""
    study = Study(image_folder, tiny_space_file, tmp_path_factory.mktemp("runs"), "tiny")
    study.go().done()
    return study


@pytest.fixture(scope="session")
def digits_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small network that was trained on digits; not to be changed."""
    return trained("digits", tmp_path_factory.mktemp("digits") / "trained")


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    """A finished search of six trials, to resume or to damage."""
    return finished.copied(tmp_path / "runs")


@pytest.fixture
def new_study(image_folder: Path, tiny_space_file: Path, tmp_path: Path) -> Study:
    """A search that has not begun."""
    return Study(image_folder, tiny_space_file, tmp_path / "runs", "new")
