from __future__ import annotations

from typing import Any

import pytest

from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, ParameterKind

HYBRID = Architecture(units=(("product", "conv"),))
KINDS_OF: list[tuple[Architecture, set[ParameterKind]]] = [
    (Architecture.uniform("conv", (1,)), {"trunk", "conv"}),
    (Architecture.uniform("product", (1,)), {"trunk", "product_conv", "exponents", "thresholds"}),
    (HYBRID, set(PARAMETER_KINDS)),
]


def with_rate(kind: ParameterKind, rate: float) -> Recipe:
    usual = Recipe.usual(CONV)
    return usual.model_copy(update={"learning_rate": usual.learning_rate.model_copy(update={kind: rate})})


def with_decay(kind: ParameterKind, start: float) -> Recipe:
    usual = Recipe.usual(CONV)
    decay: PerKind[WeightDecay] = usual.weight_decay.model_copy(update={kind: WeightDecay(start=start)})
    return usual.model_copy(update={"weight_decay": decay})


@pytest.mark.parametrize(("architecture", "kinds"), KINDS_OF)
@pytest.mark.parametrize("kind", PARAMETER_KINDS)
def test_only_rates_and_decays_of_kinds_that_the_network_has_count(
    architecture: Architecture, kinds: set[ParameterKind], kind: ParameterKind
) -> None:
    usual = Candidate(architecture, Recipe.usual(CONV)).digest
    assert (Candidate(architecture, with_rate(kind, 0.5)).digest != usual) is (kind in kinds)
    assert (Candidate(architecture, with_decay(kind, 0.5)).digest != usual) is (kind in kinds)


@pytest.mark.parametrize("change", [{"epochs": 3}, {"flip": False}, {"learning_rate_schedule": "cosine"}])
def test_every_other_setting_of_the_recipe_counts(change: dict[str, Any]) -> None:
    changed = Candidate(HYBRID, Recipe.usual(CONV, **change))
    assert changed.digest != Candidate(HYBRID, Recipe.usual(CONV)).digest
