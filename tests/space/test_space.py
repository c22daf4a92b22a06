from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial, Trial
from space_samples import SMALL_SPACES

from pure_nas.errors import ConfigError
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import SPACES
from pure_nas.space.parameters import Located
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import CONV, PRODUCT

optuna.logging.set_verbosity(optuna.logging.WARNING)

RICH = """
    [run]
    epochs = 5
    batch_size = 16
    [architecture]
    blocks_per_stage = { low = 1, high = 3 }
    base_width = { choices = [4, 8] }
    units = { choices = ["conv", "product"], per = "layer" }
    threshold_init = { low = -4.0, high = 3.0, per = "stage" }
    exponent_cap = { choices = [20.0, "none"] }
    relu_after_add = { choices = [false, true] }
    [recipe]
    momentum = { low = 0.5, high = 0.99 }
    crop_padding = { low = 0, high = 4 }
    [recipe.learning_rate]
    conv = { low = 0.01, high = 0.3, log = true }
    exponents = { low = 0.001, high = 0.1, log = true }
    [recipe.weight_decay.exponents]
    schedule = { choices = ["constant", "cosine"] }
    start = { low = 1e-5, high = 1e-2, log = true }
    end = { low = 1e-6, high = 1e-2, log = true }
"""
SHARED = """
    [architecture]
    blocks_per_stage = { low = 1, high = 2, per = "network" }
    units = { patterns = ["conv", "product", "conv | product"] }
    threshold_init = { low = -1.0, high = 1.0, per = "network" }
    [recipe]
    learning_rate = { low = 0.01, high = 0.1, log = true }
    weight_decay = { schedule = { choices = ["constant", "step"] }, start = 1e-3, end = { choices = [1e-4, "none"] } }
"""
TEXTS = [
    RICH,
    SHARED,
    *("[architecture]\n" + text for text in SMALL_SPACES.values()),
    *map(SPACES.text, SPACES.places),
]


def new_trial(seed: int) -> Trial:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def params_of(candidate_toml: str, params: dict[str, Any]) -> Candidate:
    return SearchSpace.from_toml(candidate_toml).suggest(FixedTrial(params))


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_suggestion_is_valid_and_its_parameters_are_found_again(text: str, seed: int) -> None:
    space = SearchSpace.from_toml(text)
    trial = new_trial(seed)
    candidate = space.suggest(trial)
    located = space.parameters_of(candidate)
    assert located.outside == ()
    assert candidate.architecture == candidate.architecture.canonical()
    assert space.suggest(FixedTrial(dict(located.params))) == candidate
    if space.architecture.units.per is not None:  # of patterns that place the same units the first is found
        assert located.params == trial.params
        assert located.distributions == trial.distributions


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_only_what_the_candidate_has_is_suggested(seed: int) -> None:
    trial = new_trial(seed)
    architecture = SearchSpace.from_toml(RICH).suggest(trial).architecture
    layers = {f"units.{stage}.{i}" for stage, names in enumerate(architecture.units) for i in range(len(names))}
    multiplying = {f"threshold_init.{stage}" for stage, names in enumerate(architecture.units) if "product" in names}
    product_only = {"exponent_cap", "relu_after_add", "learning_rate.exponents", "weight_decay.exponents.start"}
    assert {name for name in trial.params if name.startswith("units")} == layers
    assert {name for name in trial.params if name.startswith("threshold_init")} == multiplying
    assert product_only & set(trial.params) == (product_only if multiplying else set())
    assert ("learning_rate.conv" in trial.params) == ("conv" in architecture.unit_set)
    varies = trial.params.get("weight_decay.exponents.schedule", "constant") != "constant"
    assert ("weight_decay.exponents.end" in trial.params) == varies


