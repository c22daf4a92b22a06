from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pytest

from pure_nas.errors import ConfigError
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, PRODUCT


def test_json_reads_back_as_the_same_recipe() -> None:
    decays = {
        "trunk": WeightDecay(start=0.01),
        "conv": WeightDecay(schedule="linear", start=0.1, end=0.3),
        "product_conv": WeightDecay(schedule="cosine", start=1 / 3, end=0.0),
        "exponents": WeightDecay(schedule="step", start=1e-300),
        "thresholds": WeightDecay(start=0.0),
    }
    rates = dict(zip(PARAMETER_KINDS, (1e-300, 0.1, 1 / 3, 2.0, 100.0), strict=True))
    augmented = {"flip": False, "random_resized_crop": 1 / 3, "vertical_flip": True, "quarter_turns": True}
    schedule = {"learning_rate_schedule": "cosine", "warmup_epochs": 1 / 3, "gradient_clip_norm": 0.1, "momentum": 0.7}
    for fields in ({}, {"learning_rate": rates, "weight_decay": decays, **augmented, **schedule}):
        recipe = Recipe.usual(CONV, **fields)
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert hash(Recipe.from_json(recipe.to_json())) == hash(recipe)


@pytest.mark.parametrize(
    ("schedule", "warmup", "corners"),
    [
        ("constant", 0.0, [(0.0, 1.0), (1.0, 1.0)]),
        ("step", 0.0, [(0.0, 1.0), (0.4999, 1.0), (0.5, 0.1), (0.7499, 0.1), (0.75, 0.01), (1.0, 0.01)]),
        ("cosine", 0.0, [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]),
        ("constant", 10.0, [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0)]),
        ("step", 10.0, [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0)]),
        ("cosine", 10.0, [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]),
    ],
)
def test_learning_rate_follows_its_schedule(schedule: Any, warmup: float, corners: list[tuple[float, float]]) -> None:
    recipe = Recipe.usual(CONV, learning_rate_schedule=schedule, epochs=100, warmup_epochs=warmup)
    for progress, factor in corners:
        assert recipe.learning_rate_factor(progress) == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "corners"),
    [
        ("constant", []),
        ("linear", [(0.0, 4.0), (0.25, 3.5), (1.0, 2.0)]),
        ("cosine", [(0.0, 4.0), (0.25, 4 - 2 * (1 - math.sqrt(0.5)) / 2), (0.5, 3.0), (1.0, 2.0)]),
        ("step", [(0.0, 4.0), (0.4999, 4.0), (0.5, 2.0), (1.0, 2.0)]),
    ],
)
def test_weight_decay_runs_from_start_to_an_end_or_stays(schedule: Any, corners: list[tuple[float, float]]) -> None:
    for progress, value in corners:
        assert WeightDecay(schedule=schedule, start=4.0, end=2.0).at(progress) == pytest.approx(value)
    assert {WeightDecay(schedule=schedule, start=3.0).at(progress) for progress in (0.0, 0.3, 1.0)} == {3.0}


def test_constant_weight_decay_has_no_other_end() -> None:
    assert WeightDecay(start=1.0, end=1.0).at(1.0) == 1.0
    with pytest.raises(ConfigError, match=r'end is 2\.0 but schedule = "constant" keeps 1\.0'):
        WeightDecay(start=1.0, end=2.0)


@pytest.mark.parametrize(("unit", "rate", "decay"), [(CONV, 0.1, 1e-4), (PRODUCT, 0.01, 1e-3)])
def test_usual_recipe_has_the_values_of_the_papers(unit: Any, rate: float, decay: float) -> None:
    recipe = Recipe.usual(unit)
    assert {recipe.learning_rate[kind] for kind in PARAMETER_KINDS} == {rate}
    assert {recipe.weight_decay[kind].at(0.7) for kind in PARAMETER_KINDS} == {decay}
    assert (recipe.epochs, recipe.batch_size, recipe.momentum) == (160, 128, 0.9)


def test_shared_recipe_lies_between_those_of_its_units() -> None:
    recipe = Recipe.shared([CONV, PRODUCT])
    assert recipe.learning_rate.conv == recipe.learning_rate.exponents == 0.0316
    assert recipe.weight_decay.trunk.start == pytest.approx(3.16e-4)
    assert Recipe.shared([PRODUCT, CONV]) == recipe


def test_files_and_digests_of_recipes_without_later_fields_are_those_of_every_version() -> None:
    recipe = Recipe.usual(PRODUCT)
    assert hashlib.sha256(recipe.to_json().encode()).hexdigest()[:16] == "dd32530f11641f2e"
    assert Candidate(Architecture.uniform("product", (1,)), recipe).digest == "1f129f7a8790"
    assert Candidate(Architecture.uniform("conv", (1,)), Recipe.usual(CONV)).digest == "7e5b688b7de3"


@pytest.mark.parametrize(
    ("field", "value"), [("random_resized_crop", 0.08), ("vertical_flip", True), ("quarter_turns", True)]
)
def test_later_fields_are_written_and_count_where_they_are_set(field: str, value: object) -> None:
    plain, changed = Recipe.usual(CONV), Recipe.usual(CONV, **{field: value})
    network = Architecture.uniform("conv", (1,))
    assert field not in json.loads(plain.to_json())
    assert json.loads(changed.to_json())[field] == value
    assert Candidate(network, changed).digest != Candidate(network, plain).digest
    assert Recipe.from_json(changed.to_json()) == changed


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01])
def test_a_resized_crop_covers_a_share_of_the_image(share: float) -> None:
    with pytest.raises(ConfigError, match="random_resized_crop"):
        Recipe.usual(CONV, random_resized_crop=share)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ConfigError, match="nesterov = true needs momentum > 0"):
        Recipe.usual(CONV, nesterov=True, momentum=0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["learning_rate", "momentum", "gradient_clip_norm", "warmup_epochs"])
def test_values_that_are_no_finite_number_are_refused(field: str, value: float) -> None:
    given_: object = dict.fromkeys(PARAMETER_KINDS, value) if field == "learning_rate" else value
    with pytest.raises(ConfigError, match=field):
        Recipe.usual(CONV, **{field: given_})
