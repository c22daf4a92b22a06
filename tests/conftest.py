"""A tiny real image folder and a tiny space, on which whole searches take seconds."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

# Before PyTorch is loaded, here and in processes of tests: tests run side by side, and take cores from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # as pure_nas.workers.ray_cluster sets it

import alembic.util
import numpy as np
import pytest
import torch
from PIL import Image

from pure_nas.plans import estimate

LONGEST = (
    "test_readme.py",
    "test_triton_block.py",
    "test_convolutions.py",
    "test_instruction_sets.py",
    "test_interrupts.py",
    "test_process_executor.py",
    "test_parallel_search.py",
)
"""They begin first, so that no process is left alone with one of them."""
LAST = ("test_ray_cluster.py", "test_lost_nodes.py")
"""Ray leaves threads in the process, from which none should be forked any more."""
CLASSES = ("circles", "crosses", "stripes")

TINY_SPACE = """
schema = 1
summary = "tiny networks for tests"
[run]
trials = 6
epochs = 1
batch_size = 16
[architecture]
stages = 2
blocks_per_stage = { low = 1, high = 2, per = "stage" }
base_width = { choices = [2, 3, 4] }
units = { choices = ["conv", "product"], per = "layer" }
threshold_init = { low = -2.0, high = 2.0, per = "stage" }
[recipe]
crop_padding = 1
gradient_clip_norm = 1.0
[recipe.learning_rate]
trunk = { low = 0.01, high = 0.1, log = true }
exponents = { low = 0.01, high = 0.1, log = true }
[recipe.weight_decay.exponents]
schedule = { choices = ["constant", "linear"] }
start = { low = 1e-5, high = 1e-2, log = true }
end = { low = 1e-6, high = 1e-3, log = true }
"""

EXPERIMENT = """
schema = 1
question = "Which?"
dataset = "{dataset}"
{head}
[networks.adds]
base = "resnet8"
[scales.tiny]
cost = "a second"
epochs = {epochs}
seeds = {seeds}
batch_size = 16
base_width = 2
{tail}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)} | dict.fromkeys(LAST, len(LONGEST) + 1)
    items.sort(key=lambda item: order.get(item.path.name, len(LONGEST)))


def draw_image(kind: str, generator: np.random.Generator) -> Image.Image:
    """An 8x8 grey image that a small network can tell apart from the other kinds."""
    pixels = generator.integers(0, 60, (8, 8))
    match kind:
        case "circles":
            pixels[2:6, [2, 5]] += 150
            pixels[[2, 5], 2:6] += 150
        case "crosses":
            pixels[np.arange(8), np.arange(8)] += 180
            pixels[np.arange(8), 7 - np.arange(8)] += 180
        case _:
            pixels[::2] += 150
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ and test/ with three classes of 8x8 PNG images."""
    root = tmp_path_factory.mktemp("shapes")
    generator = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 8)):
        for kind in CLASSES:
            folder = root / part / kind
            folder.mkdir(parents=True)
            for index in range(count):
                draw_image(kind, generator).save(folder / f"{index:03d}.png")
    return root


@pytest.fixture(scope="session")
def tiny_space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search space file of tiny networks."""
    path = tmp_path_factory.mktemp("space") / "tiny.toml"
    path.write_text(TINY_SPACE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def write_experiment(image_folder: Path) -> Callable[..., Path]:
    """Writes the file of an experiment that trains one small network, with lines in its head and at its end."""

    def write(path: Path, head: str = "", tail: str = "", *, epochs: int = 1, seeds: int = 1) -> Path:
        text = EXPERIMENT.format(dataset=image_folder, head=head, tail=tail, epochs=epochs, seeds=seeds)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Builds the wheel of a project, without a network, and unpacks it."""

    def unpack(project: Path) -> Path:
        folder = tmp_path_factory.mktemp("wheel")
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=project, check=True, capture_output=True, text=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "unpacked")
        return folder / "unpacked"

    return unpack


@pytest.fixture(scope="session", autouse=True)
def _data_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded images of tests out of the user's cache."""
    os.environ["PURE_NAS_DATA"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Compute with one thread: results are the same to the last bit, and tiny networks take far less time."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _short_timing() -> None:
    """Time networks for an instant: no test of this process relies on how long a search is said to take."""
    estimate._SECONDS = 0.02


@pytest.fixture(scope="session", autouse=True)
def _short_ways() -> None:
    """Do without what no test can see: disks that outlive the machine, and Optuna's migrations read for each study."""
    os.fsync = lambda _: None
    read = alembic.util.load_python_file
    read_once = cache(read)
    alembic.util.load_python_file = lambda folder, name: (read if name == "env.py" else read_once)(folder, name)


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The command that runs pure-nas in a process of its own."""
    return [sys.executable, "-m", "pure_nas_cli.main"]


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes that start from now on are forked where they can be: importing PyTorch would take seconds."""
    if "fork" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("fork")
        monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
