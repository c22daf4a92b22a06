from __future__ import annotations

from typing import Any

import pytest

from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import CONV, PRODUCT

TEXT = """
    [architecture]
    blocks_per_stage = { low = 1, high = 3 }
    base_width = { choices = [8, 16] }
    units = { choices = ["conv", "product"], per = "PER" }
    threshold_init = { low = -1.0, high = 1.0 }
    [recipe.learning_rate]
    exponents = { low = 0.005, high = 0.1, log = true }
    [recipe.weight_decay.exponents]
    schedule = { choices = ["constant", "step"] }
    start = { low = 1e-5, high = 1e-2, log = true }
    end = { low = 1e-6, high = 1e-2, log = true }
"""


def space(per: str = "layer") -> SearchSpace:
    return SearchSpace.from_toml(TEXT.replace("PER", per))


USUAL = Recipe.shared([CONV, PRODUCT], epochs=30)
OTHERS = {
    "other fields": USUAL.model_copy(update={"momentum": 0.5, "epochs": 10}),
    "other rates": USUAL.model_copy(
        update={"learning_rate": USUAL.learning_rate.model_copy(update={"exponents": 50.0, "thresholds": 3.0})}
    ),
}
CONVOLUTIONS = (("conv",),) * 4


def candidate(units: Any = (("product",),) * 3, recipe: Recipe = USUAL, **fields: Any) -> Candidate:
    return Candidate(Architecture(units=units, **fields), recipe)


def test_values_outside_are_named_and_the_walk_goes_on_with_the_candidates_structure() -> None:
    deep = (("product",) * 5, ("conv",), ("conv", "product"))
    located = space().parameters_of(candidate(deep, base_width=64, threshold_init=(2.0, 0.0, 0.5)))
    assert located.outside == ("blocks_per_stage.0", "base_width", "threshold_init.0")
    assert located.params["units.0.4"] == "product"
    assert located.params["threshold_init.2"] == 0.5
    assert "threshold_init.1" not in located.params
    assert set(located.params) == set(located.distributions)


@pytest.mark.parametrize(
    ("per", "units", "outside"),
    [
        ("layer", (("product", "conv"), ("conv",), ("conv",)), ()),
        ("stage", (("product", "product"), ("conv",), ("conv",)), ()),
        ("stage", (("product", "conv"), ("conv",), ("conv",)), ("units.0",)),
        ("network", (("conv", "conv"), ("conv",), ("conv",)), ()),
        ("network", (("conv", "conv"), ("conv",), ("product",)), ("units",)),
    ],
)
def test_units_that_are_decided_together_must_agree(per: str, units: Any, outside: tuple[str, ...]) -> None:
    assert space(per).parameters_of(candidate(units)).outside == outside


@pytest.mark.parametrize(
    ("given", "outside"),
    [
        (candidate(image_size=64, relu_after_add=True), ("image_size", "relu_after_add")),
        (candidate(recipe=OTHERS["other fields"]), ("momentum", "epochs")),
        (candidate(CONVOLUTIONS), ("stages",)),
        (candidate(CONVOLUTIONS[:2], family="imagenet"), ("family", "stages")),
        # Settings and rates that the network lacks do not count.
        (candidate(CONVOLUTIONS[:3], OTHERS["other rates"], relu_after_add=True, exponent_cap=3.0), ()),
    ],
)
def test_fixed_values_that_differ_are_outside(given: Candidate, outside: tuple[str, ...]) -> None:
    assert space().parameters_of(given).outside == outside


def test_the_first_pattern_that_fits_is_found() -> None:
    text = '[architecture]\nblocks_per_stage = { low = 1, high = 2 }\nunits = { patterns = ["conv product", "conv"] }'
    patterns = SearchSpace.from_toml(text)
    assert patterns.parameters_of(candidate((("conv",),) * 3)).params["units"] == "conv product"
    assert patterns.parameters_of(candidate((("conv",), ("conv", "conv"), ("conv",)))).params["units"] == "conv"
    assert patterns.parameters_of(candidate((("product",),) * 3)).outside == ("units",)


@pytest.mark.parametrize("end", [None, 1e-4])
def test_a_weight_decay_without_an_end_ends_where_it_starts(end: float | None) -> None:
    decay = WeightDecay(schedule="step", start=1e-4, end=end)
    recipe = USUAL.model_copy(update={"weight_decay": USUAL.weight_decay.model_copy(update={"exponents": decay})})
    located = space().parameters_of(candidate(recipe=recipe))
    assert located.outside == ()
    assert located.params["weight_decay.exponents.end"] == 1e-4
