"""What PyTorch's CPU library computes of our convolutions is right, whatever instruction set it finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from convolution_driver import Recorder
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network, build
from pure_nas.nn.plain.blocks import ProjectionShortcut
from pure_nas.space.architecture import Architecture

DRIVER = Path(__file__).parent / "convolution_driver.py"


@pytest.mark.parametrize(
    ("most", "step"),
    [("AVX2", 4), *(pytest.param(most, 1, marks=pytest.mark.slow) for most in ("AVX2", "DEFAULT"))],
    ids=["AVX2, every fourth", "AVX2", "DEFAULT"],
)
def test_every_convolution_of_the_shipped_spaces_has_the_right_gradients(most: str, step: int) -> None:
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": most}
    command = [sys.executable, DRIVER, str(step)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()[-1]
    assert found.endswith(" convolutions, 0 faults"), done.stdout
    assert int(found.split()[0]) > 300 // step


@pytest.mark.parametrize("in_channels", [1, 8, 15, 16, 32])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 7, 8])
def test_a_projection_is_a_strided_convolution_of_one_pixel(in_channels: int, stride: int, size: int) -> None:
    shortcut = ProjectionShortcut(in_channels, 6, stride).double().eval()
    shortcut.norm = nn.Identity()  # type: ignore[assignment]
    x = torch.randn(2, in_channels, size, size, dtype=torch.float64, requires_grad=True)
    weight = shortcut.conv.weight

    def gradients(out: Tensor) -> tuple[Tensor, ...]:
        return (out, *torch.autograd.grad(out.square().sum(), (x, weight)))

    for found, expected in zip(gradients(shortcut(x)), gradients(F.conv2d(x, weight, None, stride)), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("form", [nn.Module.train, folded], ids=["trained", "scored"])
def test_no_form_of_a_narrow_network_convolves_single_pixels_with_a_stride(
    form: Callable[[Network], nn.Module],
) -> None:
    network = form(build(Architecture.uniform("product", (1, 1, 1), base_width=4, image_size=16)))
    with Recorder() as recorder, torch.no_grad():
        network(torch.zeros(2, 3, 16, 16))
    assert len(recorder.found) >= 7
    assert not [each for each in recorder.found if each[1][2:] == (1, 1) and each[2] > 1]
