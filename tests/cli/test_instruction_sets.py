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


@pytest.mark.parametrize("most", ["AVX2", pytest.param("DEFAULT", marks=pytest.mark.slow)])
def test_narrow_networks_train_on_photographs_of_64_pixels(tmp_path: Path, most: str) -> None:
    narrow = tmp_path / "narrow.toml"
    wide = SPACES.text("folder")
    narrow.write_text(wide.replace("base_width = { choices = [8, 16, 24] }", "base_width = { choices = [8, 12] }"))
    assert narrow.read_text() != wide
    images = photographs(tmp_path / "photographs")
    run = tmp_path / "found"
    command = f"{sys.executable} -m pure_nas search --study found --trials 3 --epochs 1 --out".split()
    done = subprocess.run(
        [*command, tmp_path, "--dataset", images, "--space", narrow],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": most, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "trials" / "0000" / "architecture.json").read_text())["image_size"] == 64
    assert f"oneDNN at most {most}" in json.loads((run / "environment.json").read_text())["instruction_set"]
    curves = list(run.glob("trials/*/metrics.jsonl"))
    assert len(curves) == 3
    assert all(math.isfinite(json.loads(curve.read_text())["train_loss"]) for curve in curves)
