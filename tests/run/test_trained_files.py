"""Trained networks from their files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pure_nas.errors import RunError
from pure_nas.nn.network import Network, build
from pure_nas.run.weights import load_trained, weights_bytes
from pure_nas.space.architecture import Architecture


@pytest.fixture(scope="module")
def trained() -> Network:
    units = (("product", "conv"), ("product",))
    return (
        build(Architecture(units=units, base_width=4, in_chans=1, num_classes=3, image_size=8))
        .to(memory_format=torch.channels_last)
        .eval()
    )


@pytest.fixture
def weights(trained: Network, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights_bytes(trained.architecture, trained.state_dict()))
    (tmp_path / "architecture.json").write_text(trained.architecture.to_json())
    return path


def test_a_network_is_what_was_written(trained: Network, weights: Path) -> None:
    network = load_trained(weights).eval()
    images = torch.rand(2, 1, 8, 8)
    assert network.architecture == trained.architecture
    with torch.no_grad():
        assert torch.equal(network(images), trained(images))


def test_weights_without_their_architecture_say_which_it_is_and_take_one_that_builds_it(
    trained: Network, weights: Path
) -> None:
    (weights.parent / "architecture.json").unlink()
    with pytest.raises(RunError, match=f"weights of the architecture {trained.architecture.digest}, but there is no"):
        load_trained(weights)
    assert load_trained(weights, trained.architecture.canonical()).architecture.digest == trained.architecture.digest


def test_another_architecture_is_refused(trained: Network, weights: Path) -> None:
    other = Architecture(units=(("conv",),), base_width=4, in_chans=1, num_classes=3, image_size=8)
    words = f"of the architecture {trained.architecture.digest}, not of {other.digest}"
    with pytest.raises(RunError, match=words) as raised:
        load_trained(weights, other)
    assert "architecture.json says which" in raised.value.hint
    (weights.parent / "architecture.json").write_text(other.to_json())
    with pytest.raises(RunError, match=words) as raised:
        load_trained(weights)
    assert raised.value.hint.startswith("Copy the architecture.json of that network next to them")


def test_a_file_that_lacks_a_weight_is_refused(trained: Network, weights: Path) -> None:
    state = {name: value.contiguous() for name, value in trained.state_dict().items() if name != "stem.norm.bias"}
    save_file(state, weights)
    with pytest.raises(RunError, match=r"do not fit their architecture: stem\.norm\.bias is missing\."):
        load_trained(weights)
