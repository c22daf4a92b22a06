"""Which images networks are trained, scored and judged on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from experiment_files import go, numbers, results_of, settings_of

from benchmarks.images import load_dataset
from pure_nas.errors import DataError, UsageError
from pure_nas.evaluation.noise import NOISE_KINDS, Noise
from pure_nas.evaluation.views import Views
from pure_nas.findings.findings import findings_of
from pure_nas.nn.network import build
from pure_nas.plans.experiment.session import prepare
from pure_nas.run.weights import read_weights
from pure_nas.training.scoring import evaluate


@pytest.mark.parametrize(("wanted", "on_test"), [('split = "validation"', False), ("validation_curve = true", True)])
def test_networks_are_scored_and_have_their_curves_on_the_images_that_are_asked_for(
    text: str, tmp_path: Path, wanted: str, on_test: bool
) -> None:
    folder = tmp_path / "run"
    go(settings_of(text.replace("schema = 1", f"schema = 1\n{wanted}"), seeds=1), folder)
    results = results_of(folder)
    dataset, data = load_dataset(results.settings["dataset"]), results.settings["data"]
    scored = dataset.test() if on_test else dataset.validation
    assert (data["train"], data["scored"]) == (len(dataset.train), len(scored))
    for cell in results.grid.cells:
        (measured,) = results.measurements[cell.label]
        network = build(cell.candidate.architecture)
        network.load_state_dict(read_weights(folder / "trials" / f"{cell.folder}-seed1" / "weights.safetensors")[0])
        found = evaluate(network, dataset.validation, torch.device("cpu"))
        assert found.error == measured.curve[-1]["validation_error"]
        assert evaluate(network, scored, torch.device("cpu")).accuracy == measured.accuracy
    assert numbers(folder)["curves"] == "validation"


def test_networks_are_judged_beside_the_error(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    head = 'schema = 1\nevaluations = ["quality", "noise", "invariance", "views"]\nviews = { crops = "flip" }\n'
    noise = "[noise]\npoisson = [30, 10]\ngaussian = [0.2]\n[scales.tiny]\nevaluated = 15\n"
    changed = text.replace("schema = 1", head).replace("[scales.tiny]", noise)
    settings = settings_of(changed, seeds=1)
    evaluation = settings.evaluation(8)
    assert evaluation is not None
    assert evaluation.noises == (Noise("poisson", 30.0), Noise("poisson", 10.0), Noise("gaussian", 0.2))
    assert (evaluation.views, evaluation.images) == (Views("flip"), 15)
    assert evaluation.passes == 1 + 3 + len(evaluation.factors) + 2
    go(settings, folder)
    results = results_of(folder)
    found = results.measurements["adds"][0].evaluation
    assert found["images"] == 15
    assert list(found["noise"]) == ["poisson", "gaussian"]
    judged = findings_of(results).rows[0].evaluation
    assert judged is not None
    assert [point.level for point in judged.noise["poisson"]] == [0.0, 30.0, 10.0]
    under = [point["accuracy"] for point in found["noise"]["poisson"][1:]]
    assert judged.noise_accuracy["poisson"].mean == pytest.approx(sum(under) / 2)
    assert judged.views is not None
    assert (judged.views.name, judged.views.accuracy.mean) == ("flip", found["views"]["accuracy"])
    assert judged.top5 is None  # of three classes
    assert [point.factor for point in judged.intensity] == sorted([*evaluation.factors, 1.0])


def test_evaluations_are_those_asked_for_and_no_others(text: str) -> None:
    assert settings_of(text).evaluation(8) is None
    noisy = settings_of(text.replace("schema = 1", 'schema = 1\nevaluations = ["noise"]')).evaluation(8)
    assert noisy is not None
    assert {noise.kind for noise in noisy.noises} == set(NOISE_KINDS)
    assert (noisy.factors, noisy.views) == ((), None)
    sizes = 'schema = 1\nevaluations = ["views"]\nviews = { crops = "ten-crop", scales = [1.0, 1.25, 1.26] }'
    viewed = settings_of(text.replace("schema = 1", sizes)).evaluation(8)
    assert viewed is not None
    assert viewed.views == Views("ten-crop", (8, 10))
    off = text.replace("schema = 1", 'schema = 1\nevaluations = ["noise"]').replace(
        'cost = "seconds"', 'cost = "seconds"\nevaluations = []'
    )
    assert settings_of(off).evaluation(8) is None


def test_mirror_images_are_left_out_where_they_change_the_label(text: str) -> None:
    head = 'schema = 1\nevaluations = ["views"]\nviews = { crops = "ten-crop", scales = [1.25] }'
    judged = text.replace("schema = 1", head)
    kept, dropped = prepare(settings_of(judged)), prepare(settings_of(judged, dataset="digits"))
    assert kept.evaluation is not None
    assert (kept.evaluation.views, kept.notes) == (Views("ten-crop", (10,)), {})
    assert dropped.evaluation is not None
    assert dropped.evaluation.views == Views("five-crop", (10,))
    assert dropped.notes == {"views": "mirroring changes labels of digits: five-crop at 10 replaces ten-crop at 10"}


def test_a_folder_that_a_file_names_is_relative_to_it(
    text: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = image_folder.parent
    for written in (image_folder.name, f"./{image_folder.name}", f"../{beside.name}/{image_folder.name}"):
        changed = text.replace(str(image_folder), written)
        assert Path(settings_of(changed, folder=beside).dataset_name).resolve() == image_folder.resolve()
    absolute = settings_of(text, folder=tmp_path)
    assert absolute.dataset_name == str(image_folder)
    # Names stay names, and what the command says is relative to where it is given.
    assert settings_of(text.replace(str(image_folder), "digits"), folder=beside).dataset_name == "digits"
    assert settings_of(text, folder=beside, dataset="./mine").dataset_name == "./mine"
    with pytest.raises(UsageError, match='did you mean "digits"'):
        prepare(settings_of(text.replace(str(image_folder), "digts"), folder=beside))


def test_missing_test_images_are_noticed_before_training(text: str, image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "train", tmp_path / "train")
    with pytest.raises(DataError, match="has no test images"):
        prepare(settings_of(text, dataset=str(tmp_path)))
