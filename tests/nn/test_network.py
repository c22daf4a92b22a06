"""Networks have their known sizes, equal torchvision's where they should, and are reproducible."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torchvision
from forked import in_a_fork
from torch import nn

import pure_nas.space.unit
from pure_nas.errors import PureNasError
from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network, build, build_unit, parameter_kinds
from pure_nas.nn.plain.units import ConvPU
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import BUILT_IN, CONV, PRODUCT, Unit, UnitPlace

CIFAR_COUNTS = {
    20: (272_483, 269_731),
    32: (466_921, 464_169),
    44: (661_359, 658_607),
    56: (855_797, 853_045),
    110: (1_730_768, 1_728_016),
    272: (4_355_681, 4_352_929),
}
IMAGENET_COUNTS = {
    18: (11_689_520, 11_181_650),
    34: (21_797_688, 21_289_818),
    50: (25_557_048, 23_528_538),
    101: (44_549_193, 42_520_683),
    152: (60_192_858, 58_164_348),
}
HYBRID = Architecture(units=(("product", "conv"), ("conv", "product")), base_width=4, image_size=8)


def count(architecture: Architecture) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Network(architecture).parameters())


def thetas(architecture: Architecture) -> int:
    return sum(architecture.blocks_per_stage)


@pytest.mark.parametrize(("depth", "counts"), CIFAR_COUNTS.items())
def test_cifar_networks_have_the_known_sizes(depth: int, counts: tuple[int, int]) -> None:
    for shortcut, expected in zip(("projection", "padding"), counts, strict=True):
        architecture = Architecture.named(f"pure{depth}", shortcut=shortcut)
        assert count(architecture) == expected
        assert expected - thetas(architecture) == count(Architecture.named(f"resnet{depth}", shortcut=shortcut))


@pytest.mark.parametrize(("depth", "counts"), IMAGENET_COUNTS.items())
def test_imagenet_networks_have_the_known_sizes(depth: int, counts: tuple[int, int]) -> None:
    for classes, expected in zip((1000, 10), counts, strict=True):
        architecture = Architecture.named(f"pure{depth}", num_classes=classes)
        assert count(architecture) == expected
        assert expected - thetas(architecture) == count(Architecture.named(f"resnet{depth}", num_classes=classes))


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_all_conv_network_is_the_resnet_of_torchvision(depth: int) -> None:
    ours = build(Architecture.named(f"resnet{depth}", num_classes=10)).eval()
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=10).eval()
    source, target = list(ours.state_dict().values()), _in_our_order(theirs)
    assert [tuple(value.shape) for value in source] == [tuple(value.shape) for value in target]
    with torch.no_grad():
        for from_ours, to_theirs in zip(source, target, strict=True):
            if from_ours.is_floating_point():
                from_ours.add_(torch.rand(from_ours.shape) * 0.01)
            to_theirs.copy_(from_ours)
        x = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def _in_our_order(network: nn.Module) -> list[torch.Tensor]:
    """torchvision registers modules in the order of ours, with a batch norm behind each convolution."""
    order = {"conv1": 0, "bn1": 1, "conv2": 2, "bn2": 3, "conv3": 4, "bn3": 5, "downsample": 6}
    state = network.state_dict()
    place = {name: index for index, name in enumerate(state)}

    def key(name: str) -> tuple[object, ...]:
        parts = name.split(".")
        if not parts[0].startswith("layer"):
            return (place[name],)
        first = min(place[other] for other in state if other.startswith(".".join(parts[:2]) + "."))
        return (first, order[parts[2]], place[name])

    return [state[name] for name in sorted(state, key=key)]


@pytest.mark.parametrize("shortcut", ["projection", "padding"])
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("family", ["cifar", "imagenet"])
@pytest.mark.parametrize("image_size", [1, 7, 16])
def test_blocks_have_the_sizes_that_the_architecture_says(
    shortcut: str, bottleneck: bool, family: str, image_size: int
) -> None:
    architecture = Architecture.model_validate(
        {
            "family": family,
            "units": HYBRID.units,
            "base_width": 3,
            "shortcut": shortcut,
            "bottleneck": bottleneck,
            "image_size": image_size,
        }
    )
    network = build(architecture).eval()
    sizes: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _m, _i, out, name=name: sizes.update({name: tuple(out.shape)}))
    logits = network(torch.randn(2, 3, image_size, image_size))
    assert logits.shape == (2, 10)
    stem = architecture.stem
    assert sizes["stem.conv"] == (2, stem.out_channels, stem.conv_size, stem.conv_size)
    assert sizes["stem"] == (2, stem.out_channels, stem.out_size, stem.out_size)
    for block in architecture.blocks():
        assert sizes[block.name] == (2, block.out_channels, block.out_size, block.out_size)
        place = block.unit_place
        assert sizes[f"{block.name}.unit"] == (2, place.out_channels, place.out_size, place.out_size)


@pytest.mark.parametrize(("shortcut", "bottleneck"), [("projection", False), ("padding", False), ("padding", True)])
def test_padding_shortcut_subsamples_and_adds_zero_channels(shortcut: str, bottleneck: bool) -> None:
    architecture = HYBRID.model_copy(update={"shortcut": shortcut, "bottleneck": bottleneck})
    module = build(architecture).get_submodule("stages.1.0.shortcut")
    assert bool(list(module.parameters())) is (shortcut == "projection")
    if shortcut == "padding":
        channels = 16 if bottleneck else 4
        x = torch.rand(2, channels, 8, 8) + 1
        y = module(x)
        assert y.shape == (2, 2 * channels, 4, 4)
        half = channels // 2
        assert torch.equal(y[:, half : half + channels], x[:, :, ::2, ::2])
        assert not y[:, :half].any()
        assert not y[:, half + channels :].any()


@pytest.mark.parametrize(
    ("unit", "switches", "relus"),
    [
        ("conv", {}, (True, True, True)),
        ("product", {}, (False, False, False)),
        ("product", {"relu_in_block": True}, (True, True, False)),
        ("product", {"relu_after_add": True}, (False, False, True)),
        *((unit, {}, (False, False, False)) for unit in ("product-complex", "log-conv", "plain-conv")),
        *((unit, {"relu_after_add": True}, (False, False, True)) for unit in ("product-complex", "log-conv")),
        ("plain-conv", {"relu_in_block": True}, (True, True, False)),
    ],
)
def test_relus_stand_where_the_architecture_says(
    unit: str, switches: dict[str, bool], relus: tuple[bool, bool, bool]
) -> None:
    network = build(Architecture.uniform(unit, (1,), base_width=2, **switches))
    block = network.get_submodule("stages.0.0")
    assert (network.stem.relu, block.relu_in_block, block.relu_after_add) == relus


def test_thresholds_and_caps_reach_the_units() -> None:
    architecture = HYBRID.model_copy(
        update={"threshold_init": (0.5, -2.0), "exponent_cap": None, "threshold_trainable": False}
    )
    units = [module for module in build(architecture).modules() if isinstance(module, ConvPU)]
    assert [unit.theta.item() for unit in units] == [0.5, -2.0]
    assert all(unit.exponent_cap is None and not unit.theta.requires_grad for unit in units)


@pytest.mark.parametrize("unit", ["product", "log-conv"])
def test_thresholds_of_channels_reach_the_units(unit: str) -> None:
    architecture = Architecture.uniform(unit, (1, 1), base_width=3, threshold_per_channel=True, threshold_init=(1, -2))
    thetas = [value for name, value in build(architecture).named_parameters() if name.endswith("theta")]
    assert [theta.shape for theta in thetas] == [(3, 1, 1), (6, 1, 1)]
    assert [theta.unique().tolist() for theta in thetas] == [[1.0], [-2.0]]


@pytest.mark.parametrize("unit", BUILT_IN)
@in_a_fork
def test_blocks_of_every_unit_compile_without_graph_breaks(unit: str) -> None:
    torch.compiler.reset()
    fields = {"base_width": 3, "residual_scale": 0.5, "threshold_per_channel": True}
    block = build(Architecture.uniform(unit, (2,), **fields)).stages[0][1].double()
    twin = copy.deepcopy(block)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    for module in (compiled, twin):
        module(x).square().sum().backward()
    for ours, plain in zip(block.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, plain.grad)


@pytest.mark.parametrize("unit", BUILT_IN)
@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_network_without_gammas_starts_as_its_skips(unit: str, bottleneck: bool) -> None:
    fields = {"base_width": 4, "image_size": 8, "bottleneck": bottleneck}
    usual = build(Architecture.uniform(unit, (2, 1), **fields))
    still = build(Architecture.uniform(unit, (2, 1), zero_gamma=True, **fields))
    differing = [name for name, value in usual.state_dict().items() if not torch.equal(value, still.state_dict()[name])]
    last = "norm3" if bottleneck else "norm2"
    assert differing == [f"{block.name}.{last}.weight" for block in still.architecture.blocks()]
    x = torch.rand(2, 16 if bottleneck else 4, 8, 8)
    assert torch.equal(still.stages[0][1](x), x)
    still(torch.randn(4, 3, 8, 8)).square().sum().backward()
    gradients = [still.get_parameter(name).grad for name in differing]
    assert all(gradient is not None and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("unit", BUILT_IN)
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_what_a_block_adds_to_its_skip_is_scaled(unit: str, bottleneck: bool, training: bool) -> None:
    fields = {"base_width": 4, "bottleneck": bottleneck, "relu_in_block": True}
    small, usual = (
        build(Architecture.uniform(unit, (2,), residual_scale=scale, **fields)).stages[0][1].train(training)
        for scale in (0.25, 1.0)
    )
    x = 5 + torch.rand(3, 16 if bottleneck else 4, 6, 6)
    for block in (small, usual):
        block.relu_after_add = False  # it would cut the branch of a convolution off
    torch.testing.assert_close(small(x) - x, 0.25 * (usual(x) - x), rtol=1e-4, atol=1e-5)


HALVES = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("unit", BUILT_IN)
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
def test_networks_of_half_precision_compute_what_they_do_in_float32(
    unit: str, bottleneck: bool, dtype: torch.dtype
) -> None:
    architecture = Architecture.uniform(unit, (2, 1), base_width=4, image_size=8, bottleneck=bottleneck)
    network, x = build(architecture).eval(), torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    narrow = copy.deepcopy(network).to(dtype)
    with torch.no_grad():
        wide, found = network(x), narrow(x.to(dtype))
        assert torch.equal(folded(narrow)(x.to(dtype)).argmax(1), found.argmax(1))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), wide, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("unit", BUILT_IN)
@pytest.mark.parametrize("bottleneck", [False, True])
def test_networks_in_bfloat16_train(unit: str, bottleneck: bool) -> None:
    architecture = Architecture.uniform(unit, (2, 1), base_width=4, image_size=8, bottleneck=bottleneck)
    network = build(architecture).to(torch.bfloat16)
    network(torch.randn(4, 3, 8, 8, dtype=torch.bfloat16)).square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.bfloat16
        assert parameter.grad.isfinite().all()


def test_same_seed_gives_the_same_weights_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    first = build(HYBRID, generator=torch.Generator().manual_seed(4)).state_dict()
    torch.manual_seed(2)
    second = build(HYBRID, generator=torch.Generator().manual_seed(4)).state_dict()
    other = build(HYBRID, generator=torch.Generator().manual_seed(5)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])
    assert not torch.equal(first["stages.0.0.unit.weight"], other["stages.0.0.unit.weight"])


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    build(HYBRID)
    assert torch.equal(torch.get_rng_state(), before)


def test_convolutions_start_kaiming_normal_by_fan_out() -> None:
    weight = build(Architecture.uniform("conv", (1,), base_width=64)).get_parameter("stages.0.0.unit.weight")
    assert float(weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=2e-2)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_every_parameter_has_its_kind(bottleneck: bool) -> None:
    network = build(HYBRID.model_copy(update={"bottleneck": bottleneck}))
    kinds = parameter_kinds(network)
    assert list(kinds) == [name for name, _ in network.named_parameters()]
    assert set(kinds.values()) == network.architecture.parameter_kinds
    expected = {
        "stem.conv.weight": "trunk",
        "classifier.linear.bias": "trunk",
        "stages.0.0.conv1.weight": "product_conv",
        "stages.0.0.norm2.bias": "product_conv",
        "stages.0.0.unit.weight": "exponents",
        "stages.0.0.unit.theta": "thresholds",
        "stages.0.1.conv1.weight": "conv",
        "stages.0.1.unit.weight": "conv",
        "stages.1.0.shortcut.conv.weight": "conv",
    }
    assert {name: kinds[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("unit", "kinds"),
    [
        ("product-complex", {"unit.weight": "exponents", "conv1.weight": "product_conv"}),
        ("log-conv", {"unit.weight": "exponents", "unit.theta": "thresholds", "conv1.weight": "product_conv"}),
        ("plain-conv", {"unit.weight": "conv", "conv1.weight": "conv"}),
    ],
)
def test_parameters_of_the_variants_have_their_kinds(unit: str, kinds: dict[str, str]) -> None:
    found = parameter_kinds(build(Architecture.uniform(unit, (1,), base_width=2)))
    assert {name: found[f"stages.0.0.{name}"] for name in kinds} == kinds
    assert {name for name in found if ".unit." in name} == {f"stages.0.0.{name}" for name in kinds if "unit." in name}


def test_kinds_are_found_in_stages_of_more_than_ten_blocks() -> None:
    kinds = parameter_kinds(build(Architecture(units=(("conv",) * 11 + ("product",),), base_width=1)))
    assert kinds["stages.0.1.unit.weight"] == "conv"
    assert kinds["stages.0.11.unit.weight"] == "exponents"


@pytest.mark.parametrize("implementation", ["no_such_module:Unit", "torch.nn:NoSuchUnit"])
def test_unit_that_does_not_import_is_explained(implementation: str) -> None:
    unit = replace(PRODUCT, implementation=implementation)
    with pytest.raises(PureNasError, match='unit "product" cannot be built'):
        build_unit(unit, PLACE)


def test_unit_that_is_no_module_is_explained() -> None:
    unit = replace(CONV, implementation="builtins:dict")
    with pytest.raises(PureNasError, match=r"builds a dict, not a torch\.nn\.Module"):
        build_unit(unit, PLACE)


PLACE = UnitPlace(in_channels=2, out_channels=2, stride=1, in_size=4, out_size=4)


@pytest.fixture
def normed_unit(monkeypatch: pytest.MonkeyPatch) -> Unit:
    """A unit of another package, with PyTorch layers that draw their own weights."""
    unit = replace(
        CONV,
        name="normed",
        implementation="torch.nn:GroupNorm",
        arguments=lambda place: {"num_groups": 1, "num_channels": place.out_channels},
        parameter_kinds={"weight": "conv", "bias": "conv"},
    )
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, "normed", unit)
    return unit


def test_units_of_pytorch_layers_that_take_no_generator_are_built(normed_unit: Unit) -> None:
    network = build(Architecture.uniform(normed_unit.name, (2,), base_width=2))
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 10)


def test_parameter_without_a_kind_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = replace(CONV, name="biased", parameter_kinds={})
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, "biased", unit)
    with pytest.raises(PureNasError, match='unit "biased" does not say of which kind its parameter "weight" is'):
        parameter_kinds(build(Architecture.uniform("biased", (1,), base_width=2)))
