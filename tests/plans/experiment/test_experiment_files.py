"""Experiment files: what they may say, and how every error of one is told."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.errors import ConfigError, UsageError
from pure_nas.evaluation.noise import NOISE_KINDS
from pure_nas.evaluation.views import Crops
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.scale import NoiseName, ViewsTable
from pure_nas.plans.experiment.toml_tables import NetworkTable, RecipeTable, architecture_of, entries_of, recipe_of
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import PerKind, Recipe, WeightDecay
from pure_nas.space.unit import CONV, PRODUCT

HEAD = 'schema = 1\nquestion = "?"\ndataset = "digits"\n'
SCALE = '[scales.s]\ncost = "none"\nepochs = 1\nseeds = 1\n'


def file_of(networks: str, recipes: str = "", head: str = "", scale: str = SCALE) -> ExperimentFile:
    return ExperimentFile.from_toml(f"{HEAD}{head}{networks}\n{recipes}\n{scale}")


def labels(file: ExperimentFile) -> list[str]:
    return [member.label for member in entries_of(file.networks)]


def test_a_table_is_a_network() -> None:
    file = file_of('[networks.mine]\nbase = "pure20"\nthreshold_init = -2\nexponent_cap = "none"\n')
    (member,) = entries_of(file.networks)
    assert (member.label, member.table, member.axis, member.place) == ("mine", "mine", "", None)
    assert architecture_of(member.settings) == Architecture.named(
        "pure20", threshold_init=(-2.0,) * 3, exponent_cap=None
    )


def test_each_is_a_network_of_every_value_in_the_order_of_the_file() -> None:
    file = file_of('[networks.theta]\nbase = "pure20"\nthreshold_init = { each = [3, -2.5, [0, 1, 2]] }\n')
    members = list(entries_of(file.networks))
    assert [member.label for member in members] == ["theta 3", "theta -2.5", "theta 0/1/2"]
    assert architecture_of(members[2].settings).threshold_init == (0.0, 1.0, 2.0)
    assert [member.index for member in members] == [0, 1, 2]
    # One value is no number, so there is nothing to draw accuracies over.
    assert {member.axis for member in members} == {""}


def test_several_grids_of_a_table_are_multiplied() -> None:
    text = 'base = { each = ["pure20", "pure32"] }\nrelu_after_add = { each = [false, true] }\n'
    assert labels(file_of(f"[networks.n]\n{text}")) == [
        "pure20 relu_after_add no",
        "pure20 relu_after_add yes",
        "pure32 relu_after_add no",
        "pure32 relu_after_add yes",
    ]


def test_a_grid_of_bases_is_named_by_them_and_placed_by_their_depth() -> None:
    file = file_of('[networks.n]\nbase = { each = ["resnet20", "resnet152"] }\n')
    members = list(entries_of(file.networks))
    assert [(each.label, each.axis, each.place) for each in members] == [
        ("resnet20", "depth", 20.0),
        ("resnet152", "depth", 152.0),
    ]


def test_grids_of_equal_bases_are_told_apart_by_their_tables() -> None:
    text = (
        '[networks.a]\nbase = { each = ["pure20", "pure32"] }\n[networks.b]\nbase = { each = ["pure20", "pure44"] }\n'
    )
    assert labels(file_of(text)) == ["a pure20", "pure32", "b pure20", "pure44"]


def test_units_are_a_name_or_a_pattern() -> None:
    settings = {"base": "pure20", "units": "conv | conv product"}
    assert architecture_of(settings).units == (
        ("conv", "conv", "conv"),
        ("conv", "product", "conv"),
        ("conv", "product", "conv"),
    )
    assert architecture_of({"base": "pure20", "units": "conv"}) == Architecture.named("pure20").with_unit("conv")


def test_a_pattern_of_more_stages_than_the_network_has_is_a_fault() -> None:
    with pytest.raises(ConfigError, match=r"networks\.n.*: units speaks of 4 stages, but pure20 has 3"):
        file_of('[networks.n]\nbase = "pure20"\nunits = "conv | conv | conv | product"\n')


def test_every_field_of_a_network_and_of_a_recipe_can_be_set() -> None:
    decided = {"schema_version", "in_chans", "num_classes", "image_size"}
    named, like = {"base", "against", "recipes"}, {"like", "against"}
    assert set(NetworkTable.model_fields) == set(Architecture.model_fields) - decided | named
    assert set(RecipeTable.model_fields) == set(Recipe.model_fields) - {"schema_version", "epochs", "batch_size"} | like


def test_a_recipe_begins_with_the_usual_one_of_the_networks_units() -> None:
    pure, mixed = (architecture_of({"base": "pure20", "units": units}) for units in ("product", "conv | product"))
    assert recipe_of({}, pure, 3, 64) == Recipe.usual(PRODUCT, epochs=3, batch_size=64)
    assert recipe_of({"like": "conv"}, pure, 3, 64) == Recipe.usual(CONV, epochs=3, batch_size=64)
    assert recipe_of({}, mixed, 3, 64) == Recipe.shared([CONV, PRODUCT], epochs=3, batch_size=64)


def test_rates_and_decays_are_for_all_kinds_or_for_some() -> None:
    file = file_of(
        '[networks.n]\nbase = "pure20"\n',
        "[recipes.r]\nlearning_rate = { each = [0.5, { exponents = 0.25 }] }\n"
        'weight_decay = { exponents = { schedule = "linear", start = 0.1, end = 0.0 }, trunk = 0.2 }\n',
    )
    pure = architecture_of({"base": "pure20"})
    first, second = (recipe_of(each.settings, pure) for each in entries_of(file.recipes))
    assert first.learning_rate == PerKind.same(0.5)
    assert second.learning_rate == PerKind.same(0.01).model_copy(update={"exponents": 0.25})
    assert second.weight_decay["exponents"] == WeightDecay(schedule="linear", start=0.1, end=0.0)
    assert second.weight_decay["trunk"] == WeightDecay(start=0.2)
    assert second.weight_decay["conv"] == Recipe.usual(PRODUCT).weight_decay["conv"]


def test_the_words_of_a_file_are_those_of_the_evaluations() -> None:
    assert NoiseName.__args__ == NOISE_KINDS  # type: ignore[attr-defined]
    crops: Any = ViewsTable.model_fields["crops"].annotation
    assert crops.__args__ == get_args(Crops)


def test_the_first_scale_is_the_default_and_another_is_named() -> None:
    file = file_of('[networks.n]\nbase = "pure20"\n', scale=SCALE + SCALE.replace("scales.s", "scales.large"))
    assert file.scale(None)[0] == "s"
    assert file.scale("large")[0] == "large"
    with pytest.raises(UsageError, match=r'no scale "larg" in this experiment; did you mean "large"\?'):
        file.scale("larg")


FAULTY = """
schema = 1
question = "?"
datset = "digits"
reference = "nobody"
targets = [0.5, 0.5]
evaluations = ["noise", "nois"]
[noise]
gausian = [0.1]
salt-and-pepper = [0.1, 2.0, "x"]
speckle = [1, 2, 1.0]
[views]
crops = "ten-crop"
scales = [1.0, 0.5]
[networks.a]
base = "pure21"
treshold_init = 1
[networks.b]
base = { each = ["pure20", "pure20"] }
units = "product | prodct"
exponent_cap = [1.0]
epochs = 3
against = 3
[networks.c]
base = "pure20"
threshold_init = [1.0, 2.0]
[networks.d]
base = "pure20"
threshold_init = 80
against = "c2"
[networks.e]
base = "resnet20"
relu_in_block = true
[networks.f]
base = "pure20"
threshold_init = [0.0, "x", 1.0]
recipes = ["w", "rr"]
[networks.g]
base = { each = ["pure20", "pure32"] }
against = "h"
[networks.h]
base = { each = ["resnet20", "resnet32", "resnet44"] }
[networks.t]
base = "pure8"
threshold_init = { each = [1, 2] }
[networks."t 2"]
base = "resnet8"
[recipes.s]
weight_decay = { conv = { strt = 0.1 } }
against = "q"
[recipes.w]
warmup_epochs = 5
[recipes.r]
momentm = 0.9
momentum = 1.5
learning_rate = { exponent = 0.1 }
weight_decay = { schedule = "linea" }
against = "q"
[scales.w]
cost = "none"
epochs = 5
seeds = 1
[scales.s]
cost = "none\u202e"
epoch = 3
seeds = 0
networks = ["a", "pure33"]
recipes = ["t"]
"""


def test_every_fault_of_a_file_is_told_at_once_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError) as raised:
        ExperimentFile.from_toml(FAULTY, source="faulty.toml")
    message = raised.value.message
    assert message.startswith("faulty.toml has ")
    lines = message.splitlines()[1:]
    expected = {
        "datset": 'did you mean "dataset"',
        "dataset": "is missing",
        "evaluations.1": 'did you mean "noise"',
        "noise.gausian": 'did you mean "gaussian"',
        "noise.salt-and-pepper.1": "is a share of pixels, so at most 1, got 2",
        "noise.salt-and-pepper.2": "input should be a valid number, got 'x'",
        "noise.speckle.2": "1.0 is listed twice",
        "targets.1": "0.5 is listed twice",
        "views.scales.1": "ten-crop cuts out of at least 1, got 0.5",
        "scales.w.epochs": 'the warm-up of 5 of recipe "w" would not end in 5 epochs of training',
        "scales.s.cost": "has the control character U+202E",
        "networks.a.base": 'no architecture "pure21"; did you mean "pure20"? Names are',
        "networks.a.treshold_init": 'did you mean "threshold_init"',
        "networks.b.base.each.1": "listed twice",
        "networks.b.units": 'did you mean "product"',
        "networks.b.exponent_cap": "{ each = [...] }",
        "networks.b.epochs": "belong to a scale",
        "networks.b.against": "a name or a list of names",
        "networks.c": "threshold_init has 2 values for 3 stages",
        "networks.d.threshold_init": "input should be less than or equal to 50, got 80",
        "networks.d.against": '"c2" is not one of the networks',
        "networks.e": "relu_in_block would be ignored: no unit of the network reads it (conv)",
        "networks.f.threshold_init.1": "input should be a valid number, got 'x'",
        "networks.f.recipes.1": '"rr" is not one of the recipes',
        "networks.g.against": "h has 3 entries for 2 of g",
        'networks."t 2"': 'its "t 2" is also in networks.t',
        "recipes.r.momentm": 'did you mean "momentum"',
        "recipes.r.momentum": "less than 1",
        "recipes.r.learning_rate.exponent": 'did you mean "exponents"',
        "recipes.r.weight_decay.schedule": 'did you mean "linear"',
        "recipes.s.weight_decay.conv.strt": 'unknown key "strt"; did you mean "start"',
        "recipes.s.against": '"q" is not one of the recipes; known: r, s, w',
        "reference": '"nobody" is not one of the networks',
        "scales.s.networks.1": 'did you mean "pure32"',
        "scales.s.recipes.0": '"t" is not one of the recipes',
        "scales.s.epoch": 'did you mean "epochs"',
        "scales.s.epochs": "is missing",
        "scales.s.seeds": "greater than or equal to 1",
    }
    for place, words in expected.items():
        assert any(line.startswith(f"  {place}: ") and words in line for line in lines), (place, message)
    assert "{ each = [...] }" in raised.value.hint
    # One fault, one line, and none of them in words that only a programmer knows.
    assert sum("networks.d.threshold_init" in line for line in lines) == 1
    assert not any("constrained" in line or "none are known" in line for line in lines)


def test_a_name_that_a_faulty_grid_may_hold_is_no_further_fault() -> None:
    networks = (
        '[networks.t]\nbase = "pure20"\nthreshold_init = { each = [80, 1] }\n'
        '[networks.b]\nbase = { each = ["pure20", "pure21"] }\n[networks.c]\nbase = "pure8"\nagainst = ["t 80", "b"]\n'
    )
    scale = SCALE + 'networks = ["t 1", "pure20", "pure21", "c", "d"]\n'
    with pytest.raises(ConfigError) as raised:
        file_of(networks, head='reference = "b pure20"\n', scale=scale)
    places = [line.split(": ")[0].strip() for line in raised.value.message.splitlines()[1:]]
    assert sorted(places) == ["networks.b.base.each.1", "networks.t.threshold_init.each.0", "scales.s.networks.4"]


@pytest.mark.parametrize("setting", ["threshold_init = 1", "exponent_cap = 3.0", "relu_after_add = true"])
def test_a_setting_that_no_unit_reads_is_refused(setting: str) -> None:
    name, *_ = setting.split()
    with pytest.raises(ConfigError, match=f"networks.n: {name} would be ignored: no unit of the network reads it"):
        file_of(f'[networks.n]\nbase = {{ each = ["pure20", "resnet20"] }}\n{setting}\n')
    # One block that reads it is enough.
    file_of(f'[networks.n]\nbase = "resnet20"\nunits = "conv | product"\n{setting}\n')


def test_a_reference_table_must_have_as_many_members() -> None:
    pair = '[networks.p]\nbase = { each = ["pure8", "pure14"] }\n'
    three = '[networks.r]\nbase = { each = ["resnet8", "resnet14", "resnet20"] }\n'
    with pytest.raises(ConfigError, match="reference: r has 3 entries for 2 of p; they are paired in order"):
        file_of(pair + three, head='reference = "r"\n')


def test_a_scale_that_trains_nothing_is_refused() -> None:
    networks = '[networks.n]\nbase = "pure20"\nrecipes = "b"\n'
    scale = SCALE + 'recipes = ["a"]\n' + SCALE.replace("scales.s", "scales.full")
    with pytest.raises(ConfigError) as raised:
        file_of(networks, "[recipes.a]\n[recipes.b]\n", scale=scale)
    assert raised.value.message.splitlines()[1:] == [
        "  scales.s: trains nothing: its recipes are a, its networks are trained by b"
    ]


@pytest.mark.parametrize("name", ["../../esc", "a/b", "a\\\\b", ".hidden", ".."])
def test_scales_are_called_like_folders(name: str) -> None:
    with pytest.raises(ConfigError, match="it names a folder"):
        file_of('[networks.n]\nbase = "pure20"\n', scale=SCALE.replace("scales.s", f'scales."{name}"'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = ", "not valid TOML"),
        ("[networks]\n" + "a = [" * 3000, "not valid TOML|nested too deeply"),
        (HEAD + SCALE, "networks: is missing"),
        (HEAD + "[networks]\n" + SCALE, "networks: must have at least 1 entry, got {}"),
        (HEAD + '[networks.n]\nbase = "pure20"\n', "scales: is missing"),
        (HEAD.replace("1", "2") + '[networks.n]\nbase = "pure20"\n' + SCALE, "schema: 2 is not valid|must be 1"),
        (HEAD + "networks = 3\n" + SCALE, "networks: must be a table of names and values, got 3"),
        (HEAD + "[networks]\nn = 3\n" + SCALE, "networks.n: must be a table"),
        (HEAD + "[networks.n]\nthreshold_init = 0\n" + SCALE, "networks.n.base: is missing"),
        (HEAD + f'[networks.{"n" * 61}]\nbase = "pure20"\n' + SCALE, "1 to 60 printable characters"),
        (HEAD + '[networks."a\\nb"]\nbase = "pure20"\n' + SCALE, "1 to 60 printable characters"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExperimentFile.from_toml(text)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The experiment .*none\.toml cannot be read: No such file"):
        ExperimentFile.of_run(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"question = '\xe9'")
    with pytest.raises(ConfigError, match=r"The experiment .*latin\.toml is not UTF-8 text \(line 1\)"):
        ExperimentFile.of_run(tmp_path / "latin.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["each", "base", "conv", "start", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_stands_in_a_table_is_explained_or_read(value: Any) -> None:
    for key in ("base", "threshold_init", "against", "recipes"):
        content = {**tomllib.loads(HEAD + SCALE), "networks": {"n": {"base": "pure20", key: value}}}
        with suppress(ValueError):
            ExperimentFile.model_validate(content)
