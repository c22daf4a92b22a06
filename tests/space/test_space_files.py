from __future__ import annotations

import math
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pure_nas.errors import ConfigError
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.toml_tables import ArchitectureTable, RecipeTable, RunTable

MINIMAL = '[architecture]\nblocks_per_stage = 1\nunits = "conv"\n'


def faults_of(text: str) -> list[str]:
    """The lines of the message, without the first and the hint."""
    with pytest.raises(ConfigError) as caught:
        SearchSpace.from_toml(text, source="my.toml")
    first, *lines = caught.value.message.splitlines()
    assert first == f"my.toml has {len(lines)} error" + ("s:" if len(lines) > 1 else ":")
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("base_width = 0", "base_width: input should be greater than or equal to 1, got 0"),
        ("base_width = [8, 16]", "base_width: a list of values to choose from is written { choices = [...] }"),
        ('base_width = "8"', "base_width: input should be a valid integer, got '8'"),
        ("base_width = { choices = [] }", "base_width.choices: must be a list of at least one value"),
        ("base_width = { choices = 8 }", "base_width.choices: must be a list of at least one value"),
        ("base_width = { choices = [8, 16, 8] }", "base_width.choices.2: 8 is listed twice"),
        ("base_width = { choices = [8, 1.5] }", "base_width.choices.1: input should be a valid integer, got 1.5"),
        ("base_width = { low = 8 }", "base_width.high: is missing"),
        ("base_width = { low = 8, high = 9999 }", "base_width.high: input should be less than or equal to 4096"),
        ("base_width = { low = 9, high = 8 }", "base_width: low <= high must hold, but got low = 9 and high = 8"),
        ("base_width = { low = 1, high = 8, log = 1 }", "base_width.log: must be true or false, got 1"),
        ("base_width = { low = 1, hig = 8 }", 'base_width.hig: unknown key "hig"; did you mean "high"?'),
        ("base_width = {}", "base_width: must be a value, { choices = [...] } or { low = ..., high = ... }"),
        ("threshold_init = [0, 0, 99]", "threshold_init.2: input should be less than or equal to 50, got 99"),
        ("threshold_init = [0, 0]", "threshold_init: lists 2 stages, but the network has 3"),
        ("threshold_init = []", "threshold_init: must list one value per stage"),
        ("threshold_init = { low = -1, high = 1, log = true }", "threshold_init.low: log = true needs low > 0, got -1"),
        ('threshold_init = { low = 0, high = 1, per = "layer" }', "threshold_init.per: 'layer' is not valid; known:"),
        ("threshold_init = { choices = [0.0, -0.0] }", "threshold_init.choices.1: 0.0 is listed twice"),
        ("threshold_init = nan", "threshold_init: input should be a finite number, got nan"),
        ("residual_scale = { choices = [1.0, 0] }", "residual_scale.choices.1: input should be greater than 0, got 0"),
        ("relu_after_add = { low = false, high = true }", "relu_after_add: a range needs two numbers"),
        ('exponent_cap = { low = 1, high = "none" }', "exponent_cap: a range needs two numbers"),
        ('shortcut = { choices = ["projction"] }', "shortcut.choices.0: 'projction' is not valid; did you mean"),
        ('family = "cifr"', "family: 'cifr' is not valid; did you mean \"cifar\"?"),
        ("stages = 7", "stages: input should be less than or equal to 6, got 7"),
        ("base_with = 8", 'base_with: unknown key "base_with"; did you mean "base_width"?'),
    ],
)
def test_a_fault_of_an_architecture_field_gives_one_line(line: str, fault: str) -> None:
    (found,) = faults_of(MINIMAL + line)
    assert found.startswith(f"architecture.{fault}")


