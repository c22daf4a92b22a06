"""pure-nas predict: photographs classified by a run, by exported folders and by files, all alike."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from forked import in_a_fork
from PIL import Image
from studies import Study, invoke, trained

from pure_nas.data.dataset import ImageSource
from pure_nas.export.prediction import classifier_of, image_files
from pure_nas.export.receipt import predictor
from pure_nas.run.selection import choose_trained


@pytest.fixture(scope="module")
def training(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(image_folder, tmp_path_factory.mktemp("one") / "trained", network="pure8")


@in_a_fork
def test_every_form_of_a_network_classifies_alike(training: Path, image_folder: Path, tmp_path: Path) -> None:
    paths = image_files([image_folder / "test"])
    forms = [training]
    for form in ("python", "onnx", "pt2", "timm", "hf"):
        invoke("export", training, "--format", form, "-o", tmp_path / form).done()
        forms.append(tmp_path / form)
    forms += [tmp_path / "onnx" / "network.onnx", tmp_path / "pt2" / "network.pt2", tmp_path / "python" / "network.py"]
    expected = list(classifier_of(training)(paths, 3))
    assert [path.name for path in (each.path for each in expected)] == [path.name for path in paths]
    for form_path in forms[1:]:
        for ours, theirs in zip(expected, classifier_of(form_path)(paths, 3), strict=True):
            assert theirs.ranked[0][0] == ours.ranked[0][0], form_path
            np.testing.assert_allclose(
                [share for _, share in theirs.ranked], [share for _, share in ours.ranked], atol=1e-4
            )


def test_images_are_shown_as_in_training(training: Path, image_folder: Path) -> None:
    dataset = ImageSource(str(image_folder))()
    (images, labels) = next(iter(dataset.test().batches(len(dataset.test()))))
    logits = predictor(choose_trained(training).load())(images.numpy())
    paths = image_files([image_folder / "test"])
    found = list(classifier_of(training)(paths, 1))
    assert sorted(dataset.classes[place] for place in logits.argmax(1)) == sorted(each.ranked[0][0] for each in found)
    right = sum(each.path.parent.name == each.ranked[0][0] for each in found)
    assert right == int((logits.argmax(1) == labels.numpy()).sum())


def test_what_cannot_be_read_is_named_and_the_others_go_on(training: Path, image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "test", tmp_path / "images")
    bad = tmp_path / "images" / "circles" / "bad.png"
    bad.write_bytes(b"no image")
    (tmp_path / "images" / "notes.txt").write_text("of folders, only images are taken")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "images" / "large.jpg")
    answer = invoke("predict", training, tmp_path / "images", "--csv")
    assert answer.code == 1
    assert "bad.png cannot be classified: not an image" in answer.message
    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert len(rows) == 24 + 1
    assert {row["class"] for row in rows} <= {"circles", "crosses", "stripes"}
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    assert rows[0].keys() == {
        "image",
        *(f"{name}{n}" for n in ("", "_2", "_3", "_4", "_5") for name in ("class", "probability")),
    }


def test_a_terminal_shows_what_it_is_and_how_fast(study: Study, image_folder: Path) -> None:
    image = image_folder / "test" / "circles" / "000.png"
    answer = invoke("predict", study.run, image, "--trial", "smallest").done()
    assert "000.png" in answer.stdout
    assert "images/s" in answer.stderr
    document = invoke("predict", study.run, image, "--json", "--top", 2).done().json
    (found,) = document["predictions"]
    assert (len(found["classes"]), found["fault"]) == (2, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["no-such-run", "IMAGE"], "no-such-run"),
        (["RUN", "no-such-image.png"], "There is no image no-such-image.png"),
        (["RUN", "EMPTY"], "no image to classify"),
        (["IMAGE", "IMAGE"], "is no network that can be run"),
        (["RUN", "IMAGE", "--trial", "99"], "99"),
    ],
)
def test_bad_input_is_one_message(
    study: Study, image_folder: Path, tmp_path: Path, given: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    stands = {
        "RUN": str(study.run),
        "IMAGE": str(image_folder / "test" / "circles" / "000.png"),
        "EMPTY": str(tmp_path / "empty"),
    }
    answer = invoke("predict", *(stands.get(each, each) for each in given))
    assert answer.code in (1, 2)
    assert message in answer.message
    assert answer.stderr.count("╭") == 1
