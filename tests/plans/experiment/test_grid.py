"""The grid: which networks are trained by which recipes, and what each is compared with."""

from __future__ import annotations

from typing import Any

import pytest

from pure_nas.errors import ConfigError
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import Grid
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV, PRODUCT

IMAGES = {"in_chans": 1, "num_classes": 3, "image_size": 8}
HEAD = 'schema = 1\nquestion = "?"\ndataset = "digits"\n'
SCALE = '[scales.all]\ncost = "none"\nepochs = 7\nseeds = 3\nbatch_size = 32\n'
DEPTHS = """
[networks.resnet]
base = { each = ["resnet8", "resnet14"] }
[networks.pure]
base = { each = ["pure8", "pure14"] }
against = "resnet"
"""


def grid_of(body: str, scale: str = "", head: str = "", **fields: Any) -> Grid:
    file = ExperimentFile.from_toml(HEAD + head + body + SCALE + scale)
    return Grid.of(file, file.scale(None)[1], IMAGES, **fields)


def compared(grid: Grid) -> list[tuple[str, str]]:
    return [(cell.label, other.label) for cell in grid.cells for other in grid.references_of(cell)]


def test_networks_fit_the_images_and_train_as_the_scale_says() -> None:
    grid = grid_of(DEPTHS, "base_width = 2\ncrop_padding = 1\n")
    assert [cell.label for cell in grid.cells] == ["resnet8", "resnet14", "pure8", "pure14"]
    for cell, unit in zip(grid.cells, (CONV, CONV, PRODUCT, PRODUCT), strict=True):
        assert cell.candidate.architecture == Architecture.named(cell.label, base_width=2, **IMAGES)
        assert cell.candidate.recipe == Recipe.usual(unit, epochs=7, batch_size=32, crop_padding=1)
    assert (grid.seeds, grid.trainings) == (3, 12)
    assert grid_of(DEPTHS, seeds=5).trainings == 20


def test_tables_are_compared_in_pairs_and_single_networks_with_one() -> None:
    assert compared(grid_of(DEPTHS)) == [("pure8", "resnet8"), ("pure14", "resnet14")]
    alone = DEPTHS.replace('against = "resnet"', 'against = ["resnet8", "resnet14"]')
    assert compared(grid_of(alone)) == [
        ("pure8", "resnet8"),
        ("pure8", "resnet14"),
        ("pure14", "resnet8"),
        ("pure14", "resnet14"),
    ]
    everything = DEPTHS.replace('against = "resnet"', "")
    assert compared(grid_of(everything, head='reference = "resnet14"\n')) == [
        ("resnet8", "resnet14"),
        ("pure8", "resnet14"),
        ("pure14", "resnet14"),
    ]
    assert compared(grid_of(everything)) == []


def test_a_table_of_one_member_is_a_reference_for_all() -> None:
    alone = DEPTHS.replace('["resnet8", "resnet14"]', '["resnet8"]')
    assert compared(grid_of(alone)) == [("pure8", "resnet8"), ("pure14", "resnet8")]
    by_reference = alone.replace('against = "resnet"', "")
    assert compared(grid_of(by_reference, head='reference = "resnet"\n')) == compared(grid_of(alone))


WARM = """
[networks.n]
base = "pure8"
[recipes.usual]
[recipes.warm]
warmup_epochs = 7
"""


def test_a_warm_up_that_would_not_end_is_refused() -> None:
    with pytest.raises(
        ConfigError,
        match=r'scales\.all\.epochs: the warm-up of 7 of recipe "warm" would not end in 7 epochs of training',
    ):
        grid_of(WARM)
    with pytest.raises(ConfigError, match=r"scales\.all\.warmup_epochs: a warm-up of 9 would not end in 7 epochs"):
        grid_of(WARM, "warmup_epochs = 9\n")
    assert len(grid_of(WARM.replace("= 7", "= 6.5")).cells) == 2
    # Recipes that the scale leaves out do not matter.
    assert len(grid_of(WARM, 'recipes = ["usual"]\n').cells) == 1


def test_a_scale_replaces_the_warm_up_of_recipes_that_have_one() -> None:
    found = [cell.candidate.recipe.warmup_epochs for cell in grid_of(WARM, "warmup_epochs = 2\n").cells]
    assert found == [0.0, 2.0]


def test_a_scale_takes_networks_by_name_or_by_table_and_compares_those_it_has() -> None:
    grid = grid_of(DEPTHS, 'networks = ["pure", "resnet14"]\n')
    assert [cell.label for cell in grid.cells] == ["resnet14", "pure8", "pure14"]
    assert compared(grid) == [("pure14", "resnet14")]


RECIPES = """
[recipes.usual]
[recipes.clipped]
gradient_clip_norm = 1.0
against = "usual"
"""


