"""A field is described once, and everything that searches, lists, shows, builds or documents fields follows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import tomli_w
import torch
from held_images import resident
from make_fields_page import page
from pydantic import BaseModel

from pure_nas.data.image_set import Normalisation
from pure_nas.nn.network import build, parameter_kinds
from pure_nas.space.architecture import OF_UNITS, Architecture
from pure_nas.space.field import descriptions
from pure_nas.space.recipe import Recipe
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import BUILT_IN, CONV, PRODUCT, RELUS, UNITS
from pure_nas.training.training import Training

ROOT = Path(__file__).parents[2]
TABLES: dict[str, type[BaseModel]] = {"architecture": Architecture, "recipe": Recipe}
NEXT_FIELD = "    in_chans: Annotated["
"""Where the fields of a user's network end in the source of `Architecture`."""


def test_a_field_without_a_description_is_refused() -> None:
    with pytest.raises(TypeError, match=r'Wider\.extra is not described: .* Described\("what it is"\)'):

        class Wider(Architecture):
            extra: int = 3


EVERYWHERE = """
import json

import optuna
from pure_nas_cli.root import app
from typer.testing import CliRunner

from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import Grid
from pure_nas.report.data import plain_settings
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

HEAD = 'blocks_per_stage = 1\\nunits = "conv"\\n'
space = SearchSpace.from_toml(f"[architecture]\\n{HEAD}made_up = {{ choices = [1, 4, 7] }}")
plain = SearchSpace.from_toml(f"[architecture]\\n{HEAD}")
assert (space.count(), plain.count()) == (3, 1)
assert "made_up" in space.to_toml()
assert "made_up" not in plain.to_toml()
study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
candidates = [space.suggest(study.ask()) for _ in range(20)]
assert {candidate.architecture.made_up for candidate in candidates} == {1, 4, 7}
assert space.parameters_of(candidates[0]).params == {"made_up": candidates[0].architecture.made_up}
assert plain.parameters_of(candidates[0]).outside == (("made_up",) if candidates[0].architecture.made_up != 4 else ())
assert [each.made_up for _, each in space.baseline_architectures()] == [4]
assert {each.made_up for each in space.smallest_architectures()} == {1, 4, 7}

experiment = ExperimentFile.from_toml('''
question = "?"
dataset = "digits"
[networks.n]
base = "pure20"
made_up = { each = [2, 4] }
[scales.s]
cost = "none"
epochs = 1
seeds = 1
''')
grid = Grid.of(experiment, experiment.scales["s"], {"in_chans": 1, "num_classes": 10, "image_size": 8})
assert [cell.label for cell in grid.cells] == ["n 2", "n 4"]
assert len({cell.candidate.digest for cell in grid.cells}) == 2
assert grid.cells[0].network.axis == "made_up"

changed, usual = (cell.candidate for cell in grid.cells)
assert plain_settings(changed.architecture, changed.recipe) == {"made_up": 2}
assert plain_settings(usual.architecture, usual.recipe) == {}
with open("changed.json", "w") as file:
    file.write(changed.architecture.to_json())
told = CliRunner().invoke(app, ["describe", "changed.json"]).stdout
assert "made_up = 2" in told, told
try:
    SearchSpace.from_toml(f"[architecture]\\n{HEAD}made_up = {{ low = 0, high = 4 }}")
except ValueError as error:
    assert "architecture.made_up.low: input should be greater than or equal to 1, got 0" in str(error)
"""


