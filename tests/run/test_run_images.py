"""What a run or a training says of its images, and how they are known again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pure_nas.data import load_dataset
from pure_nas.errors import RunError
from pure_nas.run.directory import EXPERIMENT, RunDirectory
from pure_nas.run.images import RunImages, saw_validation


def run_on(images: Path, folder: Path, **settings: object) -> RunDirectory:
    """A run of which nothing but the images is known."""
    chosen = {key: settings[key] for key in ("seed", "limit", "validation") if key in settings}
    facts = load_dataset(images, **chosen).facts  # type: ignore[arg-type]
    run = RunDirectory(folder)
    run.write_settings({"dataset": str(images), "seed": 0, "skip_corrupt": False, "data": facts, **settings})
    return run


def test_a_split_is_known_at_any_size_while_its_images_are_there(image_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "shapes"
    shutil.copytree(image_folder, images)
    found = RunImages.of_run(run_on(images, tmp_path / "run", seed=3, limit=48, validation=12))
    same, larger = (load_dataset(images, seed=3, limit=48, validation=12, image_size=size) for size in (None, 12))
    other, elsewhere = load_dataset(images, seed=3), load_dataset("digits")
    assert [found.same_split(each) for each in (same, larger, other)] == [True, True, False]
    assert [found.same_dataset(each) for each in (same, larger, other, elsewhere)] == [True, True, True, False]
    shutil.rmtree(images)
    assert [found.same_split(each) for each in (same, larger)] == [True, False]


def test_a_dataset_is_called_by_its_name_or_by_its_folder(image_folder: Path, tmp_path: Path) -> None:
    found = RunImages.of_run(run_on(image_folder, tmp_path / "run"))
    assert found.is_called(str(image_folder))
    assert found.is_called(str(tmp_path / image_folder.name))
    assert not found.is_called("digits")
    assert not found.is_called(str(tmp_path / "others"))


def test_an_experiment_has_its_own_split(image_folder: Path, tmp_path: Path) -> None:
    run = run_on(image_folder, tmp_path / "run", kind=EXPERIMENT, split="test", limit=48)
    load = RunImages.of_run(run).loader(image_size=12)
    assert load.keywords["limit"] == 48
    assert load.keywords["seed"] == 0
    assert saw_validation(run, run.path / "trials" / "a-seed1" / "weights.safetensors")


def test_retrained_networks_saw_validation_images(image_folder: Path, tmp_path: Path) -> None:
    run = run_on(image_folder, tmp_path / "run")
    assert not saw_validation(run, run.path / "trials" / "0001" / "weights.safetensors")
    assert saw_validation(run, run.path / "retrain" / "abc-seed1" / "weights.safetensors")


@pytest.mark.parametrize("content", ["[]", "{}", '{"dataset": "digits", "seed": 0}'])
def test_a_damaged_training_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "training.json"
    file.write_text(content)
    with pytest.raises(RunError, match="is damaged"):
        RunImages.of_training(file)


def test_a_damaged_run_is_refused(image_folder: Path, tmp_path: Path) -> None:
    run = run_on(image_folder, tmp_path / "run")
    run.write_settings({"dataset": str(image_folder), "seed": 0, "data": "gone"})
    with pytest.raises(RunError, match=r"run\.toml is damaged"):
        RunImages.of_run(run)


def test_an_older_training_says_what_it_can(tmp_path: Path) -> None:
    file = tmp_path / "training.json"
    file.write_text(json.dumps({"schema": 1, "dataset": "digits", "fingerprint": "0", "seed": 4}))
    found = RunImages.of_training(file, 12)
    assert (found.dataset, found.seed, found.image_size) == ("digits", 4, 12)
