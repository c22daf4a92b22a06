"""Limits are shares of a bound, and impossible ones are refused."""

from __future__ import annotations

import pytest

from pure_nas.cost.layers import cost_of
from pure_nas.errors import UsageError
from pure_nas.plans.search.limits import Limits
from pure_nas.space.architecture import Architecture
from pure_nas.space.search_space import SearchSpace

PURE20 = Architecture.named("pure20")
SPACE = SearchSpace.from_toml(
    """
    [architecture]
    blocks_per_stage = { low = 1, high = 3 }
    base_width = { choices = [8, 16] }
    units = { choices = ["conv", "product"], per = "layer" }
    """
)


def never(architecture: Architecture) -> float:
    raise AssertionError("latency was measured although nothing limits it")


def test_a_constraint_is_the_share_by_which_a_bound_is_broken() -> None:
    cost = cost_of(PURE20)
    limits = Limits(params=cost.params // 2, flops=2 * cost.flops, latency_ms=4.0)
    constraints = limits.constraints(PURE20, lambda _: 5.0)
    assert constraints == {
        "max_params": pytest.approx(1.0, abs=1e-4),
        "max_flops": pytest.approx(-0.5),
        "max_latency_ms": pytest.approx(0.25),
    }


def test_a_cost_that_equals_its_bound_keeps_it() -> None:
    cost = cost_of(PURE20)
    exact = Limits(params=cost.params, flops=cost.flops).constraints(PURE20, never)
    assert exact == {"max_params": 0.0, "max_flops": 0.0}
    assert Limits(params=cost.params - 1).constraints(PURE20, never)["max_params"] > 0


def test_without_limits_nothing_is_checked_or_measured() -> None:
    assert Limits().given == {}
    assert Limits().constraints(PURE20, never) == {}
    Limits().require_possible(SPACE, never)


def test_the_smallest_network_of_the_space_decides_what_is_possible() -> None:
    smallest = min(cost_of(each).params for each in SPACE.smallest_architectures())
    Limits(params=smallest).require_possible(SPACE, never)
    with pytest.raises(UsageError, match="No network of this space keeps the limit of") as raised:
        Limits(params=smallest - 1).require_possible(SPACE, never)
    assert f"the smallest has {smallest:,} params" in raised.value.message
    assert "Raise the limit" in raised.value.hint


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(flops=10), "keeps the limit of 10 flops"),
        (Limits(latency_ms=0.5), "keeps the limit of 0.5 ms: the smallest has 2 ms"),
    ],
)
def test_each_limit_is_named_with_its_unit(limits: Limits, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        limits.require_possible(SPACE, lambda _: 2.0)
    assert words in raised.value.message
