"""The experiments that ship: each is valid, is what it says, and runs at its smoke scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from heard import Heard

from pure_nas.errors import UsageError
from pure_nas.findings.experiment_results import load_experiment_results
from pure_nas.findings.findings import findings_of
from pure_nas.plans.experiment.file import EXPERIMENTS, find_experiment
from pure_nas.plans.experiment.grid import Grid
from pure_nas.plans.experiment.session import ExperimentSettings, opened, prepare
from pure_nas.run.directory import RunDirectory
from pure_nas.space.unit import get_unit

NAMES = tuple(EXPERIMENTS.places)
IMAGES = {"in_chans": 3, "num_classes": 10, "image_size": 32}
PAPER_EPOCHS = {"imagenet": 90}


def grid_of(name: str, scale: str) -> Grid:
    file = find_experiment(name).file
    return Grid.of(file, file.scales[scale], IMAGES)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_three_scales_that_grow_and_say_what_they_cost(name: str) -> None:
    file = find_experiment(name).file
    assert list(file.scales) == ["smoke", "small", "paper"]
    *smaller, paper = (grid_of(name, scale).trainings * found.epochs for scale, found in file.scales.items())
    assert max(smaller) <= paper
    for scale in file.scales.values():
        assert "CPU cores" in scale.cost or "GPU" in scale.cost
    # Nothing to download.
    assert file.scales["smoke"].dataset == "digits"
    assert file.question.endswith("?")


@pytest.mark.parametrize("name", NAMES)
def test_each_compares_with_something_and_trains_nothing_twice(name: str) -> None:
    for scale in find_experiment(name).file.scales:
        grid = grid_of(name, scale)
        # The usual rates of a unit are those of a ResNet or of PURe there: listed under both names, trained once.
        repeated = 7 if name == "activation-removal" else 0
        assert len(grid.distinct) == len(grid.cells) - repeated
        assert any(grid.references_of(cell) for cell in grid.cells)


@pytest.mark.parametrize("name", NAMES)
def test_the_paper_scale_trains_as_the_papers_did(name: str) -> None:
    for cell in grid_of(name, "paper").cells:
        recipe = cell.candidate.recipe
        assert recipe.epochs == PAPER_EPOCHS.get(name, 160)
        assert (recipe.momentum, recipe.learning_rate_schedule, recipe.crop_padding) == (0.9, "step", 4)
        if {"learning_rate", "like"} & set(cell.recipe.settings):
            continue
        units = [get_unit(unit) for unit in cell.candidate.architecture.unit_set]
        if len(units) == 1:
            assert recipe.learning_rate.trunk == units[0].usual_learning_rate
            assert recipe.weight_decay.trunk.start == units[0].usual_weight_decay


def test_depths_are_those_of_the_paper_in_pairs() -> None:
    grid = grid_of("depth-cifar10", "paper")
    pairs = {cell.label: [other.label for other in grid.references_of(cell)] for cell in grid.cells}
    for size in ("20", "32", "44", "56", "110", "272", "18-wide"):
        assert pairs[f"pure{size}"] == [f"resnet{size}"]
    assert len(pairs) == 14
    wide = next(cell.candidate.architecture for cell in grid.cells if cell.label == "pure18-wide")
    assert [block.out_channels for block in wide.blocks()] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert (wide.family, wide.image_size) == ("cifar", 32)


def test_very_deep_networks_have_each_stabiliser_alone_and_all_together_beside_a_bare_one() -> None:
    grid = grid_of("very-deep", "paper")
    for cell in grid.cells:
        bare = f"plain {cell.network.settings['base']}, usual"
        assert [other.label for other in grid.references_of(cell)] == ([] if cell.label == bare else [bare])
    cells = [cell for cell in grid.cells if cell.candidate.architecture.depth == 488]
    found = {
        (
            architecture.exponent_cap is not None,
            architecture.zero_gamma,
            architecture.residual_scale < 1,
            recipe.gradient_clip_norm is not None,
            recipe.warmup_epochs > 0,
        )
        for cell in cells
        for architecture, recipe in [(cell.candidate.architecture, cell.candidate.recipe)]
    }
    for place in range(5):
        assert tuple(place == other for other in range(5)) in found
    assert {(False,) * 5, (True,) * 5} <= found


@pytest.mark.parametrize("name", NAMES)
def test_each_runs_at_its_smoke_scale(name: str, image_folder: Path, tmp_path: Path) -> None:
    """On the tiny image folder, with one seed and one epoch; what else there is, is as it ships."""
    source = find_experiment(name)
    scale = source.file.scales["smoke"].model_copy(update={"epochs": 1, "base_width": 2, "limit": 36, "evaluated": 6})
    if scale.warmup_epochs:
        scale = scale.model_copy(update={"warmup_epochs": 0.5})
    smaller = replace(source, file=source.file.model_copy(update={"scales": {"smoke": scale}}))
    settings = ExperimentSettings(source=smaller, dataset=str(image_folder), seeds=1, device="cpu")
    with opened(prepare(settings), tmp_path / "run") as experiment:
        assert experiment.driver.go(experiment.plan, Heard()) == f"all {experiment.grid.trainings} trainings are done"
    results = load_experiment_results(RunDirectory(tmp_path / "run"))
    assert results.complete + results.diverged == results.grid.trainings
    wanted = settings.evaluations
    for row in findings_of(results).rows:
        if row.accuracies and wanted:
            assert row.evaluation is not None
            assert bool(row.evaluation.noise) == ("noise" in wanted)
            assert bool(row.evaluation.intensity) == ("invariance" in wanted)
            assert bool(row.evaluation.views) == ("views" in wanted)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dept-cifar10", r'There is no experiment "dept-cifar10"; did you mean "depth-cifar10"\?'),
        ("nothing", r"Or give a \.toml file"),
        ("some/.hidden.toml", "would go to a folder called"),
    ],
)
def test_what_names_no_experiment_is_refused_with_the_way_out(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_experiment(name)


def test_a_file_is_called_as_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    shipped = find_experiment("noise")
    path.write_text(shipped.text, encoding="utf-8")
    assert find_experiment(str(path)) == replace(shipped, name="mine", folder=tmp_path)
