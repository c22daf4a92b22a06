"""Training one network into a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Answer, Study, contents, invoke, json_in


def train(study: Study, folder: Path, *more: object, network: str = "") -> Answer:
    """Train a network, by default that of trial 1, on the images of a study."""
    command = ("train", network or f"{study.run}:1", "--dataset", study.dataset, "--epochs", 1, "--device", "cpu")
    return invoke(*command, "-o", folder, *more)


def test_trial_is_trained_as_in_its_run_and_read_by_the_same_command_again(finished: Study, tmp_path: Path) -> None:
    answer = train(finished, tmp_path, "--json").done()
    stored = json_in(finished.run / "trials" / "0001" / "result.json")
    assert answer.json["metrics"] == stored["metrics"]
    assert "3 classes: circles, crosses, stripes\n" in answer.stderr
    assert "epoch 1/1  loss " in answer.stderr
    assert (tmp_path / "weights.safetensors").is_file()
    again = train(finished, tmp_path, "--json").done()
    assert again.stdout == answer.stdout
    assert "epoch 1/1" not in again.stderr


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_same_command_trains_lost_weights_again(finished: Study, tmp_path: Path, content: bytes | None) -> None:
    train(finished, tmp_path)
    weights = tmp_path / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(content) if content else weights.unlink()
    again = train(finished, tmp_path).done()
    assert "The weights are missing or damaged: the network is trained again." in again.stderr
    assert weights.read_bytes() == kept


def test_another_training_in_the_folder_is_kept(finished: Study, tmp_path: Path) -> None:
    train(finished, tmp_path).done()
    before = contents(tmp_path)
    refused = train(finished, tmp_path, "--seed", "3", "--epochs", "2", "--lr", "0.5", "--dataset", "digits").refusal(1)
    assert f"The run {tmp_path} was started with other settings:".replace(" ", "") in refused.replace(" ", "")
    for listed in ("seed: 0 in the run, 3", "recipe.epochs: 1 in", "recipe.learning_rate.trunk: ", "'digits' now"):
        assert listed in refused
    assert contents(tmp_path) == before


def test_folder_of_a_run_is_left_alone(study: Study) -> None:
    before = contents(study.run)
    assert "holds files, but no training" in train(study, study.run).refusal(1)
    assert contents(study.run) == before


def test_a_name_takes_the_shape_of_the_images_and_an_export_and_a_report_know_the_folder(
    finished: Study, tmp_path: Path
) -> None:
    folder = tmp_path / "train-resnet8-digits"
    train(finished, folder, "--batch-size", "32", network="resnet8").done()
    architecture = json_in(folder / "architecture.json")
    assert (architecture["in_chans"], architecture["num_classes"], architecture["image_size"]) == (1, 3, 8)
    exported = invoke("export", folder)
    assert '"train-resnet8-digits", a network that pure-nas has trained on' in exported.message
    refused = invoke("report", folder).refusal(1)
    assert "is not a run (it has no run.toml)" in refused
    assert "use it with pure-nas evaluate or pure-nas export" in refused


def test_folder_that_cannot_be_made_is_refused(finished: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "is a file, not a folder" in train(finished, tmp_path / "file").refusal(1)
