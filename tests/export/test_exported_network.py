"""What is exported computes what was trained, in an interpreter that has no pure_nas."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import safetensors.torch
import torch
from forked import in_a_fork
from hypothesis import HealthCheck, example, given, settings
from small_architectures import small_architectures
from torch import Tensor, nn

from pure_nas.export import write_export
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture

Ask = Callable[[Path], dict[str, Any]]
_folders = itertools.count()

HYBRID = Architecture(
    units=(("product", "conv"), ("conv", "product"), ("product", "product")),
    base_width=4,
    threshold_init=(0.0, -2.0, 1.5),
    image_size=9,
)


def trained(architecture: Architecture) -> Network:
    """The network in float64 after three steps, so that no statistic is at its start."""
    network = build(architecture).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(1)
    size = architecture.image_size
    for _ in range(3):
        images = torch.randn(4, architecture.in_chans, size, size, generator=generator, dtype=torch.float64)
        targets = torch.randint(architecture.num_classes, (4,), generator=generator)
        loss = nn.functional.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network.eval()


def images_for(architecture: Architecture) -> Tensor:
    shape = (3, architecture.in_chans, architecture.image_size, architecture.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def exported(folder: Path, architecture: Architecture) -> tuple[Tensor, Tensor]:
    """Export a trained network with a batch and its logits in both precisions."""
    network = trained(Architecture.from_json(architecture.to_json()))
    images = images_for(architecture)
    double = network.state_dict()
    safetensors.torch.save_file({name: value.clone() for name, value in double.items()}, folder / "double.safetensors")
    with torch.inference_mode():
        logits64 = network(images)
        logits32 = network.float()(images.float())
    batch = {"images": images, "logits32": logits32, "logits64": logits64}
    safetensors.torch.save_file(batch, folder / "batch.safetensors")
    write_export(folder, architecture, network.state_dict(), format="python")
    return logits32, logits64


def imported(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"exported_{folder.name}", folder / "network.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@example(architecture=HYBRID)
@given(architecture=small_architectures())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_exported_network_gives_the_same_logits_without_pure_nas(
    architecture: Architecture, isolated: Ask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(f"network{next(_folders)}")
    exported(folder, architecture)
    answer = isolated(folder)
    assert "error" not in answer, answer
    assert answer["float64"] <= 1e-10
    assert answer["float32"] <= 1e-4
    assert answer["training"] is False
    assert answer["shape"] == [architecture.in_chans, architecture.image_size]
    expected = [name for name, parameter in build(architecture).named_parameters() if parameter.requires_grad]
    assert answer["trained"] == expected


VARIANTS = (("product-complex", "log-conv"), ("plain-conv",), ("product",))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"bottleneck": True, "shortcut": "padding", "family": "imagenet"},
        {"units": VARIANTS, "residual_scale": 0.5, "threshold_per_channel": True},
    ],
    ids=["plain", "bottleneck with padding", "variants of a product unit"],
)
@in_a_fork
def test_exported_network_survives_torch_export(tmp_path: Path, fields: dict[str, Any]) -> None:
    architecture = HYBRID.model_copy(update=fields)
    logits, _ = exported(tmp_path, architecture)
    images = images_for(architecture).float()
    program = torch.export.export(
        imported(tmp_path).load(), (images,), dynamic_shapes=({0: torch.export.Dim("n")},)
    ).module()
    torch.testing.assert_close(program(images), logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(program(images[:2]), logits[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_exported_networks_compute_in_float16(tmp_path: Path, bottleneck: bool) -> None:
    architecture = HYBRID.with_unit("product").model_copy(update={"bottleneck": bottleneck})
    ours = trained(architecture)
    for name, value in ours.state_dict().items():
        if name.endswith("norm2.running_var"):
            value.fill_(3.6e8)
    ours = ours.float()
    write_export(tmp_path, architecture, ours.state_dict(), format="python")
    images = images_for(architecture).half()
    with torch.inference_mode():
        logits = imported(tmp_path).load().half()(images)
        assert logits.dtype == torch.float16
        torch.testing.assert_close(logits.float(), ours(images.float()), rtol=0.02, atol=0.02)
