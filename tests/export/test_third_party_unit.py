"""Units of other packages are exported like the built-in ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_exported_network import exported

import pure_nas.space.unit
from pure_nas.errors import PureNasError
from pure_nas.export import python_source
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import Unit, UnitCost

SOURCE = '''
import math

from torch import Tensor, nn
from torch.nn import functional as F

SCALE = 2.0


class LogConv(nn.Module):
    """A convolution of logarithms."""

    def __init__(self, in_channels: int, out_channels: int, floor: float = 0.1, style: str = "plain") -> None:
        super().__init__()
        self.floor = floor
        self.style = style
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.relu(x).clamp_min(self.floor).log())


class Leaning(LogConv):
    """Needs what an exported file lacks."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * math.sqrt(SCALE)


class Stem(nn.Module):
    pass
'''


@pytest.fixture
def log_conv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    """The unit "log-convolution", installed."""
    import sys

    (tmp_path / "log_conv_package.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    unit = Unit(
        name="log-convolution",
        summary="a convolution of logarithms",
        implementation="log_conv_package:LogConv",
        arguments=lambda place: {
            "in_channels": place.in_channels,
            "out_channels": place.out_channels,
            "floor": 0.25,
            "style": "plain",
        },
        cost=lambda place: UnitCost(params=place.weights, macs=place.macs, elementwise=0),
        parameter_kinds={"conv.weight": "conv"},
        source="log_conv_package:LogConv",
    )
    install(monkeypatch, unit)
    yield unit
    sys.modules.pop("log_conv_package", None)


def install(monkeypatch: pytest.MonkeyPatch, unit: Unit) -> None:
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, unit.name, unit)


ARCHITECTURE = {"units": (("log-convolution", "product"),), "base_width": 3, "image_size": 6}


@pytest.mark.usefixtures("log_conv")
def test_network_with_a_third_party_unit_is_exported(
    isolated: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    exported(tmp_path, Architecture.model_validate(ARCHITECTURE))
    answer = isolated(tmp_path)
    assert "error" not in answer, answer
    assert answer["float64"] <= 1e-10
    assert answer["float32"] <= 1e-4
    assert "ResidualBlock(3, 3, LogConv(3, 3, floor=0.25), nn.Identity(), " in (tmp_path / "network.py").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "log_conv_package:Leaning"}, "its source uses LogConv, SCALE, math"),
        ({"source": "log_conv_package:Stem"}, 'already has a "Stem"'),
        ({"source": "log_conv_package:Missing"}, "log_conv_package:Missing does not import"),
        ({"source": "log_conv_package:SCALE"}, "is not a class"),
        ({"source": None}, "names no source"),
    ],
)
def test_unit_that_cannot_stand_alone_is_refused(
    log_conv: Unit, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    install(monkeypatch, replace(log_conv, **changes))
    with pytest.raises(PureNasError, match=message):
        python_source(Architecture.model_validate(ARCHITECTURE))


def test_unit_of_pytorch_is_written_by_its_name(log_conv: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = replace(
        log_conv,
        implementation="torch.nn:Conv2d",
        source=None,
        arguments=lambda place: {
            "in_channels": place.in_channels,
            "out_channels": place.out_channels,
            "kernel_size": 1,
            "padding_mode": "reflect",
        },
    )
    install(monkeypatch, unit)
    source = python_source(Architecture.model_validate(ARCHITECTURE))
    assert 'nn.Conv2d(3, 3, 1, padding_mode="reflect")' in source
