"""Every format gives the logits of the network that was trained, in its own runtime, and says so in its receipt."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import in_a_fork
from hypothesis import HealthCheck, given, settings
from small_architectures import small_architectures
from studies import Study, invoke, json_in, trained

from pure_nas.export import export_trained
from pure_nas.export.onnx_file import onnx_bytes, onnx_predict
from pure_nas.export.program_file import program_bytes, program_predict
from pure_nas.export.python_file import About, imported_network, python_source
from pure_nas.export.receipt import predictor
from pure_nas.nn.network import build
from pure_nas.run.selection import choose_trained
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

RUNNING = ("python", "onnx", "pt2", "timm", "hf")
_folders = itertools.count()


@pytest.fixture(scope="module")
def training(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small hybrid network."""
    return trained(image_folder, tmp_path_factory.mktemp("one") / "trained", network="pure8")


@pytest.mark.parametrize("form", RUNNING)
@in_a_fork
def test_an_export_says_what_it_was_found_to_do(training: Path, tmp_path: Path, form: str) -> None:
    found = invoke("export", training, "--format", form, "-o", tmp_path / "out").done()
    receipt = json_in(tmp_path / "out" / "receipt.json")
    assert receipt["format"] == form
    assert receipt["agreement"] == 1.0
    assert receipt["difference"] < 1e-3
    assert receipt["accuracy"] == pytest.approx(receipt["trained_accuracy"])
    assert receipt["size_bytes"] > 0
    assert 0 < receipt["latency_ms"][0] <= receipt["latency_ms"][1]
    assert receipt["runtime"].split()[0] in found.stderr
    assert "validation images of shapes" in receipt["images"]
    # The same export again changes nothing but the times in the receipt.
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "receipt.json"}
    again = invoke("export", training, "--format", form, "-o", tmp_path / "out")
    assert again.code == 0 or form == "pt2", again.stderr
    assert before == {name: (tmp_path / "out" / name).read_bytes() for name in before}


def logits_in(form: str, architecture: Architecture, folder: Path, images: np.ndarray) -> np.ndarray:
    """What an untrained network gives once it was exported in a format and loaded again."""
    network = build(architecture).eval()
    files: dict[str, bytes] = {"weights.safetensors": weights_bytes(architecture, network.state_dict())}
    if form == "python":
        files["network.py"] = python_source(architecture).encode()
    elif form == "onnx":
        files["network.onnx"], _ = onnx_bytes(network, architecture, About())
    else:
        files["network.pt2"], _ = program_bytes(network, architecture, {})
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    match form:
        case "python":
            return predictor(imported_network(folder / "network.py")[1])(images)
        case "onnx":
            return onnx_predict(folder / "network.onnx")(images)
    return program_predict(folder / "network.pt2")(images)


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.long)])
@in_a_fork
def test_random_architectures_of_all_units_give_equal_logits_in_every_format(tmp_path: Path, count: int) -> None:
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(small_architectures())
    def check(architecture: Architecture) -> None:
        shape = (3, architecture.in_chans, architecture.image_size, architecture.image_size)
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        expected = predictor(build(architecture).eval())(images)
        for form in ("python", "onnx", "pt2"):
            found = logits_in(form, architecture, tmp_path / str(next(_folders)), images)
            np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 * max(1.0, float(np.abs(expected).max())))

    check()


@in_a_fork
def test_onnx_takes_batches_and_sizes_of_any_kind_and_says_what_it_is_shown(training: Path, tmp_path: Path) -> None:
    import onnx

    invoke("export", training, "--format", "onnx", "-o", tmp_path).done()
    receipt = json_in(tmp_path / "receipt.json")
    assert receipt["settings"]["dynamic"] == ["batch", "height", "width"]
    predict, network = onnx_predict(tmp_path / "network.onnx"), predictor(choose_trained(training).load())
    for shape in ((1, 1, 8, 8), (5, 1, 8, 8), (2, 1, 12, 10)):
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        np.testing.assert_allclose(predict(images), network(images), rtol=1e-3, atol=1e-3)
    model = onnx.load(str(tmp_path / "network.onnx"))
    found = {each.key: each.value for each in model.metadata_props}
    assert json.loads(found["classes"]) == ["circles", "crosses", "stripes"]
    assert json.loads(found["image_size"]) == 8
    assert {each.domain: each.version for each in model.opset_import}[""] == receipt["settings"]["opset"]
    assert "pure_nas" not in str(model.graph)  # no path, no class of ours


@in_a_fork
def test_eight_bits_are_chosen_by_measured_accuracy(training: Path, tmp_path: Path) -> None:
    found = invoke("export", training, "--format", "onnx", "--quantize", "int8", "-o", tmp_path)
    if found.code:  # a network that was trained for an epoch may lose more than is allowed
        assert "Quantized, the network classifies" in found.message
        assert not (tmp_path / "network.onnx").exists()
        return
    receipt = json_in(tmp_path / "receipt.json")
    scores = receipt["settings"]["accuracy_by_method"]
    assert set(scores) == {"percentile", "dynamic", "minmax", "entropy"}
    assert receipt["accuracy"] == pytest.approx(max(scores.values()))