def test_a_described_field_is_searched_listed_and_shown_without_any_other_edit(tmp_path: Path) -> None:
    """In a copy of the packages, `Architecture` has one line more."""
    for source in (ROOT / "pure_nas", ROOT / "cli" / "pure_nas_cli", ROOT / "search_spaces"):
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "pure_nas" / "space" / "architecture.py"
    line = 'made_up: Annotated[int, Field(ge=1, le=9), later(4), Described("made up")] = 4'
    text = module.read_text(encoding="utf-8")
    assert NEXT_FIELD in text
    module.write_text(text.replace(NEXT_FIELD, f"    {line}\n{NEXT_FIELD}", 1), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = [sys.executable, "-c", EVERYWHERE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


OTHER_VALUES = {
    "momentum": 0.5,
    "learning_rate_schedule": "cosine",
    "warmup_epochs": 2.0,
    "gradient_clip_norm": 2.0,
    "label_smoothing": 0.1,
    "crop_padding": 2,
    "random_resized_crop": 0.08,
    "family": "imagenet",
    "units": (("conv", "product"), ("product",)),
    "base_width": 3,
    "shortcut": "padding",
    "threshold_init": (-1.0, 1.0),
    "exponent_cap": 0.1,
    "softening": 0.2,
    "residual_scale": 0.5,
    "in_chans": 1,
    "num_classes": 3,
    "image_size": 16,
}
"""Values that are not the default, for fields that are no switches."""

SEARCHED = [
    (table, name)
    for table, model in TABLES.items()
    for name, each in descriptions(model).items()
    if each.searched and each.per == "network" and name != "optimizer"
]


@pytest.mark.parametrize(("table", "name"), SEARCHED)
def test_every_field_can_be_searched(table: str, name: str) -> None:
    """Files of spaces leave it out at its default where it came later: so runs from before it resume."""
    field = TABLES[table].model_fields[name]
    values = [field.default, OTHER_VALUES.get(name, not field.default)]
    unit = "product-complex" if name == "softening" else "product"
    document: dict[str, Any] = {"architecture": {"stages": 2, "blocks_per_stage": 1, "units": unit}, "recipe": {}}
    plain = SearchSpace.from_toml(tomli_w.dumps(document))
    document[table][name] = {"choices": ["none" if value is None else value for value in values]}
    space = SearchSpace.from_toml(tomli_w.dumps(document))
    trials = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = {getattr(getattr(space.suggest(trials.ask()), table), name) for _ in range(20)}
    assert found == set(values)
    assert SearchSpace.from_toml(space.to_toml()) == space
    assert (name in plain.model_dump()[table]) == (field.exclude_if is None)
    plain.suggest(trial := trials.ask())
    assert trial.params == {}


def built(**fields: Any) -> object:
    """Everything that tells networks apart: their layers, weights, what is trained, and what they answer."""
    unit = "product-complex" if "softening" in fields else "product"
    architecture = Architecture.model_validate(
        {"units": ((unit,), (unit,)), "base_width": 2, "image_size": 8, **fields}
    )
    network = build(architecture).eval()
    trained = [(name, each.requires_grad, each.tolist()) for name, each in network.named_parameters()]
    images = torch.linspace(0.1, 4, architecture.in_chans * 64).reshape(1, architecture.in_chans, 8, 8)
    return trained, network(images).tolist(), architecture.image_size, dict(parameter_kinds(network))


@pytest.mark.parametrize("name", descriptions(Architecture))
def test_every_field_of_an_architecture_changes_what_is_built(name: str) -> None:
    default = Architecture.model_fields[name].default
    assert built(**{name: OTHER_VALUES.get(name, not default)}) != built(
        **({"softening": 0.5} if name == "softening" else {})
    )


def test_every_setting_of_units_is_read_by_a_unit_and_is_at_its_place() -> None:
    assert set(OF_UNITS) == {name for unit in BUILT_IN.values() for name in unit.reads}
    _, block = Architecture(units=(("conv", "product"),), threshold_init=(-1.0,), exponent_cap=9.0).blocks()
    assert set(block.unit_place.settings) == PRODUCT.reads - set(RELUS)
    assert (block.unit_place.settings["threshold_init"], block.unit_place.settings["exponent_cap"]) == (-1.0, 9.0)


def test_unit_that_reads_what_no_architecture_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = replace(PRODUCT, name="misspelt", reads=frozenset({"treshold_init"}))
    monkeypatch.setitem(UNITS.registered, "misspelt", unit)
    with pytest.raises(ValueError, match=r'"misspelt" reads treshold_init, which no architecture has'):
        Architecture(units=(("misspelt",),))


def test_every_field_of_a_recipe_is_read_by_training() -> None:
    read: set[str] = set()

    class Watched(Recipe):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    pixels = torch.full((8, 1, 8, 8), 9, dtype=torch.uint8)
    images = resident(pixels, torch.arange(8) % 2, Normalisation((0.4,), (0.25,)))
    architecture = Architecture(units=(("conv",),), base_width=2, in_chans=1, num_classes=2, image_size=8)
    recipe = Watched.usual(CONV, epochs=1, batch_size=4, gradient_clip_norm=1.0)
    read.clear()
    sets = {"train": images, "validation": images, "flip": True}
    Training(build(architecture), recipe, **sets, device=torch.device("cpu"), seed=0).run_epoch()
    assert set(descriptions(Recipe)) - read <= {"optimizer"}


def test_the_page_of_fields_is_what_the_fields_say() -> None:
    text = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    assert text == page(), "run: python docs/make_fields_page.py"