def test_every_network_is_trained_by_every_recipe_but_those_that_name_theirs() -> None:
    body = '[networks.a]\nbase = "pure8"\n[networks.b]\nbase = "resnet8"\nrecipes = ["usual"]\n' + RECIPES
    grid = grid_of(body)
    assert [cell.label for cell in grid.cells] == ["a, usual", "a, clipped", "b, usual"]
    assert grid.cells[1].candidate.recipe.gradient_clip_norm == 1.0
    assert compared(grid) == [("a, clipped", "a, usual")]
    # Networks first: by the same recipe where the other has it, else by its first.
    assert compared(grid_of(body, head='reference = "b"\n')) == [("a, usual", "b, usual"), ("a, clipped", "b, usual")]
    assert compared(grid_of(body, head='reference = "a"\n')) == [("a, clipped", "a, usual"), ("b, usual", "a, usual")]
    # A single recipe needs no name.
    assert [cell.label for cell in grid_of(body, 'recipes = ["clipped"]\n').cells] == ["a"]


def test_a_reference_may_be_named_with_its_recipe() -> None:
    body = '[networks.a]\nbase = "pure8"\n[networks.b]\nbase = "resnet8"\nrecipes = ["clipped"]\nagainst = "a, usual"\n'
    assert compared(grid_of(body + RECIPES)) == [("a, clipped", "a, usual"), ("b, clipped", "a, usual")]
    assert ("b, clipped", "a, clipped") in compared(grid_of(body.replace("a, usual", "a") + RECIPES))
    # As the reference of all, also beside its own network by another recipe, and in pairs.
    pair = DEPTHS.replace('against = "resnet"\n', "") + RECIPES.replace('against = "usual"', "")
    assert compared(grid_of(pair, head='reference = "resnet, usual"\n')) == [
        ("resnet8, clipped", "resnet8, usual"),
        ("resnet14, clipped", "resnet14, usual"),
        ("pure8, usual", "resnet8, usual"),
        ("pure8, clipped", "resnet8, usual"),
        ("pure14, usual", "resnet14, usual"),
        ("pure14, clipped", "resnet14, usual"),
    ]
    # A scale that lacks that cell compares recipes as they ask for it.
    assert compared(grid_of(body + RECIPES, 'recipes = ["clipped"]\n')) == []
    for wrong in ("a, usul", "c, usual"):
        with pytest.raises(ConfigError, match=rf'networks\.b\.against: "{wrong[0]}.*" is not one of the networks'):
            grid_of(body.replace("a, usual", wrong) + RECIPES)


def test_folders_do_not_depend_on_the_order_of_tables() -> None:
    tables = [
        '[networks.plain]\nbase = "pure8"\n',
        '[networks.theta]\nbase = "pure8"\nthreshold_init = { each = [0.0, 1.0] }\n',
        '[networks.same]\nbase = "pure8"\n',
    ]
    there, back = grid_of("".join(tables)), grid_of("".join(reversed(tables)))
    assert there.folders == back.folders
    assert list(there.folders.values()) == [["same", "plain", "theta-0"], ["theta-1"]]


def test_equal_networks_are_trained_once_and_never_compared() -> None:
    body = (
        '[networks.plain]\nbase = "pure8"\n[networks.theta]\nbase = "pure8"\nthreshold_init = { each = [0.0, 1.0] }\n'
        '[networks.wide]\nbase = "resnet8"\nbase_width = 16\n[networks.conv]\nbase = "resnet8"\n'
    )
    grid = grid_of(body, head='reference = "plain"\n')
    assert [cell.label for cell in grid.cells] == ["plain", "theta 0", "theta 1", "wide", "conv"]
    assert [cell.label for cell in grid.distinct.values()] == ["plain", "theta 1", "wide"]
    assert grid.trainings == 9
    assert ("theta 0", "plain") not in compared(grid)
    assert ("theta 1", "plain") in compared(grid)


def test_every_cell_has_a_folder_of_its_own_that_any_system_can_hold() -> None:
    names = ["a b", "a/b", "A-B", "θ", "ϑ", "x" * 60, "..", "plain-1.5"]
    body = "".join(f'[networks."{name}"]\nbase = "pure8"\n' for name in names)
    folders = [cell.folder for cell in grid_of(body).cells]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert folders[-1] == "plain-1.5"
    for folder in folders:
        assert folder.isascii()
        assert folder.strip(".")
        assert not set(folder) & set('/\\:*?"<>| ')


def test_a_network_that_the_images_do_not_fit_is_named() -> None:
    file = ExperimentFile.from_toml(HEAD + DEPTHS + SCALE)
    with pytest.raises(ConfigError, match=r"The network resnet8 has 1 error:\n  num_classes"):
        Grid.of(file, file.scale(None)[1], {**IMAGES, "num_classes": 1})


def test_a_table_of_recipes_beside_a_reference_means_the_one_in_the_same_place() -> None:
    body = '[networks.a]\nbase = "pure8"\n[networks.b]\nbase = "resnet8"\n'
    body += "[recipes.lr]\nlearning_rate = { each = [0.1, 0.2] }\n"
    assert compared(grid_of(body, head='reference = "a, lr"\n')) == [
        ("b, lr 0.1", "a, lr 0.1"),
        ("b, lr 0.2", "a, lr 0.2"),
    ]


def test_a_reference_by_a_recipe_that_it_is_not_trained_by_is_a_fault() -> None:
    body = '[networks.a]\nbase = "pure8"\nrecipes = ["clipped"]\n[networks.b]\nbase = "resnet8"\n' + RECIPES
    with pytest.raises(ConfigError, match='reference: "a" is not trained by "usual"'):
        grid_of(body, head='reference = "a, usual"\n')