@in_a_fork
def test_norms_are_folded_on_request(training: Path, tmp_path: Path) -> None:
    for form in ("onnx", "pt2"):
        invoke("export", training, "--format", form, "--fold-norms", "-o", tmp_path / form).done()
        assert json_in(tmp_path / form / "receipt.json")["settings"]["norms"] == "folded"
    assert "whose layers are those" in invoke("export", training, "--fold-norms", "-o", tmp_path / "x").refusal()


TIMM = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import timm, torch, timm_network
(name,) = [each for each in timm.list_models("pure_nas_*")]
model = timm.create_model(name, pretrained=True).eval()
images = torch.zeros(2, *model.pretrained_cfg["input_size"])
features = timm.create_model(name, features_only=True).eval()
other = timm.create_model(name, pretrained=True, num_classes=5)
model.reset_classifier(0)
print(json.dumps({
    "logits": list(other(images).shape),
    "pooled": list(model(images).shape),
    "features": [list(each.shape) for each in features(images)],
    "channels": features.feature_info.channels(),
    "reduction": features.feature_info.reduction(),
    "num_features": model.num_features,
    "unpooled": list(model.forward_features(images).shape),
    "ours": [each for each in sys.modules if each.startswith("pure_nas") and each != "pure_nas"],
}))
"""


def test_timm_finds_heads_features_and_weights(training: Path, tmp_path: Path) -> None:
    export_trained(choose_trained(training), tmp_path, format="timm")
    done = subprocess.run([sys.executable, "-c", TIMM, str(tmp_path)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    channels = found["num_features"]
    assert found["logits"] == [2, 5]
    assert found["pooled"] == [2, channels]
    assert found["unpooled"][:2] == [2, channels]
    assert found["channels"][-1] == channels
    assert [shape[1] for shape in found["features"]] == found["channels"]
    assert [8 // reduction for reduction in found["reduction"]] == [shape[2] for shape in found["features"]]
    assert found["ours"] == []


HUB = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from hub_network import HubNetwork
network = HubNetwork.from_pretrained(sys.argv[1]).eval()
print(json.dumps({"logits": network(torch.zeros(1, 1, 8, 8)).tolist(), "ours": "pure_nas" in sys.modules}))
"""


def test_a_folder_for_the_hub_is_loaded_by_its_library(training: Path, tmp_path: Path) -> None:
    export_trained(choose_trained(training), tmp_path, format="hf")
    done = subprocess.run([sys.executable, "-c", HUB, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])  # the Hub's library says what it loads
    expected = predictor(choose_trained(training).load())(np.zeros((1, 1, 8, 8), np.float32))
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-4, atol=1e-4)
    assert not found["ours"]
    config = json_in(tmp_path / "config.json")
    assert config["id2label"] == {"0": "circles", "1": "crosses", "2": "stripes"}
    card = (tmp_path / "README.md").read_text()
    for words in (
        "pipeline_tag: image-classification",
        "license:",
        "## Limits",
        "95 %",
        "parameters",
        '"learning_rate"',
    ):
        assert words in card


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--quantize", "int8"], "is not quantized"),
        (["--format", "onnx", "--fold-norms", "--quantize", "int4"], "int8"),
        (["--format", "tflite"], "'tflite' is not one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(training: Path, tmp_path: Path, given: list[str], message: str) -> None:
    answer = invoke("export", training, "-o", tmp_path / "out", *given)
    assert message in answer.refusal()
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_missing_is_named(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = invoke("export", training, "--format", "onnx", "-o", tmp_path / "out")
    assert "needs onnx and onnxscript and onnxruntime" in answer.refusal(1)
    assert 'pip install "pure-nas[onnx]"' in answer.message


def test_an_export_that_computes_something_else_is_not_written(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> Any:
        return lambda images: np.zeros((len(images), 3), np.float32)

    monkeypatch.setattr("pure_nas.export.hub_predict", broken)
    answer = invoke("export", training, "--format", "hf", "-o", tmp_path / "out")
    assert "gives other logits than the network that was trained" in answer.refusal(1)
    assert not (tmp_path / "out").exists()


def test_without_its_images_an_export_is_compared_on_noise(study: Study, tmp_path: Path) -> None:
    settings_file = study.run / "run.toml"
    settings_file.write_text(settings_file.read_text().replace(str(study.dataset), str(tmp_path / "gone")))
    answer = invoke("export", study.run, "--format", "python", "-o", tmp_path / "out").done()
    assert "compared on noise" in answer.message
    assert json_in(tmp_path / "out" / "receipt.json")["accuracy"] is None


def test_weights_that_are_missing_are_named(study: Study, tmp_path: Path) -> None:
    for weights in study.run.glob("trials/*/weights.safetensors"):
        weights.unlink()
    assert "are missing" in invoke("export", study.run, "--format", "onnx", "-o", tmp_path / "out").refusal(1)
    assert not (tmp_path / "out").exists()
