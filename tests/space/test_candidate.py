from __future__ import annotations

from typing import Any

import pytest

from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, ParameterKind

HYBRID = Architecture(units=(("product", "conv"),))
KINDS_OF: dict[str, set[ParameterKind]] = {
    "conv": {"trunk", "conv"},
    "product": {"trunk", "product_conv", "exponents", "thresholds"},
}


def with_rate(kind: ParameterKind, rate: float) -> Recipe:
    usual = Recipe.usual(CONV)
    return usual.model_copy(update={"learning_rate": usual.learning_rate.model_copy(update={kind: rate})})


def with_decay(kind: ParameterKind, start: float) -> Recipe:
    usual = Recipe.usual(CONV)
    decay: PerKind[WeightDecay] = usual.weight_decay.model_copy(update={kind: WeightDecay(start=start)})
    return usual.model_copy(update={"weight_decay": decay})


@pytest.mark.parametrize("unit", ["conv", "product"])
@pytest.mark.parametrize("kind", PARAMETER_KINDS)
def test_only_rates_and_decays_of_kinds_that_the_network_has_count(unit: str, kind: ParameterKind) -> None:
    architecture = Architecture.uniform(unit, (1,))
    usual = Candidate(architecture, Recipe.usual(CONV)).digest
    counts = kind in KINDS_OF[unit]
    assert (Candidate(architecture, with_rate(kind, 0.5)).digest != usual) is counts
    assert (Candidate(architecture, with_decay(kind, 0.5)).digest != usual) is counts


@pytest.mark.parametrize("kind", PARAMETER_KINDS)
def test_every_kind_counts_in_a_hybrid_network(kind: ParameterKind) -> None:
    assert Candidate(HYBRID, with_rate(kind, 0.5)).digest != Candidate(HYBRID, Recipe.usual(CONV)).digest


@pytest.mark.parametrize("change", [{"epochs": 3}, {"flip": False}, {"learning_rate_schedule": "cosine"}])
def test_every_other_setting_of_the_recipe_counts(change: dict[str, Any]) -> None:
    changed = Candidate(HYBRID, Recipe.usual(CONV, **change))
    assert changed.digest != Candidate(HYBRID, Recipe.usual(CONV)).digest


def test_settings_that_no_unit_reads_do_not_count() -> None:
    recipe = Recipe.usual(CONV)
    plain = Candidate(Architecture.uniform("conv", (1,)), recipe)
    assert Candidate(Architecture.uniform("conv", (1,), exponent_cap=None), recipe).digest == plain.digest
    assert Candidate(Architecture.uniform("conv", (2,)), recipe).digest != plain.digest


def test_digest_reads_back_from_json() -> None:
    candidate = Candidate(HYBRID, Recipe.usual(CONV))
    again = Candidate(Architecture.from_json(HYBRID.to_json()), Recipe.from_json(candidate.recipe.to_json()))
    assert again.digest == candidate.digest
    assert again == candidate
    assert len(candidate.digest) == 12
