from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from small_architectures import small_architectures

from pure_nas.errors import ConfigError, UsageError
from pure_nas.space.architecture import Architecture


@given(small_architectures())
@settings(deadline=None)
def test_json_reads_back_as_the_same_architecture(architecture: Architecture) -> None:
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert again.to_json() == architecture.to_json()
    assert hash(again) == hash(architecture)
    assert again.digest == architecture.digest


@pytest.mark.parametrize(
    ("name", "blocks", "unit", "bottleneck"),
    [
        ("pure20", (3, 3, 3), "product", False),
        ("resnet110", (18, 18, 18), "conv", False),
        ("pure272", (45, 45, 45), "product", False),
        ("PURe8 ", (1, 1, 1), "product", False),
        ("resnet1202", (200, 200, 200), "conv", False),
        ("pure18", (2, 2, 2, 2), "product", False),
        ("resnet34", (3, 4, 6, 3), "conv", False),
        ("pure50", (3, 4, 6, 3), "product", True),
        ("resnet101", (3, 4, 23, 3), "conv", True),
        ("pure152", (3, 8, 36, 3), "product", True),
        ("log-conv-20", (3, 3, 3), "log-conv", False),
        ("product-complex-18", (2, 2, 2, 2), "product-complex", False),
        ("conv-8", (1, 1, 1), "conv", False),
    ],
)
def test_usual_names_are_the_usual_networks(name: str, blocks: tuple[int, ...], unit: str, bottleneck: bool) -> None:
    architecture = Architecture.named(name)
    assert architecture.blocks_per_stage == blocks
    assert architecture.unit_set == {unit}
    assert architecture.bottleneck is bottleneck
    assert architecture.depth == int("".join(filter(str.isdigit, name)))
    assert (architecture.family == "imagenet") is (len(blocks) == 4)
    sizes = (64, 224, 1000) if len(blocks) == 4 else (16, 32, 10)
    assert (architecture.base_width, architecture.image_size, architecture.num_classes) == sizes


@pytest.mark.parametrize(
    "name",
    ["", "pure", "pure2", "pure21", "vgg16", "pure1208", "resnet99999", "pure20x", "log-cnv-20", "log-conv20", "-20"],
)
def test_unknown_names_say_which_exist(name: str) -> None:
    with pytest.raises(UsageError, match=r"There is no architecture .*(.|\n)*pure<depth> and resnet<depth>"):
        Architecture.named(name)


@given(small_architectures())
@settings(deadline=None)
def test_canonical_form_is_stable_and_keeps_the_digest(architecture: Architecture) -> None:
    canonical = architecture.canonical()
    assert canonical.canonical() == canonical
    assert canonical.digest == architecture.digest
    read = architecture.model_copy(update={"softening": canonical.softening})  # product units do not read it
    assert list(canonical.blocks()) == list(read.blocks()) or architecture.unit_set != {"product"}


def test_threshold_counts_only_in_stages_that_have_one() -> None:
    units = (("product",), ("conv",))
    base = Architecture(units=units)
    assert Architecture(units=units, threshold_init=(0.0, 3.0)).digest == base.digest
    assert Architecture(units=units, threshold_init=(-0.0, -0.0)).digest == base.digest
    assert Architecture(units=units, threshold_init=(3.0, 0.0)).digest != base.digest


@given(small_architectures(), small_architectures())
@example(Architecture.uniform("conv", (2,)), Architecture.uniform("conv", (1,)))
@settings(deadline=None)
def test_digests_are_equal_only_for_equal_networks(first: Architecture, second: Architecture) -> None:
    assert (first.digest == second.digest) is (first.canonical() == second.canonical())


@pytest.mark.parametrize(("bottleneck", "counts"), [(False, False), (True, True)])
def test_shortcut_counts_in_a_single_stage_only_where_a_skip_changes_its_shape(bottleneck: bool, counts: bool) -> None:
    usual, padded = (
        Architecture.uniform("conv", (2,), bottleneck=bottleneck, shortcut=shortcut)
        for shortcut in ("projection", "padding")
    )
    assert (usual.digest != padded.digest) is counts


