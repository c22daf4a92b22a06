"""Baselines are all-conv and all-product networks, each by its usual recipe and by one they share."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pure_nas.plans.search.baselines as module
from pure_nas.plans.search.baselines import baselines
from pure_nas.space.recipe import Recipe
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import CONV, PRODUCT

TEXT = """
[run]
epochs = 7
batch_size = 32
[architecture]
blocks_per_stage = {{ low = 1, high = 5 }}
base_width = {{ choices = [4, 8, 16] }}
units = {units}
"""
BOTH = '{ choices = ["conv", "product"], per = "layer" }'


def space(units: str = BOTH) -> SearchSpace:
    return SearchSpace.from_toml(TEXT.format(units=units))


def test_both_units_are_trained_at_three_depths_with_two_recipes() -> None:
    found = baselines(space())
    assert [each.label for each in found] == [
        f"{unit} {size}, {recipe} recipe"
        for unit in ("conv", "product")
        for size in ("small", "middle", "large")
        for recipe in ("usual", "shared")
    ]
    assert [each.candidate.architecture.blocks_per_stage for each in found[:6:2]] == [(1,) * 3, (3,) * 3, (5,) * 3]
    assert {each.candidate.architecture.base_width for each in found} == {8}
    for each in found:
        assert each.candidate.architecture.unit_set == {each.label.split()[0]}
        assert (each.candidate.recipe.epochs, each.candidate.recipe.batch_size) == (7, 32)


def test_usual_recipes_differ_and_the_shared_one_is_the_same_for_both() -> None:
    by_label = {each.label: each.candidate.recipe for each in baselines(space())}
    fields = {"epochs": 7, "batch_size": 32}
    assert by_label["conv small, usual recipe"] == Recipe.usual(CONV, **fields)
    assert by_label["product small, usual recipe"] == Recipe.usual(PRODUCT, **fields)
    shared = Recipe.shared([CONV, PRODUCT], **fields)
    assert by_label["conv small, shared recipe"] == by_label["product large, shared recipe"] == shared


@pytest.mark.parametrize("unit", ["conv", "product"])
def test_a_space_of_one_unit_has_its_usual_recipe_alone(unit: str) -> None:
    found = baselines(space(f'"{unit}"'))
    assert [each.label for each in found] == [f"{unit} {size}, usual recipe" for size in ("small", "middle", "large")]


def test_units_with_equal_usual_recipes_are_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = {unit.name: replace(unit, usual_learning_rate=0.05, usual_weight_decay=1e-3) for unit in (CONV, PRODUCT)}
    monkeypatch.setattr(module, "get_unit", alike.__getitem__)
    assert {each.label.rpartition(", ")[2] for each in baselines(space())} == {"usual recipe"}
