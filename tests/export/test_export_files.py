from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from pure_nas.errors import RunError, UsageError
from pure_nas.export import write_export
from pure_nas.nn import build
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

SMALL = Architecture(units=(("product",), ("conv",)), base_width=2, image_size=8)


def test_weights_carry_the_digest_of_their_architecture(tmp_path: Path) -> None:
    state = build(SMALL).state_dict()
    write_export(tmp_path, SMALL, state, format="safetensors")
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        metadata = file.metadata()
        assert {name: file.get_tensor(name).shape for name in file.keys()} == {  # noqa: SIM118
            name: value.shape for name, value in state.items()
        }
        assert all(torch.equal(file.get_tensor(name), value) for name, value in state.items())
    assert (metadata["format"], metadata["architecture"]) == ("pt", SMALL.digest)
    data = (tmp_path / "weights.safetensors").read_bytes()
    tensors = data[8 + int.from_bytes(data[:8], "little") :]
    assert metadata["sha256"] == hashlib.sha256(tensors).hexdigest()


def test_same_weights_are_the_same_bytes() -> None:
    state = build(SMALL).state_dict()
    assert len({weights_bytes(SMALL, state) for _ in range(20)}) == 1


def test_weights_in_any_memory_layout_are_written() -> None:
    network = build(SMALL)
    expected = weights_bytes(SMALL, network.state_dict())
    assert weights_bytes(SMALL, network.to(memory_format=torch.channels_last).state_dict()) == expected


def test_what_is_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").mkdir()
    with pytest.raises(RunError, match=r"architecture\.json cannot be written"):
        write_export(tmp_path, SMALL, None, format="json")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RunError, match="cannot be written"):
        write_export(tmp_path / "out", SMALL, None, format="json")


def test_missing_weights_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the weights"):
        write_export(tmp_path, SMALL, None, format="python")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    wider = build(SMALL.model_copy(update={"base_width": 3})).state_dict()
    with pytest.raises(UsageError, match=r"stem\.conv\.weight has the shape \(3, 3, 3, 3\), not"):
        write_export(tmp_path, SMALL, wider, format="safetensors")
    wrapped = nn.ModuleDict({"module": build(SMALL)}).state_dict()
    with pytest.raises(UsageError, match=r"stem\.conv\.weight is missing"):
        write_export(tmp_path, SMALL, wrapped, format="safetensors")
    assert list(tmp_path.iterdir()) == []
