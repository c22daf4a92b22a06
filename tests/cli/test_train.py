"""Training one network into a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Answer, Study, contents, invoke, json_in


def train(study: Study, folder: Path, *more: object, architecture: str = "1") -> Answer:
    name = f"{study.run}:{architecture}" if architecture.isdecimal() else architecture
    return invoke("train", name, "--dataset", study.dataset, "--epochs", 1, "--device", "cpu", "-o", folder, *more)


def test_trial_is_trained_as_in_its_run(finished: Study, tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    answer = train(finished, folder, "--json")
    assert answer.code == 0
    stored = json_in(finished.run / "trials" / "0001" / "result.json")
    assert answer.json["metrics"] == stored["metrics"]
    assert "epoch 1/1  loss " in answer.stderr
    assert (folder / "weights.safetensors").is_file()


def test_same_command_again_reads_the_result(finished: Study, tmp_path: Path) -> None:
    first = train(finished, tmp_path, "--json")
    again = train(finished, tmp_path, "--json")
    assert again.code == 0
    assert again.stdout == first.stdout
    assert "epoch 1/1" not in again.stderr


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_same_command_trains_lost_weights_again(finished: Study, tmp_path: Path, content: bytes | None) -> None:
    train(finished, tmp_path)
    weights = tmp_path / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(content) if content else weights.unlink()
    again = train(finished, tmp_path)
    assert again.code == 0
    assert "The weights are missing or damaged: the network is trained again." in again.stderr
    assert weights.read_bytes() == kept


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        (["--seed", "3"], "seed: 0 in the run, 3 now"),
        (["--epochs", "2"], "recipe.epochs: 1 in the run, 2 now"),
        (["--lr", "0.5"], "recipe.learning_rate.trunk: "),
        (["--dataset", "digits"], "now"),
    ],
)
def test_another_training_in_the_folder_is_kept(
    finished: Study, tmp_path: Path, changes: list[str], listed: str
) -> None:
    assert train(finished, tmp_path).code == 0
    before = contents(tmp_path)
    answer = train(finished, tmp_path, *changes)
    assert answer.code == 1
    assert f"The run {tmp_path} was started with other settings:".replace(" ", "") in answer.message.replace(" ", "")
    assert listed in answer.message
    assert contents(tmp_path) == before


def test_folder_of_a_run_is_left_alone(study: Study) -> None:
    before = contents(study.run)
    answer = train(study, study.run)
    assert answer.code == 1
    assert "holds files, but no training" in answer.message
    assert contents(study.run) == before


def test_an_export_has_the_name_of_the_training_and_a_report_says_what_takes_it(
    finished: Study, tmp_path: Path
) -> None:
    folder = tmp_path / "train-resnet8-digits"
    assert train(finished, folder, architecture="resnet8").code == 0
    exported = invoke("export", folder)
    assert '"train-resnet8-digits", a network that pure-nas has trained on' in exported.message
    answer = invoke("report", folder)
    assert answer.code == 1
    assert "is not a run (it has no run.toml)" in answer.message
    assert "use it with pure-nas evaluate or pure-nas export" in answer.message


def test_name_takes_the_shape_of_the_images(finished: Study, tmp_path: Path) -> None:
    answer = train(finished, tmp_path, "--batch-size", "32", architecture="resnet8")
    assert answer.code == 0
    architecture = json_in(tmp_path / "architecture.json")
    assert (architecture["in_chans"], architecture["num_classes"], architecture["image_size"]) == (1, 3, 8)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pur20", "--dataset", "digits"], 2, 'There is no architecture "pur20"'),
        (["pure20", "--dataset", "nope"], 2, 'There is no dataset "nope"'),
        (["pure20", "--dataset", "digits", "--device", "cuda:99"], 2, 'The device "cuda:99" is not available'),
        (["pure20", "--dataset", "digits", "--epochs", "0"], 2, "--epochs"),
        (["pure20", "--dataset", "digits", "--lr", "nan"], 2, "--lr"),
        (["pure20", "--dataset", "digits", "--batch-size", "1"], 2, "--batch-size"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    answer = invoke("train", *arguments, "-o", tmp_path / "out")
    assert answer.code == code
    assert message in answer.message
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made_is_refused(finished: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    answer = train(finished, tmp_path / "file")
    assert answer.code == 1
    assert "is a file, not a folder" in answer.message
