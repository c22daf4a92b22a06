"""How many networks a space holds, the smallest and largest of them, and its baselines."""

from __future__ import annotations

import pytest
from space_samples import SMALL_SPACES, every_candidate, small_space

from pure_nas.cost.layers import cost_of
from pure_nas.space.architecture import Architecture
from pure_nas.space.axis import Axis
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import PRODUCT, get_unit

HYBRID = """
    [architecture]
    blocks_per_stage = { low = 1, high = 9 }
    base_width = { choices = [16, 24, 32] }
    units = { choices = ["conv", "product"], per = "layer" }
"""


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_the_count_is_the_number_of_distinct_canonical_architectures(name: str) -> None:
    space = small_space(name)
    assert space.count() == len({candidate.architecture.canonical() for candidate in every_candidate(name)})


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ("blocks_per_stage = 9", 2**27),
        ("blocks_per_stage = { low = 1, high = 3 }\nthreshold_init = { low = -4.0, high = 3.0 }", (2 + 4 + 8) ** 3),
        (
            "stages = 6\nblocks_per_stage = { low = 1, high = 200 }\nbase_width = { low = 1, high = 4096 }",
            4096 * (2**201 - 2) ** 6,
        ),
    ],
)
def test_large_spaces_are_counted_at_once(fields: str, count: int) -> None:
    units = 'units = { choices = ["conv", "product"], per = "layer" }'
    assert SearchSpace.from_toml(f"[architecture]\n{fields}\n{units}").count() == count


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_no_network_of_a_space_is_smaller_or_larger_than_the_extremes(name: str) -> None:
    space = small_space(name)
    everything = [cost_of(candidate.architecture) for candidate in every_candidate(name)]
    smallest = [cost_of(architecture) for architecture in space.smallest_architectures()]
    largest = [cost_of(architecture) for architecture in space.largest_architectures()]
    for measure in (lambda cost: cost.params, lambda cost: cost.flops):
        assert min(map(measure, everything)) == min(map(measure, smallest))
        assert max(map(measure, everything)) == max(map(measure, largest))


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_the_extremes_are_few_networks_of_the_space(name: str) -> None:
    space = small_space(name)
    recipe = space.baseline_recipe([PRODUCT])
    everything = {_without_thresholds(candidate.architecture) for candidate in every_candidate(name)}
    for found in (space.smallest_architectures(), space.largest_architectures()):
        assert 1 <= len(set(found)) == len(found) <= 32
        assert {_without_thresholds(architecture) for architecture in found} <= everything
        assert all(architecture.image_size == 8 for architecture in found)
    assert recipe.epochs == space.run.epochs


def _without_thresholds(architecture: Architecture) -> Architecture:
    still = {"threshold_init": (0.0,) * len(architecture.units), "threshold_trainable": True, "zero_gamma": False}
    return architecture.model_copy(update=still)


def labels(*units: str) -> list[str]:
    return [f"{unit} {size}" for unit in units for size in ("small", "middle", "large")]


def test_depths_and_values_are_sorted_from_the_smallest_to_the_largest() -> None:
    assert SearchSpace.from_toml(HYBRID).depths() == ((1, 1, 1), (5, 5, 5), (9, 9, 9))
    assert small_space("units per stage").depths() == ((1, 1, 1), (2, 2, 2))
    assert small_space("units per network").depths() == ((1, 2, 1), (2, 2, 1), (3, 2, 4))
    assert small_space("one network").depths() == ((2, 2, 2),)
    assert Axis((None, 20.0, 4.0)).values == (4.0, 20.0, None)  # without a bound is the largest


def test_baselines_are_networks_of_one_unit_with_the_middle_width() -> None:
    found = SearchSpace.from_toml(HYBRID).baseline_architectures()
    assert [label for label, _ in found] == labels("conv", "product")
    assert {architecture.base_width for _, architecture in found} == {24}
    assert dict(found)["product middle"] == Architecture.uniform("product", (5, 5, 5), base_width=24)


def test_baselines_have_only_units_of_the_space() -> None:
    found = small_space("convolutions only").baseline_architectures()
    assert [label for label, _ in found] == ["conv small", "conv large"]
    neither = SearchSpace.from_toml(HYBRID.replace('"conv", "product"', '"log-conv", "plain-conv"'))
    assert [label for label, _ in neither.baseline_architectures()] == labels("log-conv", "plain-conv")


def test_baselines_take_the_nearest_setting_where_the_space_lacks_the_default() -> None:
    space = SearchSpace.from_toml("""
        [architecture]
        blocks_per_stage = 1
        units = { choices = ["conv", "product"] }
        threshold_init = [-3.0, { low = 1.0, high = 2.0 }, { low = -1.0, high = 1.0 }]
        exponent_cap = { choices = [4.0, 10.0] }
        relu_after_add = true
    """)
    product = dict(space.baseline_architectures())["product small"]
    assert product.threshold_init == (-3.0, 1.0, 0.0)
    assert product.exponent_cap == 10.0
    assert product.relu_after_add


def test_the_baseline_recipe_has_the_units_rates_and_the_spaces_other_fields() -> None:
    space = SearchSpace.from_toml(HYBRID + '[recipe]\nlearning_rate_schedule = "cosine"\nflip = false\nmomentum = 0.8')
    recipe = space.with_run(epochs=7, batch_size=32).baseline_recipe([get_unit("product")])
    assert recipe.learning_rate.exponents == 0.01
    assert recipe.weight_decay.exponents.start == 1e-3
    assert (recipe.epochs, recipe.batch_size) == (7, 32)
    assert (recipe.learning_rate_schedule, recipe.flip, recipe.momentum) == ("cosine", False, 0.8)
