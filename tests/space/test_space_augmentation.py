"""How training images are varied is searched like anything else."""

from __future__ import annotations

import optuna
import pytest

from pure_nas.errors import ConfigError
from pure_nas.space.search_space import SearchSpace

PLAIN = 'schema = 1\nsummary = "small"\n[architecture]\nblocks_per_stage = 1\nunits = "conv"\n[recipe]\n'
LATER = ("random_resized_crop", "vertical_flip", "quarter_turns")
SEARCHED = """
    random_resized_crop = { choices = ["none", 0.08, 0.5] }
    vertical_flip = { choices = [false, true] }
    quarter_turns = { choices = [false, true] }
"""


def suggested(text: str) -> list[tuple[object, ...]]:
    space = SearchSpace.from_toml(text)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipes = [space.suggest(study.ask()).recipe for _ in range(40)]
    return [tuple(getattr(recipe, name) for name in LATER) for recipe in recipes]


def test_every_way_of_varying_images_can_be_searched() -> None:
    crops, flips, turns = (set(each) for each in zip(*suggested(PLAIN + SEARCHED), strict=True))
    assert crops == {None, 0.08, 0.5}
    assert flips == turns == {False, True}


def test_a_share_can_be_a_range() -> None:
    crops = {crop for crop, _, _ in suggested(PLAIN + "random_resized_crop = { low = 0.05, high = 1.0 }")}
    assert len(crops) == 40
    assert all(isinstance(crop, float) and 0.05 <= crop <= 1 for crop in crops)


def test_spaces_without_them_are_written_as_before_and_suggest_nothing_new() -> None:
    space = SearchSpace.from_toml(PLAIN)
    assert not set(LATER) & set(space.model_dump(mode="json")["recipe"])
    assert set(suggested(PLAIN)) == {(None, False, False)}
    searched = SearchSpace.from_toml(PLAIN + SEARCHED)
    assert set(LATER) <= set(searched.model_dump(mode="json")["recipe"])
    assert SearchSpace.from_toml(searched.to_toml()) == searched
    study = optuna.create_study()
    trial = study.ask()
    space.suggest(trial)
    assert not {name for name in trial.params if name in LATER}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random_resized_crop = 0", "random_resized_crop: input should be greater than 0"),
        ("quarter_turn = true", 'did you mean "quarter_turns"'),
        ("vertical_flip = 1", "vertical_flip: input should be a valid boolean"),
    ],
)
def test_faults_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SearchSpace.from_toml(PLAIN + text)
    assert message in str(caught.value)
