"""`preprocess` of an exported file shows the network what training and scoring show it, to the bit."""

from __future__ import annotations

import io
import os
import runpy
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from held_images import resident
from image_zoo import ZOO, encoded, photograph
from PIL import Image
from test_exported_network import imported
from torch import Tensor

from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.data.decode import decode_image, scaled
from pure_nas.data.image_set import Normalisation
from pure_nas.export import About, write_export
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")

SMALL = Architecture(units=(("product",), ("conv",)), base_width=2, image_size=16)
SCALE = {3: ([0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]), 1: ([0.2860], [0.3530])}


def exported(folder: Path, in_chans: int = 3, image_size: int = 16, **options: Any) -> ModuleType:
    """The exported module of a small network whose images are normalised by `SCALE`."""
    architecture = SMALL.model_copy(update={"in_chans": in_chans, "image_size": image_size})
    mean, std = SCALE[in_chans]
    about = About(**{"mean": mean, "std": std} | options)
    write_export(folder, architecture, build(architecture).state_dict(), about, format="python", overwrite=True)
    return imported(folder)


def trained_on(data: bytes, in_chans: int) -> Tensor:
    """What training is shown of an image file, (C, 16, 16)."""
    windows = torch.from_numpy(decode_image(data, 16, in_chans).copy())[None]
    return Normalisation(*map(tuple, SCALE[in_chans])).normaliser(16, torch.device("cpu"))(windows)[0]


def shown(images: Any) -> Tensor:
    return torch.cat([batch for batch, _ in images.batches(64)])


@pytest.fixture(scope="module", params=[1, 3])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return exported(tmp_path_factory.mktemp("exported"), request.param)


@pytest.mark.parametrize("kind", ZOO)
def test_preprocess_shows_what_training_is_shown(module: ModuleType, tmp_path: Path, kind: str) -> None:
    data = ZOO[kind]()
    expected = trained_on(data, module.IN_CHANS)
    path = tmp_path / "image"
    path.write_bytes(data)
    with Image.open(io.BytesIO(data)) as opened:
        given = [module.preprocess(each) for each in (path, str(path), opened, opened)]  # and once more
    for each in given:
        assert (each.shape, each.dtype) == ((module.IN_CHANS, 16, 16), torch.float32)
        assert torch.equal(each, expected)


def test_an_isolated_file_predicts_what_the_dataset_does(
    isolated: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    root = tmp_path / "zoo"
    for number, make in enumerate(ZOO.values()):
        for name in ("even", "odd")[number % 2 :: 2]:
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / f"{number:03d}.png").write_bytes(make())
    loaded = load_dataset(root, data_dir=tmp_path / "data", image_size=16)
    images = torch.cat([shown(loaded.train_and_validation), shown(loaded.test())])
    module = exported(tmp_path / "exported", mean=loaded.mean, std=loaded.std)
    (tmp_path / "exported" / "images").symlink_to(root)
    answer = isolated(tmp_path / "exported")
    assert "error" not in answer, answer
    found = safetensors.torch.load_file(tmp_path / "exported" / "preprocessed.safetensors")["images"]
    assert len(found) == len(ZOO)
    assert rows(found) == rows(images)
    with torch.inference_mode():
        ours, theirs = module.load()(found), module.load()(images)
    assert sorted(ours.argmax(1).tolist()) == sorted(theirs.argmax(1).tolist())


def rows(images: Tensor) -> list[bytes]:
    """The bits of each image, in an order that does not depend on theirs."""
    return sorted(each.contiguous().numpy().tobytes() for each in images)


@pytest.mark.parametrize("size", [None, 12])
def test_images_of_a_named_dataset_are_shown_as_it_shows_them(tmp_path: Path, size: int | None) -> None:
    from sklearn.datasets import load_digits

    loaded = load_dataset("digits", image_size=size)
    module = exported(tmp_path, 1, loaded.image_size, **shown_as(loaded))
    files = [Image.fromarray((each * 15).astype(np.uint8)) for each in load_digits().images]
    found = torch.stack([module.preprocess(file) for file in files])
    expected = torch.cat([shown(loaded.train_and_validation), shown(loaded.test())])
    assert rows(found) == rows(expected)


