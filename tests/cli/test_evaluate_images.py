"""pure-nas evaluate: by which images, and that none of them was trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from studies import Study, invoke, json_in, trained

from pure_nas.run.directory import RunDirectory

QUICK = ("--noise", "none", "--device", "cpu")


def test_exported_weights_need_a_dataset(finished: Study, image_folder: Path, tmp_path: Path) -> None:
    invoke("export", finished.run, "--trial", "1", "--output", tmp_path / "mine")
    answer = invoke("evaluate", tmp_path / "mine", "--noise", "none")
    assert answer.code == 2
    assert "says which images to evaluate it on" in answer.message
    answer = invoke("evaluate", tmp_path / "mine", "--dataset", image_folder, "--noise", "none", "--json")
    assert answer.code == 0
    assert "has no record of its normalisation" not in answer.message  # network.py has it
    by_validation = invoke("evaluate", tmp_path / "mine", "--dataset", image_folder, "--split", "validation")
    assert by_validation.code == 0
    assert "there is no record of what it was trained on" in by_validation.message
    exported = answer.evaluation
    trial = invoke("evaluate", f"{finished.run}:1", "--noise", "none", "--json")
    assert exported == trial.evaluation


def test_retrained_networks_are_not_evaluated_on_images_that_they_saw(study: Study) -> None:
    folder = study.run / "retrain" / "0123456789ab-seed1"
    shutil.copytree(study.run / "trials" / "0001", folder)
    answer = invoke("evaluate", folder / "weights.safetensors", "--split", "validation", "--noise", "none")
    assert answer.code == 2
    assert "was trained on these validation images" in answer.message
    assert invoke("evaluate", folder / "weights.safetensors", "--noise", "none").code == 0


EXPERIMENT = """
schema = 1
question = "Which?"
dataset = "{dataset}"
validation_curve = {curve}
[networks.adds]
base = "resnet8"
[scales.tiny]
cost = "a second"
epochs = 1
seeds = 1
batch_size = 16
base_width = 2
limit = 48
validation = 12
image_size = 10
"""


@pytest.mark.parametrize("curve", ["false", "true"])
def test_networks_of_an_experiment_are_evaluated_on_its_images(image_folder: Path, tmp_path: Path, curve: str) -> None:
    file, run = tmp_path / "e.toml", tmp_path / "run"
    file.write_text(EXPERIMENT.format(dataset=image_folder, curve=curve), encoding="utf-8")
    assert invoke("experiment", file, "--out", tmp_path, "--study", "run", "--device", "cpu").code == 0
    folder = run / "trials" / "adds-seed1"
    result = json_in(folder / "result.json")
    for name in (folder, folder / "weights.safetensors", f"{run}:adds-seed1"):
        answer = invoke("evaluate", name, "--noise", "none", "--json", "--device", "cpu")
        assert answer.code == 0, answer.stderr
        assert "normalised by" not in answer.message
        found = answer.evaluation
        assert (found["image_size"], found["images"]) == (10, 24)
        assert found["error"] == pytest.approx(result["metrics"]["error"])
    # Validation images were learnt from, unless the curve was read off them; they are those of the experiment.
    for more in ((), ("--dataset", image_folder), ("--seed", 1), ("--image-size", 8)):
        evaluated = invoke("evaluate", folder, "--split", "validation", "--noise", "none", "--json", *more)
        if curve == "true":
            assert evaluated.code == 0, evaluated.stderr
            assert evaluated.evaluation["images"] == 12
        else:
            assert evaluated.code == 2
            assert "was trained on these validation images" in evaluated.message
    unknown = invoke("evaluate", f"{run}:adds-sed1")
    assert unknown.code == 2
    assert 'did you mean "adds-seed1"' in unknown.message


OTHERWISE = "was trained on images of {name} that were split differently or have changed since"


@pytest.mark.parametrize("more", [("--seed", 7), ("--image-size", 12), ("--seed", 7, "--dataset", "{images}")])
def test_the_seed_decides_no_split(finished: Study, image_folder: Path, more: tuple[object, ...]) -> None:
    """Those of the training at another size, too, are the validation images."""
    given = [image_folder if each == "{images}" else each for each in more]
    answer = invoke("evaluate", f"{finished.run}:2", "--split", "validation", *given, *QUICK, "--json")
    assert answer.code == 0, answer.stderr
    result = json_in(finished.run / "trials" / "0002" / "result.json")
    found = answer.evaluation
    if "--image-size" in more:
        assert (found["image_size"], found["images"]) == (12, 7)
    else:
        assert found["loss"] == pytest.approx(result["metrics"]["loss"], rel=1e-5)


def test_the_seed_decides_the_noise(finished: Study) -> None:
    command = ("evaluate", f"{finished.run}:2", "--noise", "gaussian=0.3", "--json", "--seed")
    first, again, other = (invoke(*command, seed).json["networks"] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_networks_of_another_split_are_not_evaluated_on_validation_images(
    finished: Study, image_folder: Path, tmp_path: Path
) -> None:
    name = image_folder.name
    alike = trained(image_folder, tmp_path / "alike")
    larger = trained(image_folder, tmp_path / "larger", "--image-size", 12)
    other = trained(image_folder, tmp_path / "other", "--seed", 5)
    for first in (f"{finished.run}:2", alike, larger):
        against = ("--against", alike, "--against", larger)
        answer = invoke("evaluate", first, *against, "--split", "validation", *QUICK)
        assert answer.code == 0, answer.stderr
        refused = invoke("evaluate", first, "--against", other, "--split", "validation", *QUICK)
        assert refused.code == 2
        assert OTHERWISE.format(name=name) in refused.message
        assert "--split test" in refused.message
    assert invoke("evaluate", alike, "--against", other, *QUICK).code == 0
    assert invoke("evaluate", other, "--split", "validation", *QUICK).code == 0


def test_a_copy_of_the_images_is_split_as_for_the_training(image_folder: Path, tmp_path: Path) -> None:
    folder = trained(image_folder, tmp_path / "trained", "--seed", 5)
    copy = tmp_path / "renamed"
    shutil.copytree(image_folder, copy)
    assert invoke("evaluate", folder, "--dataset", copy, "--split", "validation", *QUICK).code == 0
    moved = tmp_path / "elsewhere" / image_folder.name
    shutil.copytree(image_folder, moved)
    (moved / "train" / "crosses" / "003.png").unlink()
    changed = invoke("evaluate", folder, "--dataset", moved, "--split", "validation", *QUICK)
    assert changed.code == 2
    assert OTHERWISE.format(name=image_folder.name) in changed.message


def test_images_that_have_changed_are_refused_until_they_are_named(image_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    folder = trained(images, tmp_path / "trained")
    (images / "train" / "crosses" / "003.png").unlink()
    refused = invoke("evaluate", folder, *QUICK)
    assert refused.code == 1
    assert "have changed since" in refused.message
    assert invoke("evaluate", folder, "--dataset", images, *QUICK).code == 0


def test_what_was_trained_on_a_folder_finds_it_again(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image_folder.parent)
    folder = trained(image_folder.name, tmp_path / "trained")
    monkeypatch.chdir(tmp_path)
    answer = invoke("evaluate", "trained", *QUICK)
    assert answer.code == 0, answer.stderr
    assert f"{image_folder.name}, 24 test images" in answer.stdout
    # The same command resumes it from anywhere.
    assert trained(image_folder, folder) == folder


def test_trainings_of_older_versions_are_read(image_folder: Path, tmp_path: Path) -> None:
    for dataset, folder in (("digits", tmp_path / "named"), (image_folder, tmp_path / "folder")):
        trained(dataset, folder)
        file = folder / "training.json"
        kept = {key: json_in(file)[key] for key in ("schema", "dataset", "fingerprint", "seed")}
        file.write_text(json.dumps(kept))
        trained(dataset, folder)
    assert invoke("evaluate", tmp_path / "named", "--split", "validation", *QUICK).code == 0
    unnamed = invoke("evaluate", tmp_path / "folder", *QUICK)
    assert unnamed.code == 2
    assert f'the images are called "{image_folder.name}", but not where they are' in unnamed.message
    answer = invoke("evaluate", tmp_path / "folder", "--dataset", image_folder, *QUICK)
    assert answer.code == 0
    assert "normalised by" not in answer.message
    resized = invoke("evaluate", tmp_path / "folder", "--dataset", image_folder, "--image-size", 12, *QUICK)
    assert "has no record of its normalisation" in " ".join(resized.message.split())


def spoil(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:40])


def test_corrupt_test_images_are_left_out_if_asked(new_study: Study, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(new_study.dataset, images)
    study = Study(images, new_study.space, tmp_path / "runs", "corrupt")
    assert study.go("--trials", 1).code == 0
    training = trained(images, tmp_path / "trained")
    spoil(images / "test" / "crosses" / "003.png")
    for name in (f"{study.run}:0", training):
        refused = invoke("evaluate", name, *QUICK)
        assert refused.code == 1
        assert "--skip-corrupt" in refused.message
        answer = invoke("evaluate", name, "--skip-corrupt", *QUICK)
        assert answer.code == 0, answer.stderr
        assert "23 test images" in answer.stdout


@pytest.mark.parametrize("more", [(), ("--seed", 3), ("--image-size", 12)])
def test_what_left_corrupt_images_out_does_so_again(new_study: Study, tmp_path: Path, more: tuple[object, ...]) -> None:
    images = tmp_path / "images"
    shutil.copytree(new_study.dataset, images)
    spoil(images / "train" / "crosses" / "003.png")
    study = Study(images, new_study.space, tmp_path / "runs", "corrupt")
    assert study.go("--trials", 1, "--skip-corrupt").code == 0
    assert RunDirectory(study.run).settings()["skip_corrupt"] is True
    answer = invoke("evaluate", f"{study.run}:0", *more, *QUICK)
    assert answer.code == 0, answer.stderr
    assert "24 test images" in answer.stdout
