"""Each parameter is trained at the rate and decay of its kind, at every moment of the schedule."""

from __future__ import annotations

import pytest
import torch
from small_training import MIXED, recipe

from pure_nas.nn import build, parameter_kinds
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind
from pure_nas.training.step import apply_schedules, make_optimizer

RATES: dict[ParameterKind, float] = dict(zip(PARAMETER_KINDS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
DECAYS: dict[ParameterKind, WeightDecay] = {
    "trunk": WeightDecay(start=0.01),
    "conv": WeightDecay(schedule="linear", start=0.1, end=0.3),
    "product_conv": WeightDecay(schedule="cosine", start=0.4, end=0.0),
    "exponents": WeightDecay(schedule="step", start=0.5, end=0.05),
    "thresholds": WeightDecay(start=0.0),
}
HALFWAY_DECAY = {"trunk": 0.01, "conv": 0.2, "product_conv": 0.2, "exponents": 0.05, "thresholds": 0.0}
LAST_DECAY = {"trunk": 0.01, "conv": 0.3, "product_conv": 0.0, "exponents": 0.05, "thresholds": 0.0}


def by_kind(**fields: object) -> Recipe:
    return recipe(learning_rate=RATES, weight_decay=DECAYS, **fields)


def settings_of(optimizer: torch.optim.Optimizer, name: str) -> dict[str, float]:
    return {group["kind"]: group[name] for group in optimizer.param_groups}


@pytest.mark.parametrize(
    ("schedule", "halfway", "last"), [("constant", 1.0, 1.0), ("step", 0.1, 0.01), ("cosine", 0.5, 0.0)]
)
def test_schedules_are_applied_to_each_kind(schedule: str, halfway: float, last: float) -> None:
    chosen = by_kind(learning_rate_schedule=schedule)
    optimizer = make_optimizer(build(MIXED), chosen)
    for progress, factor, decay in (
        (0.0, 1.0, {kind: each.start for kind, each in DECAYS.items()}),
        (0.5, halfway, HALFWAY_DECAY),
        (1.0, last, LAST_DECAY),
    ):
        apply_schedules(optimizer, chosen, progress)
        expected = {kind: rate * factor for kind, rate in RATES.items()}
        assert settings_of(optimizer, "lr") == pytest.approx(expected)
        assert settings_of(optimizer, "weight_decay") == pytest.approx(decay)


def test_the_first_step_already_has_its_rates_and_decays() -> None:
    optimizer = make_optimizer(build(MIXED), by_kind(momentum=0.7, nesterov=True))
    assert settings_of(optimizer, "lr") == RATES
    assert settings_of(optimizer, "weight_decay") == {kind: decay.start for kind, decay in DECAYS.items()}
    assert set(settings_of(optimizer, "momentum").values()) == {0.7}
    assert set(settings_of(optimizer, "nesterov").values()) == {True}


def test_warmup_raises_the_rates_from_zero() -> None:
    chosen = by_kind(epochs=10, warmup_epochs=2.0, learning_rate_schedule="constant")
    optimizer = make_optimizer(build(MIXED), chosen)
    for progress, factor in ((0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (1.0, 1.0)):
        apply_schedules(optimizer, chosen, progress)
        assert settings_of(optimizer, "lr") == pytest.approx({kind: rate * factor for kind, rate in RATES.items()})


@pytest.mark.parametrize("trainable", [True, False])
def test_every_trainable_parameter_is_in_the_group_of_its_kind_once(trainable: bool) -> None:
    network = build(MIXED.model_copy(update={"threshold_trainable": trainable}))
    optimizer = make_optimizer(network, recipe())
    kinds = parameter_kinds(network)
    expected = {id(each): kinds[name] for name, each in network.named_parameters() if each.requires_grad}
    grouped = [(id(each), group["kind"]) for group in optimizer.param_groups for each in group["params"]]
    assert len(grouped) == len(expected)
    assert dict(grouped) == expected
    assert set(expected.values()) == set(PARAMETER_KINDS) - (set() if trainable else {"thresholds"})


def test_a_network_without_product_units_has_no_groups_for_them() -> None:
    optimizer = make_optimizer(build(MIXED.with_unit("conv")), recipe())
    assert [group["kind"] for group in optimizer.param_groups] == ["trunk", "conv"]