def test_what_is_left_out_has_the_defaults_of_a_shared_recipe() -> None:
    candidate = params_of('[architecture]\nblocks_per_stage = 3\nunits = "conv | product"', {})
    assert candidate.recipe == Recipe.shared([CONV, PRODUCT], epochs=30, batch_size=128)
    assert candidate.architecture.units == (("conv",) * 3, ("product",) * 3, ("product",) * 3)
    assert candidate.architecture.base_width == 16


def test_one_learning_rate_and_one_weight_decay_can_serve_all_kinds() -> None:
    params = {"blocks_per_stage": 1, "units": "conv | product", "threshold_init": 0.5, "learning_rate": 0.05}
    decay = {"weight_decay.schedule": "step", "weight_decay.end": 1e-4}
    recipe = params_of(SHARED, {**params, **decay}).recipe
    assert set(recipe.learning_rate.model_dump().values()) == {0.05}
    assert recipe.weight_decay.exponents == recipe.weight_decay.conv
    assert (recipe.weight_decay.conv.schedule, recipe.weight_decay.conv.end) == ("step", 1e-4)


def test_a_plain_number_or_axis_is_a_constant_weight_decay() -> None:
    text = '[architecture]\nblocks_per_stage = 1\nunits = "product"\n[recipe.weight_decay]\nexponents = 0.5\n'
    candidate = params_of(text + "trunk = { low = 0.0, high = 1.0 }", {"weight_decay.trunk.start": 0.25})
    assert candidate.recipe.weight_decay.exponents.start == 0.5
    assert candidate.recipe.weight_decay.trunk.start == 0.25


def test_patterns_repeat_over_the_blocks_and_the_last_part_goes_on() -> None:
    text = '[architecture]\nfamily = "imagenet"\nblocks_per_stage = [3, 4, 6, 3]\nunits = " conv|  conv product "'
    units = params_of(text, {}).architecture.units
    assert units[0] == ("conv",) * 3
    assert units[1] == ("conv", "product") * 2
    assert units[3] == ("conv", "product", "conv")


@pytest.mark.parametrize(("family", "stages"), [("cifar", 3), ("imagenet", 4)])
def test_the_family_decides_the_number_of_stages_unless_a_list_does(family: str, stages: int) -> None:
    text = f'[architecture]\nfamily = "{family}"\nunits = "conv"\nblocks_per_stage = '
    assert SearchSpace.from_toml(text + "2").depths() == ((2,) * stages,)
    assert SearchSpace.from_toml(text + "[1, 2]").depths() == ((1, 2),)
    assert SearchSpace.from_toml(text + "2\nstages = 5").depths() == ((2,) * 5,)


def test_images_reach_the_candidates_and_leave_the_space_alone() -> None:
    space = SearchSpace.from_toml('[architecture]\nblocks_per_stage = 1\nunits = "conv"')
    grey = space.with_images(in_chans=1, num_classes=7, image_size=28)
    architecture = grey.suggest(FixedTrial({})).architecture
    assert (architecture.in_chans, architecture.num_classes, architecture.image_size) == (1, 7, 28)
    assert grey.with_run(epochs=2).images == {"in_chans": 1, "num_classes": 7, "image_size": 28}
    assert space.suggest(FixedTrial({})).architecture.in_chans == 3
    with pytest.raises(ConfigError, match=r"\n  num_classes: .* got 1"):
        space.with_images(in_chans=1, num_classes=1, image_size=28)


def test_run_settings_are_replaced_one_by_one() -> None:
    space = SearchSpace.from_toml(RICH)
    changed = space.with_run(trials=3).with_run(batch_size=64)
    assert (changed.run.trials, changed.run.epochs, changed.run.batch_size) == (3, 5, 64)
    assert space.run.trials == 100
    with pytest.raises(ConfigError, match=r"epochs: .* got 0"):
        space.with_run(epochs=0)


@pytest.mark.parametrize("text", TEXTS)
def test_a_space_survives_being_written(text: str) -> None:
    space = SearchSpace.from_toml(text)
    assert SearchSpace.from_toml(space.to_toml()) == space
    assert SearchSpace.model_validate(space.model_dump(mode="json", by_alias=True)) == space


