"""Networks are what their architecture says, equal torchvision's where they should, and are reproducible."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
import torch
import torchvision
from forked import in_a_fork

import pure_nas.space.unit
from pure_nas.errors import PureNasError
from pure_nas.nn.folding import folded
from pure_nas.nn.network import build, build_unit, parameter_kinds
from pure_nas.nn.plain.units import Hadamard
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import BUILT_IN, CONV, UnitPlace

HYBRID = Architecture(units=(("product", "conv"), ("conv", "product")), base_width=4, image_size=8)


TORCHVISION = {
    "stem.conv": "conv1",
    "stem.norm": "bn1",
    "shortcut.conv": "downsample.0",
    "shortcut.norm": "downsample.1",
    "unit": "conv2",
    "norm": "bn",
    "classifier.linear": "fc",
}


def in_torchvision(name: str) -> str:
    name = re.sub(r"stages\.(\d)", lambda stage: f"layer{int(stage[1]) + 1}", name)
    for ours, theirs in TORCHVISION.items():
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_all_conv_network_is_the_resnet_of_torchvision(depth: int) -> None:
    ours = build(Architecture.named(f"resnet{depth}", num_classes=10)).eval()
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=10).eval()
    with torch.no_grad():
        for value in ours.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape) * 0.01)
        theirs.load_state_dict({in_torchvision(name): value for name, value in ours.state_dict().items()})
        x = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_padding_shortcut_subsamples_and_adds_zero_channels(bottleneck: bool) -> None:
    architecture = HYBRID.model_copy(update={"shortcut": "padding", "bottleneck": bottleneck})
    channels = 16 if bottleneck else 4
    x = torch.rand(2, channels, 8, 8) + 1
    y = build(architecture).get_submodule("stages.1.0.shortcut")(x)
    assert y.shape == (2, 2 * channels, 4, 4)
    before, kept, after = y.split([channels // 2, channels, channels // 2], dim=1)
    assert torch.equal(kept, x[:, :, ::2, ::2])
    assert not before.any()
    assert not after.any()


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_product_of_convolutions_stays_finite_in_half_precision(dtype: torch.dtype) -> None:
    """Of networks of it, each layer doubles relative errors, so that one unit is compared."""
    unit = Hadamard(4, 6)
    x = torch.randn(3, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    narrow = copy.deepcopy(unit).to(dtype)
    torch.testing.assert_close(narrow(x.to(dtype)).float(), unit(x), rtol=0.05, atol=0.05)
    assert narrow(1e4 * x.to(dtype)).isfinite().all()


@pytest.mark.parametrize("unit", [unit for unit in BUILT_IN if unit != "hadamard"])
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
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


def test_the_generator_alone_decides_the_weights() -> None:
    states = []
    for global_seed, seed in enumerate((4, 4, 5)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        states.append(build(HYBRID, generator=torch.Generator().manual_seed(seed)).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    first, second, other = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("stem.conv.weight", "stages.0.0.unit.weight"):
        assert not torch.equal(first[name], other[name])


def test_convolutions_start_kaiming_normal_by_fan_out() -> None:
    weight = build(Architecture.uniform("conv", (1,), base_width=64)).get_parameter("stages.0.0.unit.weight")
    assert float(weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=2e-2)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_every_parameter_has_its_kind(bottleneck: bool) -> None:
    units = (("product", "conv", "product-complex", "log-conv", "plain-conv"), ("conv",))
    network = build(Architecture(units=units, base_width=4, image_size=8, bottleneck=bottleneck))
    kinds = parameter_kinds(network)
    assert list(kinds) == [name for name, _ in network.named_parameters()]
    assert set(kinds.values()) == network.architecture.parameter_kinds
    of_units = {
        "stages.0.0.unit.weight": "exponents",
        "stages.0.0.unit.theta": "thresholds",
        "stages.0.1.unit.weight": "conv",
        "stages.0.2.unit.weight": "exponents",
        "stages.0.3.unit.weight": "exponents",
        "stages.0.3.unit.theta": "thresholds",
        "stages.0.4.unit.weight": "conv",
        "stages.1.0.unit.weight": "conv",
    }
    others = {
        "stem.conv.weight": "trunk",
        "classifier.linear.bias": "trunk",
        "stages.0.0.conv1.weight": "product_conv",
        "stages.0.0.norm2.bias": "product_conv",
        "stages.0.1.conv1.weight": "conv",
        "stages.0.2.conv1.weight": "product_conv",
        "stages.0.3.conv1.weight": "product_conv",
        "stages.0.4.conv1.weight": "conv",
        "stages.1.0.shortcut.conv.weight": "conv",
    }
    assert {name: kind for name, kind in kinds.items() if ".unit." in name or name in others} == of_units | others


def test_kinds_are_found_in_stages_of_more_than_ten_blocks() -> None:
    kinds = parameter_kinds(build(Architecture(units=(("conv",) * 11 + ("product",),), base_width=1)))
    assert kinds["stages.0.1.unit.weight"] == "conv"
    assert kinds["stages.0.11.unit.weight"] == "exponents"


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        ("no_such_module:Unit", 'unit "conv" cannot be built'),
        ("torch.nn:NoSuchUnit", 'unit "conv" cannot be built'),
        ("builtins:dict", r"builds a dict, not a torch\.nn\.Module"),
    ],
)
def test_a_unit_that_cannot_be_built_is_explained(implementation: str, message: str) -> None:
    place = UnitPlace(in_channels=2, out_channels=2, stride=1, in_size=4, out_size=4)
    with pytest.raises(PureNasError, match=message):
        build_unit(replace(CONV, implementation=implementation), place)


def test_parameter_without_a_kind_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = replace(CONV, name="biased", parameter_kinds={})
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, "biased", unit)
    with pytest.raises(PureNasError, match='unit "biased" does not say of which kind its parameter "weight" is'):
        parameter_kinds(build(Architecture.uniform("biased", (1,), base_width=2)))
