"""Every benchmark runs at a tiny size and writes its document; what it compares with is equal to what is compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from benchmarks import gpu_check, product_unit, projection, search, step, trial
from benchmarks.cluster import ideal, replay
from benchmarks.document import Target
from benchmarks.images import load_dataset, pixels_of
from benchmarks.measure import Timings, interleaved, resident_bytes, slope
from benchmarks.plain_networks import PlainNetwork
from benchmarks.plain_search import SPACES, BatchAugmented
from benchmarks.plain_training import plain_network
from benchmarks.step_networks import timm_resnet
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _global_settings() -> Iterator[None]:
    """Benchmarks set threads and Optuna's verbosity for their process."""
    threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
    yield
    torch.set_num_threads(threads)
    optuna.logging.set_verbosity(verbosity)


@pytest.mark.parametrize(
    "benchmark", [product_unit, projection, step, trial, search], ids=lambda module: module.__name__
)
def test_a_benchmark_runs_and_writes_its_document(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "found.json"
    benchmark.main(quick=True, json_file=file)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["schema"] == 1
    assert found["benchmark"] == benchmark.__name__.rpartition(".")[2]
    assert found["command"].startswith("python -m benchmarks.")
    assert found["versions"]["torch"] == torch.__version__
    assert found["machine"]["cpus"] > 0
    assert len(found["rows"]) >= 2
    assert all(row["table"] for row in found["rows"])
    assert found["targets"]
    assert all(isinstance(target["met"], bool) for target in found["targets"])
    shown = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 100
    for title in {row["table"] for row in found["rows"]}:
        assert title.split()[0] in shown


def test_with_a_lag_of_twice_the_workers_hardly_one_waits_for_another() -> None:
    """On a clock on which the controller takes no time, so that the test does not depend on the machine."""
    executor, _ = replay(8, 40, 16, 300.0, controlled=False)
    assert len(executor.lengths) == 40
    assert executor.now <= 1.1 * ideal(executor.lengths, 8)


@pytest.mark.slow
def test_a_check_of_a_gpu_says_what_is_unexpected(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):  # tiny sizes miss every target
        gpu_check.main(device="cpu", out=tmp_path, quick=True)
    found = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    assert [part["name"] for part in found["parts"]] == [
        "tests that need a GPU",
        "benchmarks.product_unit",
        "benchmarks.step",
        "a training of PURe20",
        "a search",
    ]
    # Targets are missed; nothing else is wrong.
    assert set(found["unexpected"]) <= {"benchmarks.product_unit", "benchmarks.step"}
    assert found["parts"][0]["found"]["collected"] >= 4
    assert found["parts"][-1]["found"]["trials"] == {"complete": 3}
    assert "unexpected" in (tmp_path / "gpu_check.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("depth", [8, 18])
@pytest.mark.parametrize("unit", ["conv", "product"])
def test_the_plain_script_trains_the_same_network(depth: int, unit: str) -> None:
    name = {"conv": "resnet", "product": "pure"}[unit]
    ours = build(Architecture.named(f"{name}{depth}", num_classes=10, image_size=32))
    require_equal(ours, plain_network(depth, unit == "product", 10))


def test_the_plain_search_builds_the_same_mixed_network() -> None:
    units = (("product", "conv"), ("conv", "product"), ("product",))
    thetas = (-1.0, 0.5, 2.0)
    ours = build(Architecture(units=units, base_width=4, threshold_init=thetas))
    require_equal(ours, PlainNetwork(units, 4, thetas=thetas))


def require_equal(ours: torch.nn.Module, plain: torch.nn.Module) -> None:
    """Both have the same tensors in the same order, and with the same values give the same logits."""
    theirs, own = plain.state_dict(), ours.state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in own.values()]
    thetas = [name for name in theirs if name.endswith("theta")]
    assert [theirs[name] for name in thetas] == [value for name, value in own.items() if name.endswith("theta")]
    plain.load_state_dict(dict(zip(theirs, own.values(), strict=True)))
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(images), ours(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [20, 18])
def test_timms_network_is_of_the_same_size(depth: int) -> None:
    pytest.importorskip("timm")
    network = timm_resnet(depth)
    assert network is not None
    ours = build(Architecture.named(f"resnet{depth}", num_classes=10))
    assert sorted(each.shape for each in network.parameters()) == sorted(each.shape for each in ours.parameters())


@pytest.mark.parametrize("module", ["plain_networks", "plain_training", "plain_search"])
def test_what_pure_nas_is_compared_with_uses_nothing_of_it(module: str) -> None:
    text = (ROOT / "benchmarks" / f"{module}.py").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    imported = {words[1].split(".")[0] for words in lines if words[:1] in (["import"], ["from"])}
    assert {"torch", "pure_nas"} & imported == {"torch"}


def test_batches_are_augmented_by_windows_of_the_padded_image() -> None:
    images = torch.arange(1.0, 1 + 6 * 2 * 16).view(6, 2, 4, 4)
    batches = list(BatchAugmented(images, torch.arange(6), SPACES["cifar10-small"], 4))
    assert sorted(int(label) for _, labels in batches for label in labels) == list(range(6))
    padded = torch.nn.functional.pad(images, (4,) * 4)
    for batch, labels in batches:
        for window, label in zip(batch, labels, strict=True):
            image = padded[label]
            windows = [image[:, top : top + 4, left : left + 4] for top in range(9) for left in range(9)]
            assert any(torch.equal(window, each) or torch.equal(window, each.flip(-1)) for each in windows)


def test_pixels_are_those_of_the_dataset() -> None:
    from sklearn.datasets import load_digits

    pixels = pixels_of(load_dataset("digits").validation)
    known = {image.astype("uint8").tobytes() for image in load_digits().images * 15}
    assert len(pixels) == 288
    assert all(image.tobytes() in known for image in pixels)


def test_variants_take_turns_and_every_other_round_runs_backwards() -> None:
    calls: list[str] = []

    def noting(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    found = interleaved({name: noting(name) for name in "abc"}, rounds=2, warmup=1, shortest_sample=0.0)
    assert "".join(calls[-6:]) == "abccba"
    assert [len(values) for values in found.seconds.values()] == [2, 2, 2]


def test_a_ratio_compares_within_rounds() -> None:
    found = Timings({"fast": [1.0, 10.0, 2.0], "slow": [2.0, 20.0, 6.0]})
    assert found.median("slow") == 6.0
    assert found.ratio("slow", "fast") == 2.0


def test_memory_and_its_slope() -> None:
    assert resident_bytes() > 2**20
    assert slope([5.0, 7.0, 9.0]) == pytest.approx(2.0)


def test_a_target_says_whether_it_is_met() -> None:
    assert Target("time", 1.2, "at most", 1.25, "x").met
    assert not Target("rate", 1.4, "at least", 1.5).met
    assert Target("rate", 1.4, "at least", 1.5, "x").text().plain == "missed: rate: 1.4 x, at least 1.5 x"