def test_a_range_of_one_value_and_a_single_choice_are_fixed() -> None:
    text = """
        [architecture]
        blocks_per_stage = { low = 2, high = 2, per = "network" }
        base_width = { choices = [8] }
        units = { choices = ["product"], per = "network" }
        threshold_init = { low = 1, high = 1.0 }
    """
    assert params_of(text, {}).architecture.threshold_init == (1.0, 1.0, 1.0)
    assert SearchSpace.from_toml(text).count() == 1


USUAL = Recipe.shared([CONV, PRODUCT], epochs=5, batch_size=16)
OTHERS = {
    "other fields": USUAL.model_copy(update={"nesterov": True, "epochs": 10}),
    "other rates": USUAL.model_copy(
        update={"learning_rate": USUAL.learning_rate.model_copy(update={"exponents": 50.0, "thresholds": 3.0})}
    ),
}
CONVOLUTIONS = (("conv",),) * 4


def candidate(units: Any = (("product",),) * 3, recipe: Recipe = USUAL, **fields: Any) -> Candidate:
    return Candidate(Architecture(units=units, **{"base_width": 8, **fields}), recipe)


def located(given: Candidate, per: str = "layer") -> Located:
    return SearchSpace.from_toml(RICH.replace('per = "layer"', f'per = "{per}"')).parameters_of(given)


def test_values_outside_are_named_and_the_walk_goes_on_with_the_candidates_structure() -> None:
    deep = (("product",) * 5, ("conv",), ("conv", "product"))
    found = located(candidate(deep, base_width=64, threshold_init=(3.5, 0.0, 0.5)))
    assert found.outside == ("blocks_per_stage.0", "base_width", "threshold_init.0")
    assert found.params["units.0.4"] == "product"
    assert found.params["threshold_init.2"] == 0.5
    assert "threshold_init.1" not in found.params
    assert set(found.params) == set(found.distributions)


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
    assert located(candidate(units), per).outside == outside


@pytest.mark.parametrize(
    ("given", "outside"),
    [
        (candidate(image_size=64, zero_gamma=True), ("image_size", "zero_gamma")),
        (candidate(recipe=OTHERS["other fields"]), ("nesterov", "epochs")),
        (candidate(CONVOLUTIONS), ("stages",)),
        (candidate(CONVOLUTIONS[:2], family="imagenet"), ("family", "stages")),
        # Settings and rates that the network lacks do not count.
        (candidate(CONVOLUTIONS[:3], OTHERS["other rates"], relu_after_add=True, exponent_cap=3.0), ()),
    ],
)
def test_fixed_values_that_differ_are_outside(given: Candidate, outside: tuple[str, ...]) -> None:
    assert located(given).outside == outside


def test_the_first_pattern_that_fits_is_found() -> None:
    text = """
        [run]
        epochs = 5
        batch_size = 16
        [architecture]
        base_width = 8
        blocks_per_stage = { low = 1, high = 2 }
        units = { patterns = ["conv product", "conv"] }
    """
    patterns = SearchSpace.from_toml(text)
    assert patterns.parameters_of(candidate((("conv",),) * 3)).params["units"] == "conv product"
    assert patterns.parameters_of(candidate((("conv",), ("conv", "conv"), ("conv",)))).params["units"] == "conv"
    assert patterns.parameters_of(candidate((("product",),) * 3)).outside == ("units",)


@pytest.mark.parametrize("end", [None, 1e-4])
def test_a_weight_decay_without_an_end_ends_where_it_starts(end: float | None) -> None:
    decay = WeightDecay(schedule="cosine", start=1e-4, end=end)
    recipe = USUAL.model_copy(update={"weight_decay": USUAL.weight_decay.model_copy(update={"exponents": decay})})
    found = located(candidate(recipe=recipe))
    assert found.outside == ()
    assert found.params["weight_decay.exponents.end"] == 1e-4