def shown_as(loaded: Dataset) -> dict[str, Any]:
    names = ("mean", "std", "decoded_size", "stored_size")
    return {name: loaded.facts[name] for name in names if name in loaded.facts}


@pytest.mark.parametrize(("stored", "size"), [(18, 16), (19, 16), (256, 224)])
def test_the_middle_is_shown_where_more_is_held(tmp_path: Path, stored: int, size: int) -> None:
    mean, std = SCALE[3]
    data = encoded(photograph(width=500, height=375), "JPEG")
    pixels = torch.from_numpy(decode_image(data, stored, 3).copy())[None]
    images = resident(pixels, torch.zeros(1).long(), Normalisation(tuple(mean), tuple(std)), image_size=size)
    module = exported(tmp_path, 3, size, stored_size=stored)
    assert torch.equal(module.preprocess(Image.open(io.BytesIO(data))), shown(images)[0])


@pytest.mark.parametrize(("in_chans", "native", "size"), [(3, 256, 64), (3, 32, 48), (1, 28, 17)])
def test_images_of_a_size_of_their_own_are_scaled_from_it(
    tmp_path: Path, in_chans: int, native: int, size: int
) -> None:
    files = [encoded(photograph(width=native, height=native).rotate(90 * turn)) for turn in range(4)]
    pixels = scaled(np.stack([decode_image(data, native, in_chans) for data in files]), size)
    normalise = Normalisation(*map(tuple, SCALE[in_chans])).normaliser(size, torch.device("cpu"))
    module = exported(tmp_path, in_chans, size, decoded_size=native)
    found = torch.stack([module.preprocess(Image.open(io.BytesIO(data))) for data in files])
    assert torch.equal(found, normalise(pixels))


def test_source_and_normalisation_are_carried_only_as_far_as_they_are_used(
    tmp_path: Path,
) -> None:
    module = exported(tmp_path, mean=None, std=None)
    assert "def scaled" not in (tmp_path / "network.py").read_text()
    white = module.preprocess(Image.new("RGB", (20, 20), "white"))
    torch.testing.assert_close(white, torch.ones(3, 16, 16))
    exported(tmp_path, decoded_size=32)
    assert "def scaled" in (tmp_path / "network.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: python network.py IMAGE"),
        (["nothing.jpg"], "nothing.jpg cannot be decoded: "),
        (["network.py"], "network.py cannot be decoded: "),
        (["huge.bmp"], "huge.bmp cannot be decoded: Image size (1600000000 pixels) exceeds limit"),
        (["white.png"], "Decoding an image needs Pillow (pip install pillow)"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], message: str
) -> None:
    exported(tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "white.png")
    bitmap = bytearray(encoded(Image.new("RGB", (20, 20)), "BMP"))
    bitmap[18:26] = struct.pack("<ii", 40_000, 40_000)
    (tmp_path / "huge.bmp").write_bytes(bitmap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["network.py", *arguments])
    if arguments == ["white.png"]:
        monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("network.py", run_name="__main__")
    assert str(ended.value.code).startswith(message)
    assert len(str(ended.value.code).splitlines()) == 1


def test_command_prints_the_likeliest_classes_and_nothing_else(tmp_path: Path) -> None:
    """Not even warnings of Pillow; letters that the terminal lacks are replaced."""
    names = ["Käse", "Fuß", "鳥", "cat", "dog"]
    architecture = SMALL.model_copy(update={"num_classes": 5})
    about = About(classes=names, mean=SCALE[3][0], std=SCALE[3][1])
    write_export(tmp_path, architecture, build(architecture).state_dict(), about, format="python")
    (tmp_path / "image.jpg").write_bytes(ZOO["EXIF with an entry cut short"]())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "network.py", "image.jpg"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(line.split()[1] for line in done.stdout.splitlines()) == sorted(["K?se", "Fu?", "?", "cat", "dog"])
