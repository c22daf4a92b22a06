"""pure-nas evaluate: what it shows, writes and refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from studies import Study, contents, invoke, json_in

FIGURES = {f"{name}.{ending}" for name in ("noise", "calibration", "intensity") for ending in ("png", "svg")}


def test_tables_show_accuracy_classes_confusions_and_noise(finished: Study, image_folder: Path) -> None:
    answer = invoke("evaluate", f"{finished.run}:best", "--device", "cpu").done()
    assert f"Reading the test images of {image_folder.name}" in answer.message
    assert f"{image_folder.name}, 24 test images" in answer.stdout
    assert "95 % interval" in answer.stdout
    for name in ("circles", "crosses", "stripes"):
        assert re.search(rf"^{name} +8 ", answer.stdout, re.MULTILINE)
    for kind in ("poisson", "gaussian", "salt-and-pepper", "speckle"):
        assert f"Accuracy under {kind} noise" in answer.stdout
    assert "image intensity is multiplied" not in answer.stdout


def test_json_holds_every_network_and_what_was_asked_for(finished: Study) -> None:
    answer = invoke(
        *("evaluate", f"{finished.run}:best", "--against", f"{finished.run}:0", "--json", "--invariance"),
        *("--noise", "gaussian=0.1,0.3", "--noise", "speckle", "--views", "ten-crop", "--scales", "8,12"),
    )
    document = answer.json
    assert document["schema"] == 1
    assert document["dataset"]["split"] == "test"
    first, second = document["networks"]
    (compared,) = document["comparisons"]
    assert (compared["network"], compared["compared_with"]) == (first["name"], second["name"])
    errors = [each["evaluation"]["views"]["error"] for each in (first, second)]
    assert compared["difference"] == pytest.approx(errors[0] - errors[1])
    assert compared["only_second"] - compared["only_first"] == round(24 * compared["difference"])
    run = finished.run.name
    assert (first["name"], second["name"]) == (f"{run}:best", f"{run}:0")
    found = answer.evaluation
    assert found["images"] == sum(map(sum, found["confusion"])) == 24
    assert [point["level"] for point in found["noise"]["gaussian"]] == [0, 0.1, 0.3]
    assert len(found["noise"]["speckle"]) == 6
    assert set(found["noise"]) == {"gaussian", "speckle"}
    assert found["views"]["count"] == 20
    assert [change["factor"] for change in found["intensity"]] == [0.25, 0.5, 0.7, 1.4, 2, 4]
    assert found["top5"] is None


@pytest.mark.usefixtures("figures")
def test_files_are_written_once(finished: Study, tmp_path: Path) -> None:
    command = ("evaluate", f"{finished.run}:best", "--noise", "gaussian,poisson", "--invariance", "-o", tmp_path / "j")
    assert "evaluation.json and 6 figure files" in invoke(*command).done().message
    written = contents(tmp_path / "j")
    assert set(written) == {"evaluation.json", *FIGURES}
    assert json.loads(written["evaluation.json"])["networks"][0]["name"] == f"{finished.run.name}:best"
    assert "evaluation.json exists; it is left alone" in invoke(*command).refusal(1)
    assert contents(tmp_path / "j") == written
    invoke(*command, "--overwrite").done()
    # One seed, one result: to the last byte, figures too.
    assert contents(tmp_path / "j") == written


def test_a_file_in_place_of_the_folder_is_refused(finished: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused = invoke("evaluate", f"{finished.run}:best", "--out", tmp_path / "file").refusal(1)
    assert "file is a file, not a folder. Choose another --output." in refused
    assert (tmp_path / "file").read_text() == "mine"


def test_weights_of_a_trial_are_the_trial(finished: Study) -> None:
    weights = finished.run / "trials" / "0003" / "weights.safetensors"
    by_name, by_file = (
        invoke("evaluate", named, "--noise", "poisson=20", "--json") for named in (f"{finished.run}:3", weights)
    )
    assert f"{finished.run}:3: the weights of the search (" in by_name.message
    assert by_name.evaluation == by_file.evaluation


def test_an_architecture_is_evaluated_with_the_weights_that_are_given(digits_training: Path, tmp_path: Path) -> None:
    alone = shutil.copy(digits_training / "weights.safetensors", tmp_path / "alone.safetensors")
    bare = tmp_path / "bare.safetensors"
    safetensors.torch.save_file(safetensors.torch.load_file(alone), bare)  # without what pure-nas notes in it
    found = [
        invoke("evaluate", *named, "--noise", "none", "--json").evaluation
        for named in (
            [digits_training],
            [digits_training / "architecture.json"],
            ["resnet8", "--weights", alone, "--dataset", "digits"],
            ["resnet8", "--weights", bare, "--dataset", "digits"],
        )
    ]
    assert found == [found[0]] * 4
    for arguments, words in (
        (["resnet8", "--weights", alone], r"alone\.safetensors says which images to evaluate it on"),
        (["pure8", "--weights", alone, "--dataset", "digits"], r"Name the network that they belong to\."),
        (
            ["pure8", "--weights", bare, "--dataset", "digits"],
            r"do not fit pure8 \(\w+\): \S+ is missing, and \d+ more differ\. Are they of another",
        ),
        (["resnet9", "--weights", alone, "--dataset", "digits"], 'There is no architecture "resnet9"'),
        (["resnet8", "--weights", tmp_path / "no.safetensors"], r"are missing\. Use the path of a \.safetensors file"),
        (["missing.safetensors"], r"The weights missing\.safetensors are missing\. Use the path of a \.safetensors"),
    ):
        answer = invoke("evaluate", *arguments)
        assert answer.code in (1, 2)
        assert re.search(words, answer.message)


def test_weights_next_to_their_training_are_evaluated_on_its_images(digits_training: Path) -> None:
    given = ("--weights", digits_training / "weights.safetensors", "--noise", "none")
    assert "digits, 359 test images" in invoke("evaluate", "resnet8", *given).done().stdout
    wrong = invoke("evaluate", "pure8", *given)
    assert re.search(r"are weights of the architecture \w+, not of pure8 \(\w+\)\.", wrong.message)
    assert "architecture.json says which" in wrong.message


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_of_torch_save_is_said_to_be_one(tmp_path: Path, legacy: bool) -> None:
    file = tmp_path / "w.pt"
    torch.save({"weight": torch.zeros(2)}, file, _use_new_zipfile_serialization=not legacy)
    for arguments in (["resnet8", "--weights", file, "--dataset", "digits"], [file]):
        refused = invoke("evaluate", *arguments).refusal(1)
        assert "is not a safetensors file, but one written by torch.save. Convert it" in refused


def test_mirror_images_are_refused_where_they_change_the_label(digits_training: Path) -> None:
    refused = invoke("evaluate", digits_training, "--views", "ten-crop").refusal()
    assert "Mirroring changes the labels of" in refused
    invoke("evaluate", digits_training, "--views", "five-crop", "--noise", "none").done()


def test_a_network_that_gives_nothing_finite_is_evaluated_and_said_so(finished: Study, tmp_path: Path) -> None:
    trial = finished.run / "trials" / "0001"
    shutil.copy(trial / "architecture.json", tmp_path)
    weights = safetensors.torch.load_file(trial / "weights.safetensors")
    weights["classifier.linear.bias"].fill_(float("nan"))
    safetensors.torch.save_file(weights, tmp_path / "weights.safetensors")
    answer = invoke("evaluate", tmp_path, "--dataset", finished.dataset, "--invariance", "--noise", "gaussian=0.1")
    assert "the logits of 24 images are not finite" in " ".join(answer.done().stdout.split())
    assert "0.00 %" in answer.stdout


@pytest.mark.usefixtures("figures")
def test_a_retrained_trial_is_compared_with_its_conv_twins(study: Study, tmp_path: Path) -> None:
    chosen = f"{study.run}:1"  # which has product units
    early = invoke("evaluate", chosen, "--conv-twin").refusal()
    assert f"Train them first: pure-nas retrain {study.run} --trials 1 --seeds 3" in early
    invoke("retrain", study.run, "--trials", 1, "--seeds", 2, "--device", "cpu").done()
    networks = invoke("evaluate", chosen, "--conv-twin", "--noise", "gaussian=0.2", "--json").json["networks"]
    rows = [row for row in json_in(study.run / "retrain.json")["rows"] if not row["variant"].startswith("product twin")]
    called = [f"{chosen}, retrained, 2 seeds", *(f"{row['variant']}, 2 seeds" for row in rows[1:])]
    assert [each["name"] for each in networks] == called
    for each, row in zip(networks, rows, strict=True):
        accuracies, found = row["test_accuracy"], each["evaluation"]
        assert found["accuracy"] == pytest.approx(row["mean"])
        assert found["accuracies"] == pytest.approx(accuracies)
        assert found["interval"] == pytest.approx([min(accuracies), max(accuracies)])
        assert len(set(each["weights"])) == 2
        assert [point["level"] for point in found["noise"]["gaussian"]] == [0, 0.2]
    table = invoke("evaluate", chosen, "--conv-twin", "--noise", "none", "--output", tmp_path / "out")
    shown = " ".join(table.stdout.split())
    assert "Over seeds: means, with an interval from the lowest to the highest accuracy of a seed" in shown
    assert "95 % interval" not in table.stdout
    assert (tmp_path / "out" / "calibration.svg").is_file()
    Path(networks[0]["weights"][0]).unlink()
    fewer = invoke("evaluate", chosen, "--conv-twin", "--noise", "none", "--json")
    assert fewer.json["networks"][0]["name"].endswith("retrained, 1 of 2 seeds")
    for arguments, words in (
        (["resnet20"], "such as runs/digits:best, not resnet20"),
        ([study.run / "trials" / "0001"], "such as runs/digits:best, not "),
        ([chosen, "--weights", "x.safetensors", "--dataset", "digits"], "so --weights does not go with it"),
    ):
        assert words in invoke("evaluate", *arguments, "--conv-twin").refusal()