def test_digests_never_change() -> None:
    assert Architecture.named("pure20").digest == "834a40b2f379"
    # As before softening was a setting.
    assert Architecture.named("product-complex-20").digest == "e17fbea40737"
    assert Architecture.named("product-complex-20", softening=0.3).digest != "e17fbea40737"


OLD = """{
  "schema": 1, "family": "cifar", "units": [["conv", "product"], ["product"], ["conv"]], "base_width": 8,
  "bottleneck": false, "shortcut": "padding", "threshold_init": [-1.5, 0.0, 0.0], "threshold_trainable": true,
  "exponent_cap": null, "relu_in_block": false, "relu_after_add": true, "in_chans": 1, "num_classes": 10,
  "image_size": 8
}"""
"""A file from before thresholds per channel, softening, residual scales and zero gammas."""


def test_files_from_before_a_field_are_read_and_written_as_they_were() -> None:
    architecture = Architecture.from_json(OLD)
    assert architecture.digest == "2dfadd5d09b0"
    assert json.loads(architecture.to_json()) == json.loads(OLD)
    later = ("threshold_per_channel", "softening", "residual_scale", "zero_gamma")
    assert [getattr(architecture, name) for name in later] == [False, 0.5, 1.0, False]


@pytest.mark.parametrize(
    ("unit", "read"),
    [
        ("conv", set()),
        ("product", {"threshold_init", "threshold_trainable", "threshold_per_channel", "exponent_cap"}),
        ("log-conv", {"threshold_init", "threshold_trainable", "threshold_per_channel"}),
        ("product-complex", {"exponent_cap", "softening"}),
        ("plain-conv", set()),
    ],
)
def test_each_unit_keeps_only_the_settings_that_it_reads(unit: str, read: set[str]) -> None:
    others: dict[str, object] = {
        "threshold_init": (2.0,),
        "threshold_trainable": False,
        "threshold_per_channel": True,
        "exponent_cap": None,
        "softening": 0.3,
        "relu_in_block": True,
        "relu_after_add": True,
    }
    base, canonical = Architecture.uniform(unit, (2,)), Architecture.uniform(unit, (2,), **others).canonical()
    changed = {name for name in others if getattr(canonical, name) != getattr(base, name)}
    assert changed == read | (set() if unit == "conv" else {"relu_in_block", "relu_after_add"})


def test_twin_has_the_other_unit_in_every_block() -> None:
    pure = Architecture.named("pure56", threshold_init=(1.0, 0.0, 0.0))
    twin = pure.with_unit("conv")
    assert twin.canonical() == Architecture.named("resnet56")
    assert twin.with_unit("product") == pure


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        ("{}", "units: is missing"),
        ('{"units": []}', "units: .*at least 1"),
        (
            '{"units": [["cnv"]]}',
            r'units: There is no unit "cnv"; did you mean "conv"\? \(known: conv, hadamard, log-conv, plain-',
        ),
        ('{"schema": 2, "units": [["conv"]]}', "schema: must be 1, got 2"),
        ('{"units": [[]]}', "units.0: .*at least 1"),
        ('{"units": [["conv"], ["conv"]], "threshold_init": [0]}', "threshold_init has 1 values for 2 stages"),
        ('{"units": [["conv"]], "base_width": true}', "base_width: "),
        ('{"units": [["conv"]], "base_width": 16.0}', "base_width: "),
        ('{"units": [["conv"]], "exponent_cap": 0}', "exponent_cap: .*greater than 0"),
        ('{"units": [["conv"]], "exponent_cap": NaN}', "exponent_cap: "),
        ('{"units": [["conv"]], "residual_scale": 0}', "residual_scale: .*greater than 0"),
        ('{"units": [["conv"]], "softening": 0}', "softening: .*0.000001"),
        ('{"units": [["conv"]], "zero_gamma": 1}', "zero_gamma: "),
        ('{"units": [["conv"]], "threshold_init": [51]}', "threshold_init.0: .*less than or equal to 50"),
    ],
)
def test_broken_json_is_explained(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Architecture.from_json(text)
