"""The front on a terminal."""

from __future__ import annotations

from pathlib import Path

from studies import invoke

from pure_nas.report.front_table import NOISE_ERROR

EVERY_UNIT = """
[run]
epochs = 1
[architecture]
stages = 2
blocks_per_stage = [3, 2]
base_width = 2
units = "product product-complex log-conv | conv plain-conv"
"""


def test_noise_error_is_named_for_people_and_explained(
    image_folder: Path, tiny_space_file: Path, tmp_path: Path
) -> None:
    arguments = ("--dataset", image_folder, "--space", tiny_space_file, "--out", tmp_path, "--study", "s")
    answer = invoke("search", *arguments, "--trials", 1, "--no-baselines", "--objectives", "error,noise_error")
    assert answer.code == 0, answer.message
    assert "noise error" in answer.stdout
    assert "noise_error" not in answer.stdout
    assert NOISE_ERROR in " ".join(answer.stdout.split())


def test_units_that_occur_are_explained(image_folder: Path, tmp_path: Path) -> None:
    space = tmp_path / "every.toml"
    space.write_text(EVERY_UNIT)
    arguments = ("--dataset", image_folder, "--space", space, "--out", tmp_path, "--study", "s", "--trials", 1)
    answer = invoke("search", *arguments, "--no-baselines")
    assert answer.code == 0, answer.message
    found = " ".join(answer.stdout.split())
    assert "×⊗ℓ +⊕" in found
    assert (
        "+ convolution, × product unit, ⊗ complex product unit, ℓ convolution of logarithms, "
        "⊕ convolution without ReLU; a group per stage." in found
    )
