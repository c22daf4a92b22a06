"""pure-nas evaluate: by which images, and that none of them was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from studies import Study, copied_images, invoke, json_in, trained

from pure_nas.run.directory import RunDirectory

QUICK = ("--noise", "none", "--device", "cpu")
BY_VALIDATION = (*QUICK, "--split", "validation")


def test_exported_weights_need_a_dataset(finished: Study, image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    invoke("export", finished.run, "--trial", "1", "--output", folder)
    assert "says which images to evaluate it on" in invoke("evaluate", folder, *QUICK).refusal()
    answer = invoke("evaluate", folder, "--dataset", image_folder, *QUICK, "--json")
    assert "has no record of its normalisation" not in answer.message  # network.py has it
    assert answer.evaluation == invoke("evaluate", f"{finished.run}:1", *QUICK, "--json").evaluation
    by_validation = invoke("evaluate", folder, "--dataset", image_folder, *BY_VALIDATION).done()
    assert "there is no record of what it was trained on" in by_validation.message


@pytest.mark.parametrize("curve", ["false", "true"])
def test_networks_of_an_experiment_are_evaluated_on_its_images(
    write_experiment: Callable[..., Path], image_folder: Path, tmp_path: Path, curve: str
) -> None:
    scale = "limit = 48\nvalidation = 12\nimage_size = 10"
    file, run = write_experiment(tmp_path / "e.toml", f"validation_curve = {curve}", scale), tmp_path / "run"
    invoke("experiment", file, "--out", tmp_path, "--study", "run", "--device", "cpu").done()
    folder = run / "trials" / "adds-seed1"
    result = json_in(folder / "result.json")
    for name in (folder, folder / "weights.safetensors", f"{run}:adds-seed1"):
        answer = invoke("evaluate", name, *QUICK, "--json").done()
        assert "normalised by" not in answer.message
        found = answer.evaluation
        assert (found["image_size"], found["images"]) == (10, 24)
        assert found["error"] == pytest.approx(result["metrics"]["error"])
    # Validation images were learnt from, unless the curve was read off them; they are those of the experiment.
    for more in ((), ("--dataset", image_folder), ("--seed", 1), ("--image-size", 8)):
        evaluated = invoke("evaluate", folder, *BY_VALIDATION, "--json", *more)
        if curve == "true":
            assert evaluated.done().evaluation["images"] == 12
        else:
            assert "was trained on these validation images" in evaluated.refusal()
    assert 'did you mean "adds-seed1"' in invoke("evaluate", f"{run}:adds-sed1").refusal()


@pytest.mark.parametrize("more", [("--seed", 7), ("--image-size", 12), ("--seed", 7, "--dataset", "{images}")])
def test_the_seed_decides_no_split(finished: Study, image_folder: Path, more: tuple[object, ...]) -> None:
    """Those of the training at another size, too, are the validation images."""
    given = [image_folder if each == "{images}" else each for each in more]
    answer = invoke("evaluate", f"{finished.run}:2", *given, *BY_VALIDATION, "--json").done()
    assert "test images" not in answer.message
    found = answer.evaluation
    if "--image-size" in more:
        assert (found["image_size"], found["images"]) == (12, 7)
    else:
        result = json_in(finished.run / "trials" / "0002" / "result.json")
        assert found["error"] == pytest.approx(result["metrics"]["error"])
        assert found["loss"] == pytest.approx(result["metrics"]["loss"], rel=1e-5)


def test_the_seed_decides_the_noise(finished: Study) -> None:
    command = ("evaluate", f"{finished.run}:2", "--noise", "gaussian=0.3", "--json", "--seed")
    first, again, other = (invoke(*command, seed).json["networks"] for seed in (1, 1, 2))
    assert first == again
    assert first != other


OTHERWISE = "was trained on images of {} that were split differently or have changed since"


def test_networks_of_another_split_are_not_evaluated_on_validation_images(
    finished: Study, image_folder: Path, tmp_path: Path
) -> None:
    alike = trained(image_folder, tmp_path / "alike")
    larger = trained(image_folder, tmp_path / "larger", "--image-size", 12)
    other = trained(image_folder, tmp_path / "other", "--seed", 5)
    for first in (f"{finished.run}:2", alike, larger):
        invoke("evaluate", first, "--against", alike, "--against", larger, *BY_VALIDATION).done()
        refused = invoke("evaluate", first, "--against", other, *BY_VALIDATION).refusal()
        assert OTHERWISE.format(image_folder.name) in refused
        assert "--split test" in refused
    invoke("evaluate", alike, "--against", other, *QUICK).done()
    invoke("evaluate", other, *BY_VALIDATION).done()


def test_images_elsewhere_are_split_as_for_the_training_and_refused_where_they_changed(
    image_folder: Path, tmp_path: Path
) -> None:
    images = copied_images(image_folder, tmp_path)
    folder = trained(images, tmp_path / "trained", "--seed", 5)
    renamed = images.rename(tmp_path / "renamed")
    invoke("evaluate", folder, "--dataset", renamed, *BY_VALIDATION).done()
    renamed.rename(images)
    (images / "train" / "crosses" / "003.png").unlink()
    assert "have changed since" in invoke("evaluate", folder, *QUICK).refusal(1)
    invoke("evaluate", folder, "--dataset", images, *QUICK).done()
    (tmp_path / "elsewhere").mkdir()
    moved = images.rename(tmp_path / "elsewhere" / images.name)
    refused = invoke("evaluate", folder, "--dataset", moved, *BY_VALIDATION).refusal()
    assert OTHERWISE.format(images.name) in refused


def test_what_was_trained_on_a_folder_finds_it_again(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image_folder.parent)
    folder = trained(image_folder.name, tmp_path / "trained")
    monkeypatch.chdir(tmp_path)
    assert f"{image_folder.name}, 24 test images" in invoke("evaluate", "trained", *QUICK).done().stdout
    # The same command resumes it from anywhere.
    assert trained(image_folder, folder) == folder


def test_trainings_of_older_versions_are_read(image_folder: Path, tmp_path: Path) -> None:
    for dataset, folder in (("digits", tmp_path / "named"), (image_folder, tmp_path / "folder")):
        trained(dataset, folder)
        file = folder / "training.json"
        kept = {key: json_in(file)[key] for key in ("schema", "dataset", "fingerprint", "seed")}
        file.write_text(json.dumps(kept))
        trained(dataset, folder)
    invoke("evaluate", tmp_path / "named", *BY_VALIDATION).done()
    unnamed = invoke("evaluate", tmp_path / "folder", *QUICK).refusal()
    assert f'the images are called "{image_folder.name}", but not where they are' in unnamed
    named = ("evaluate", tmp_path / "folder", "--dataset", image_folder, *QUICK)
    assert "normalised by" not in invoke(*named).done().message
    assert "has no record of its normalisation" in invoke(*named, "--image-size", 12).message


def test_corrupt_test_images_are_left_out_if_asked(image_folder: Path, tmp_path: Path) -> None:
    images = copied_images(image_folder, tmp_path)
    folder = trained(images, tmp_path / "trained")
    (images / "test" / "crosses" / "003.png").write_bytes(b"no image")
    assert "--skip-corrupt" in invoke("evaluate", folder, *QUICK).refusal(1)
    assert "23 test images" in invoke("evaluate", folder, "--skip-corrupt", *QUICK).done().stdout


@pytest.mark.parametrize("more", [(), ("--seed", 3), ("--image-size", 12)])
def test_what_left_corrupt_images_out_does_so_again(new_study: Study, tmp_path: Path, more: tuple[object, ...]) -> None:
    images = copied_images(new_study.dataset, tmp_path, spoilt="train/crosses/003.png")
    study = replace(new_study, dataset=images)
    study.go("--trials", 1, "--skip-corrupt").done()
    assert RunDirectory(study.run).settings()["skip_corrupt"] is True
    assert "24 test images" in invoke("evaluate", f"{study.run}:0", *more, *QUICK).done().stdout
