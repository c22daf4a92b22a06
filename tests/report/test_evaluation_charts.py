"""Figures of evaluations: which there are, what stands in them, and that they are the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from held_images import resident

from pure_nas.data.image_set import Normalisation
from pure_nas.evaluation.evaluation import evaluate_network
from pure_nas.evaluation.noise import Noise, usual_noises
from pure_nas.nn.network import build
from pure_nas.report.evaluation_charts import Evaluated, evaluation_figures
from pure_nas.report.matplotlib_chart import write_figures
from pure_nas.space.architecture import Architecture

PNG = b"\x89PNG\r\n\x1a\n"


def files(networks: Sequence[Evaluated]) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in write_figures(Path(folder), evaluation_figures(networks))}


def evaluated(name: str, unit: str, *, noises: tuple[Noise, ...] = (), factors: tuple[float, ...] = ()) -> Evaluated:
    pixels = torch.randint(0, 256, (12, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = resident(pixels, torch.arange(12) % 2, Normalisation((0.5,), (0.25,)))
    architecture = Architecture.uniform(unit, (1,), base_width=2, in_chans=1, num_classes=2, image_size=8)
    found = evaluate_network(build(architecture), images, torch.device("cpu"), noises=noises, factors=factors)
    return Evaluated(name, unit, found)


@pytest.mark.parametrize("kinds", [("gaussian",), ("gaussian", "poisson", "speckle")])
def test_there_is_a_figure_for_everything_that_was_evaluated(kinds: tuple[str, ...]) -> None:
    noises = usual_noises(kinds)  # type: ignore[arg-type]
    networks = [
        evaluated(name, unit, noises=noises, factors=(0.5, 2.0)) for name, unit in (("a & b", "conv"), ("p", "product"))
    ]
    figures = files(networks)
    assert set(figures) == {
        f"{name}.{kind}" for name in ("noise", "calibration", "intensity") for kind in ("png", "svg")
    }
    assert all(content.startswith(PNG) for name, content in figures.items() if name.endswith("png"))
    assert files(networks) == figures


def test_without_noise_and_factors_calibration_is_left() -> None:
    assert set(files([evaluated("a", "conv")])) == {"calibration.png", "calibration.svg"}


def test_a_network_without_finite_predictions_is_drawn() -> None:
    chosen = evaluated("a", "conv", noises=usual_noises(("speckle",)), factors=(2.0,))
    assert len(files([chosen, chosen, chosen])) == 6
