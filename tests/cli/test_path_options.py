"""Paths as people write them: with ~, in quotes or behind an equals sign, where shells leave it."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Command, Study


def test_tilde_is_the_home_directory_in_every_option(
    pure_nas: Command, finished: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    study = finished.copied(tmp_path / "runs")
    (tmp_path / "space.toml").write_bytes(study.space.read_bytes())
    (tmp_path / "images").symlink_to(study.dataset)
    searched = ["--space=~/space.toml", "--dataset=~/images", "--out=~/found", "--data-dir=~/data", "--study", "one"]
    weights = "--weights=~/exported/weights.safetensors"
    for arguments in (
        ["search", *searched, "--trials", 1, "--no-baselines", "--device=cpu", "--storage=sqlite:///~/studies.db"],
        ["report", "~/runs/tiny"],
        ["export", "~/runs/tiny", "-o", "~/exported"],
        ["evaluate", "~/runs/tiny:best", "--out=~/judged", "--noise=none"],
        ["evaluate", "~/exported/architecture.json", weights, "--dataset=~/images", "--noise=none"],
        ["train", "~/exported/architecture.json", "--dataset=~/images", "--epochs", 1, "-o", "~/trained"],
        ["describe", "~/runs/tiny:best"],
        ["spaces", "~/space.toml"],
    ):
        answer = pure_nas(*arguments)
        assert answer.code == 0, answer.stderr
    assert (tmp_path / "found" / "one" / "report.html").is_file()
    assert (tmp_path / "studies.db").is_file()
    assert (tmp_path / "judged" / "evaluation.json").is_file()
    assert (tmp_path / "trained" / "weights.safetensors").is_file()
    assert not (tmp_path / "~").exists()
