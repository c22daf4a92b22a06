"""Searches train with the instruction sets that users have, and with images of a size that users have."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pure_nas.space.catalogue import SPACES


def searched(folder: Path, most: str, *options: object) -> Path:
    """The run of a search in a process of its own, with oneDNN held to an instruction set."""
    command = [sys.executable, "-m", "pure_nas", "search", "--out", folder, "--study", "found", *options]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": most, "OMP_NUM_THREADS": "1"}
    words = list(map(str, command))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "found"


def photographs(folder: Path) -> Path:
    """JPEG files of two classes, blobs that are bright or dark, wider than high."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 6)):
        for name, brightness in (("dark", 60), ("light", 190)):
            target = folder / part / name
            target.mkdir(parents=True)
            for index in range(count):
                pixels = generator.normal(brightness, 40, (64, 80, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(target / f"{index}.jpg")
    return folder


def losses(run: Path) -> list[float]:
    """The training loss of every epoch of every trial."""
    curves = sorted(run.glob("trials/*/metrics.jsonl"))
    return [json.loads(line)["train_loss"] for curve in curves for line in curve.read_text().splitlines()]


@pytest.mark.slow
def test_the_first_command_of_the_readme_trains_with_avx2(tmp_path: Path) -> None:
    run = searched(tmp_path, "AVX2", "--dataset", "digits", "--trials", 14, "--epochs", 1)
    found = losses(run)
    assert len(found) == 14
    assert all(map(math.isfinite, found))
    assert "oneDNN at most AVX2" in json.loads((run / "environment.json").read_text())["instruction_set"]


@pytest.mark.parametrize("most", ["AVX2", pytest.param("DEFAULT", marks=pytest.mark.slow)])
def test_narrow_networks_train_on_photographs_of_64_pixels(tmp_path: Path, most: str) -> None:
    narrow = tmp_path / "narrow.toml"
    wide = SPACES.text("folder")
    narrow.write_text(wide.replace("base_width = { choices = [8, 16, 24] }", "base_width = { choices = [8, 12] }"))
    assert narrow.read_text() != wide
    images = photographs(tmp_path / "photographs")
    run = searched(tmp_path, most, "--dataset", images, "--space", narrow, "--trials", 3, "--epochs", 1)
    assert json.loads((run / "trials" / "0000" / "architecture.json").read_text())["image_size"] == 64
    found = losses(run)
    assert len(found) == 3
    assert all(map(math.isfinite, found))