@pytest.mark.parametrize(
    ("units", "fault"),
    [
        ("7", 'units: must be a pattern such as "product"'),
        ('""', 'units: "" has a stage without a unit'),
        ('"conv | | conv"', 'units: "conv | | conv" has a stage without a unit'),
        ('"conv prodct"', 'units: There is no unit "prodct"; did you mean "product"?'),
        ('{ choices = ["conv", "prod"] }', 'units.choices.1: There is no unit "prod"'),
        ('{ choices = ["conv", 3] }', "units.choices.1: input should be a valid string, got 3"),
        ('{ choices = ["conv"], per = "block" }', "units.per: 'block' is not valid; known: layer, network, stage"),
        ('{ patterns = ["conv"], per = "layer" }', 'units.per: unknown key "per"; known: patterns'),
        ("{ patterns = [] }", "units.patterns: must be a list of at least one pattern"),
        ('{ patterns = ["conv", 1] }', "units.patterns.1: must be a pattern: unit names, with | between stages"),
        ('{ patterns = ["conv", "conv | conv"] }', 'units.patterns.1: "conv | conv" places the same units as "conv"'),
        ('"conv | conv | conv | conv"', 'units: "conv | conv | conv | conv" has 4 stages, but the network has 3'),
    ],
)
def test_a_fault_of_the_units_gives_one_line(units: str, fault: str) -> None:
    (found,) = faults_of(f"[architecture]\nblocks_per_stage = 2\nunits = {units}")
    assert found.startswith(f"architecture.{fault}")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("momentum = 1", "momentum: input should be less than 1, got 1"),
        ("nesterov = true\nmomentum = { low = 0.0, high = 0.9 }", ": nesterov = true needs momentum > 0"),
        ("warmup_epochs = inf", "warmup_epochs: input should be a finite number, got inf"),
        ("learning_rate = -1", "learning_rate: input should be greater than 0, got -1"),
        ("learning_rate.conv = { low = -1, high = 1 }", "learning_rate.conv.low: input should be greater than 0, got"),
        ("learning_rate.product = 0.1", 'learning_rate.product: unknown key "product"; did you mean "product_conv"?'),
        ("weight_decay = 11", "weight_decay: input should be less than or equal to 10, got 11"),
        ("weight_decay.conv.start = 'x'", "weight_decay.conv.start: input should be a valid number, got 'x'"),
        ("weight_decay.conv.schedule = 'linea'", "weight_decay.conv.schedule: 'linea' is not valid; did you mean"),
        ("weight_decay.conv.end = 1e-3", 'weight_decay.conv: end is never used: schedule = "constant" keeps start'),
        ("weight_decay.conv.ende = 1", 'weight_decay.conv.ende: unknown key "ende"; did you mean "end"?'),
        ("epochs = 3", 'epochs: unknown key "epochs"'),
    ],
)
def test_a_fault_of_a_recipe_field_gives_one_line(line: str, fault: str) -> None:
    (found,) = faults_of(f"{MINIMAL}[recipe]\n{line}")
    assert found.startswith(f"recipe{fault}" if fault.startswith(":") else f"recipe.{fault}")


def test_every_fault_of_a_file_is_listed_at_once() -> None:
    found = faults_of("""
        schema = 2
        sumary = "x"
        [run]
        trials = 0
        [architecture]
        blocks_per_stage = { low = 1, high = 300 }
        base_width = { choices = [0, 16, 16, "a"] }
        [recipe]
        learning_rate.conv = -1
        "odd (key)" = 1
    """)
    assert [line.partition(": ")[0] for line in found] == [
        "schema",
        "run.trials",
        "architecture.blocks_per_stage.high",
        "architecture.units",
        "architecture.base_width.choices.0",
        "architecture.base_width.choices.3",
        "architecture.base_width.choices.2",
        "recipe.learning_rate.conv",
        'recipe."odd (key)"',
        "sumary",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# fine\nsummary = '\xe9'", r"is not UTF-8 text \(line 2\)"),
        (b"schema = 1\n[architecture\n", r"hostile\.toml is not valid TOML: .*line 2"),
        (b"", "architecture: is missing"),
        (b"x = " + b"[" * 5000, "is nested too deeply|is not valid TOML"),
        (b"x = " + b"9" * 5000, "is not valid TOML"),
        (MINIMAL.encode() + b"base_width = 0x" + b"f" * 9000, r"base_width: .* got int too large to show"),
        (MINIMAL.encode() + b"base_width" + b".a" * 3000 + b" = 1", r"base_width.*"),
        (MINIMAL.encode() + b"threshold_init = 0x" + b"f" * 9000, r"threshold_init: .* got int too large to show"),
        (MINIMAL.encode() + b"family = 0x" + b"f" * 9000, r"family: int too large to show is not valid"),
        (MINIMAL.encode() + b"threshold_init.per = 0x" + b"f" * 9000, r"threshold_init\.per: int too large to show"),
        (b"architecture = 2020-01-01", "architecture: "),
        (b"recipe = 3\nrun = []\narchitecture = ''", "has 3 errors"),
        (b"\x00", "has null characters"),
    ],
)
def test_hostile_files_are_explained(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "hostile.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        SearchSpace.load(path)


def test_paths_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        SearchSpace.load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        SearchSpace.load(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: embedded null"):
        SearchSpace.load(Path("a\0b.toml"))


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["conv", "product", "conv | product", "stage", "none", "constant", "cosine", "projection"]),
    st.dates(),
    st.sampled_from([1, 2, 0.5, 0.0, math.nan, math.inf]),
)
KEYS = st.one_of(
    st.sampled_from(["choices", "low", "high", "log", "per", "patterns", "start", "end", "schedule", "conv", "trunk"]),
    st.text(max_size=4),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


def _table(fields: list[str]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(fields) | KEYS, VALUES, max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    architecture=_table(list(ArchitectureTable.model_fields)),
    recipe=_table(list(RecipeTable.model_fields)) | VALUES,
    run=_table(list(RunTable.model_fields)) | VALUES,
    rest=st.dictionaries(KEYS, VALUES, max_size=1),
    complete=st.booleans(),
)
def test_any_file_is_a_space_or_explained(
    architecture: dict[str, object], recipe: object, run: object, rest: dict[str, object], complete: bool
) -> None:
    if complete:
        architecture = {"blocks_per_stage": 1, "units": "conv", **architecture}
    text = tomli_w.dumps({"architecture": architecture, "recipe": recipe, "run": run, **rest})
    try:
        space = SearchSpace.from_toml(text)
    except ConfigError:
        return
    assert space.count() >= 1
    assert SearchSpace.from_toml(space.to_toml()) == space
