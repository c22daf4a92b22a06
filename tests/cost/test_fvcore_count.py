"""What fvcore counts of a network, whose and however it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pure_nas.cost.fvcore_count import count, count_architecture
from pure_nas.cost.layers import cost_of
from pure_nas.errors import PureNasError
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import CONV, PRODUCT, UnitCost, UnitPlace

MIXED = Architecture(units=(("product", "conv"), ("product",)), base_width=3, in_chans=2, image_size=9)


@pytest.mark.parametrize("prepare", [nn.Module.train, nn.Module.eval, nn.Module.double])
def test_the_count_is_the_same_in_every_mode_and_in_double_precision(prepare: Callable[[nn.Module], nn.Module]) -> None:
    assert count(prepare(build(MIXED)), 2, 9) == cost_of(MIXED)


def test_a_network_that_is_not_ours_is_counted_too() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, bias=False)
            self.linear = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(F.relu(self.conv(x)).exp().mean((2, 3)))

    cost = count(Plain(), 3, 8)
    assert cost.params == 4 * 3 * 9 + 4 * 5 + 5
    assert cost.macs == 4 * 3 * 9 * 36 + 4 * 5
    assert cost.elementwise == 4 * 36


def test_what_was_counted_before_is_not_traced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = count_architecture(MIXED)
    monkeypatch.setattr("pure_nas.cost.fvcore_count.FlopCountAnalysis", lambda *_: pytest.fail("it was traced again"))
    assert count_architecture(MIXED) == first
    deeper = MIXED.model_copy(
        update={"units": (("product", "conv", "conv"), ("product",)), "threshold_init": (1.0, 2.0)}
    )
    assert count_architecture(deeper) == cost_of(deeper)


@pytest.mark.parametrize("part", ["params", "macs", "elementwise"])
def test_a_unit_with_a_wrong_cost_is_refused_also_where_the_parts_are_known(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(place: UnitPlace) -> UnitCost:
        right = PRODUCT.cost(place)
        return replace(right, **{part: getattr(right, part) + 1})

    count_architecture(MIXED)
    monkeypatch.setattr("pure_nas.space.unit.UNITS.built_in", {"conv": CONV, "product": replace(PRODUCT, cost=wrong)})
    with pytest.raises(PureNasError, match=r"closed-form cost .* differs from what fvcore counts") as raised:
        count_architecture(MIXED)
    assert "conv, product" in raised.value.hint
