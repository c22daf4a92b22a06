"""What an export writes: its files, and Python that a good engineer could have written."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruff.__main__ import find_ruff_bin
from safetensors import safe_open
from small_architectures import small_architectures
from torch import nn

from pure_nas.errors import RunError, UsageError
from pure_nas.export import About, python_source, write_export
from pure_nas.export.python_file import literal
from pure_nas.nn.network import build
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


def test_same_weights_are_the_same_bytes_in_any_memory_layout() -> None:
    network = build(SMALL)
    found = {weights_bytes(SMALL, network.state_dict()) for _ in range(20)}
    found.add(weights_bytes(SMALL, network.to(memory_format=torch.channels_last).state_dict()))
    assert len(found) == 1


def test_what_is_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").mkdir()
    with pytest.raises(RunError, match=r"architecture\.json cannot be written"):
        write_export(tmp_path, SMALL, None, format="json")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RunError, match="out is a file, not a folder") as raised:
        write_export(tmp_path / "out", SMALL, None, format="json")
    assert "--out" not in str(raised.value)


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


HYBRID = Architecture(units=(("product", "conv"), ("conv", "product")), threshold_init=(0.0, -1.5))


def ruff(*arguments: str, source: str) -> str:
    command = [find_ruff_bin(), *arguments, "--isolated", "--line-length=120", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def run_source(source: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "exported"}
    exec(compile(source, "network.py", "exec"), namespace)
    return namespace


awkward_text = st.text(max_size=200) | st.sampled_from(['"quoted"', "back\\slash", '"""', "it's\x00\n\r\ud800", "  "])


@example(HYBRID, "A title", ["A note of\ntwo lines"], None)
@example(Architecture.named("resnet50", in_chans=2, shortcut="padding"), '"', [], [f"class {i}" for i in range(1000)])
@example(HYBRID, "\x00", ["\n"], None)
@example(Architecture.named("pure110"), "", [], ['a"b', "it's", "both'\"", "back\\", "line\nbreak", *"fghij"])
@given(
    architecture=small_architectures(),
    title=awkward_text,
    notes=st.lists(awkward_text, max_size=2),
    classes=st.none() | st.lists(st.text(max_size=30), min_size=12, max_size=12),
)
@settings(max_examples=8, deadline=None)
def test_source_is_what_ruff_would_write(
    architecture: Architecture, title: str, notes: list[str], classes: list[str] | None
) -> None:
    names = None if classes is None else (classes * 12)[: architecture.num_classes]
    scale = [0.5] * architecture.in_chans
    source = python_source(architecture, About(title=title, notes=notes, classes=names, mean=scale, std=scale))
    assert ruff("format", "--diff", source=source) == ""
    assert ruff("check", "--select=F,I", source=source) == ""
    assert run_source(source).get("CLASSES") == (None if names is None else tuple(names))


def test_source_has_no_long_line_and_mentions_its_parameters_and_its_title() -> None:
    source = python_source(HYBRID, About(title="word " * 60, notes=["word " * 60], classes=["some class"] * 10))
    assert ruff("check", "--select=E,F,W,I", source=source) == ""
    source = python_source(Architecture.named("pure20"), About(title="PURe20 for CIFAR-10", notes=["91 % correct."]))
    docstring = source.split('"""')[1]
    assert docstring.startswith("PURe20 for CIFAR-10\n\n91 % correct.\n")
    assert "272,483 parameters" in docstring


def test_blocks_stand_on_one_line_and_defaults_are_left_out() -> None:
    lines = [line.strip() for line in python_source(HYBRID).splitlines()]
    assert "ResidualBlock(16, 16, ConvPU(16, 16), nn.Identity())," in lines
    assert "ResidualBlock(16, 16, conv3x3(16, 16), nn.Identity(), relu_in_block=True, relu_after_add=True)," in lines
    assert "ResidualBlock(32, 32, ConvPU(32, 32, threshold_init=-1.5), nn.Identity())," in lines


def test_source_of_the_variants_of_a_product_unit() -> None:
    units = (("product-complex", "log-conv"), ("plain-conv", "product"))
    stabilised = Architecture(units=units, residual_scale=0.1, threshold_per_channel=True, zero_gamma=True)
    source = python_source(stabilised)
    lines = [line.strip() for line in source.splitlines()]
    per_channel, scale = "threshold_per_channel=True", "residual_scale=0.1"
    assert f"ResidualBlock(16, 16, ComplexConvPU(16, 16), nn.Identity(), {scale})," in lines
    assert f"ResidualBlock(16, 16, LogConv(16, 16, {per_channel}), nn.Identity(), {scale})," in lines
    assert f"16, 32, conv3x3(32, 32), ProjectionShortcut(16, 32, stride=2), stride=2, {scale}" in lines
    assert f"ResidualBlock(32, 32, ConvPU(32, 32, {per_channel}), nn.Identity(), {scale})," in lines
    network = run_source(source)["Network"]
    assert callable(network)
    assert network().stages[0][0].residual_scale == 0.1
    assert "class ComplexConvPU" not in python_source(HYBRID)


@pytest.mark.parametrize(
    ("architecture", "carried", "absent"),
    [
        (
            Architecture.named("resnet20", shortcut="padding"),
            ["conv3x3", "class PaddingShortcut"],
            ["ConvPU", "class ProjectionShortcut"],
        ),
        (Architecture.named("pure20"), ["class ConvPU", "class ProjectionShortcut"], ["conv3x3", "PaddingShortcut"]),
        (Architecture.named("plain-conv-20", in_chans=1), ["conv3x3", "PIL"], ["ConvPU"]),
        (Architecture.named("resnet20", in_chans=2), ["conv3x3"], ["PIL"]),  # no images that files hold
    ],
    ids=["conv", "product", "plain-conv", "two channels"],
)
def test_source_carries_only_what_the_network_uses(
    architecture: Architecture, carried: list[str], absent: list[str]
) -> None:
    source = python_source(architecture)
    assert [name for name in (*carried, *absent) if name in source] == carried


def test_source_imports_only_pytorch_and_the_standard_library_at_its_top() -> None:
    source = python_source(HYBRID)
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports == [
        "from __future__ import annotations",
        "from collections.abc import Callable",
        "from pathlib import Path",
        "from typing import IO, TYPE_CHECKING",
        "import torch",
        "from torch import Tensor, nn",
        "from torch.nn import functional as F",
    ]
    assert "pure_nas" not in source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["cat"]}, "classes has 1 names for a network of 10 classes"),
        ({"mean": [0.5] * 3}, "mean and std belong together"),
        ({"mean": [0.5], "std": [1.0]}, "mean has 1 values for images of 3 channels"),
        ({"mean": [0.5] * 3, "std": [1.0, 0.0, 1.0]}, "std must be above zero"),
        ({"mean": [float("nan")] * 3, "std": [1.0] * 3}, "mean must be finite"),
    ],
)
def test_constants_that_do_not_fit_are_refused(arguments: dict[str, list[float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        python_source(HYBRID, About(**arguments))  # type: ignore[arg-type]


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(), st.lists))
@settings(deadline=None)
def test_literals_read_back(value: object) -> None:
    assert eval(literal(value)) == value
