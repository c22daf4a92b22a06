"""An experiment trains its grid, goes on where it stopped, and refuses to become another."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from experiment_files import PAIR, Heard, go, interrupted, settings_of
from interleaved import Interleaved

from pure_nas.data import Dataset, load_dataset
from pure_nas.errors import DataError, RunError, UsageError
from pure_nas.evaluation import NOISE_KINDS, Noise, Views
from pure_nas.experiment.findings import document, findings_of
from pure_nas.experiment.results import ExperimentResults, load_experiment_results
from pure_nas.experiment.run import TIME_IS_UP
from pure_nas.experiment.setup import opened, prepare
from pure_nas.nn import build
from pure_nas.nn.weights import read_weights
from pure_nas.run_directory import RunDirectory, read_json, read_json_lines
from pure_nas.runner import InlineExecutor
from pure_nas.search.workers import Work, WorkerPlan
from pure_nas.training import Training
from pure_nas.training.evaluation import evaluate
from pure_nas.training.step import Step

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["adds", "multiplies-0", "multiplies--2"]


@pytest.fixture(scope="module")
def text(image_folder: Path) -> str:
    """Three small networks, two seeds of two epochs."""
    return PAIR.format(dataset=image_folder)


@pytest.fixture(scope="module")
def finished(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    go(settings_of(text), folder)
    torch.set_num_threads(before)
    return folder


def results_of(folder: Path) -> ExperimentResults:
    return load_experiment_results(RunDirectory(folder))


def numbers(folder: Path) -> dict[str, Any]:
    """What was found, but for how long it took."""
    found = json.loads(json.dumps(document(results_of(folder), findings_of(results_of(folder)))))
    for network in found["networks"]:
        network.pop("seconds")
        for each in network["convergence"]:
            each.pop("seconds")
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.lock"
    }


def test_a_grid_is_trained_on_all_but_the_test_images_and_scored_on_those(text: str, tmp_path: Path) -> None:
    heard, folder = Heard(), tmp_path / "run"
    experiment, stopped = go(settings_of(text), folder, heard)
    assert stopped == "all 6 trainings are done"
    assert (experiment.done, experiment.failed) == (6, [])
    # All networks from the first seed before the second.
    order = [f"{name}-seed{seed}" for seed in (1, 2) for name in NAMES]
    assert heard.started == [(name, 0) for name in order]
    assert heard.ended == [(name, "complete") for name in order]
    assert heard.epochs == 12
    results = results_of(folder)
    dataset = load_dataset(results.settings["dataset"])
    assert results.settings["data"]["train"] == len(dataset.train_and_validation())
    for cell in results.grid.cells:
        for measured in results.measurements[cell.label]:
            trained = folder / "trials" / f"{cell.folder}-seed{measured.seed}"
            network = build(cell.candidate.architecture)
            network.load_state_dict(read_weights(trained / "weights.safetensors"))
            assert evaluate(network, dataset.test(), torch.device("cpu")).accuracy == measured.accuracy
            assert len(measured.curve) == 2
            assert measured.curve[-1]["validation_error"] is None
    assert (folder / "experiment.toml").read_text(encoding="utf-8") == text
    assert read_json(folder / "environment.json")["device"] == "cpu"
    assert numbers(folder)["curves"] == "training"


def test_an_interrupted_experiment_finds_what_it_would_have_found(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A checkpoint after every epoch, so that a training is taken up in its middle.
    monkeypatch.setattr("pure_nas.runner.work._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    folder = tmp_path / "run"
    settings = settings_of(text)
    interrupted(settings, folder, monkeypatch, after=6)  # one training of four events, and an epoch of the next
    assert [results.state for results in results_of(folder).measurements["multiplies 0"]] == ["missing", "missing"]
    heard = Heard()
    go(settings, folder, heard)
    assert heard.started[0] == ("multiplies-0-seed1", 1)
    assert len(heard.ended) == 5
    assert numbers(folder) == numbers(finished)


def test_what_is_done_is_not_trained_again_and_more_seeds_are_added(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    go(settings_of(text, seeds=1), folder)
    before = numbers(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
        assert go(settings_of(text, seeds=1), folder)[1] == "all 3 trainings are done"
    heard = Heard()
    go(settings_of(text, seeds=2), folder, heard)
    assert [name for name, _ in heard.started] == [f"{name}-seed2" for name in NAMES]
    for old, new in zip(before["networks"], numbers(folder)["networks"], strict=True):
        assert new["accuracies"][:1] == old["accuracies"]
        assert len(new["accuracies"]) == 2


def test_several_at_once_find_the_same(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executors: list[Interleaved] = []

    def start(plan: WorkerPlan, work: Work, dataset: Dataset, *_: object) -> tuple[Interleaved, WorkerPlan]:
        executors.append(Interleaved(dataset, plan.count or 0))
        return executors[-1], plan

    monkeypatch.setattr("pure_nas.experiment.setup.start_workers", start)
    go(settings_of(text, workers=3), tmp_path / "run")
    assert executors[0].most == 3
    assert numbers(tmp_path / "run") == numbers(finished)


def test_an_experiment_stops_when_its_time_is_used_up(text: str, finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    experiment, stopped = go(settings_of(text), folder, seconds=0.0)
    assert stopped == TIME_IS_UP
    assert experiment.done == 0
    assert RunDirectory(folder).settings()["kind"] == "experiment"
    assert go(settings_of(text), folder, seconds=600.0)[1] == "all 6 trainings are done"
    assert numbers(folder) == numbers(finished)


@pytest.mark.parametrize("workers", [1, 3])
def test_sessions_get_further_however_short_they_are(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    if workers > 1:

        def start(plan: WorkerPlan, work: Work, dataset: Dataset, *_: object) -> tuple[Interleaved, WorkerPlan]:
            return Interleaved(dataset, plan.count or 0), plan

        monkeypatch.setattr("pure_nas.experiment.setup.start_workers", start)
    folder, epochs, done = tmp_path / "run", 0, [0]
    while done[-1] < 6:
        heard = Heard()
        experiment, stopped = go(settings_of(text, workers=workers), folder, heard, seconds=0.0)
        # Every training that was begun has done an epoch more, or has ended.
        assert heard.epochs >= 1
        assert set(heard.started) <= {(name, epochs) for name, _ in heard.started for epochs in (0, 1)}
        epochs += heard.epochs
        done.append(experiment.done)
        assert stopped == (TIME_IS_UP if experiment.done < 6 else "all 6 trainings are done")
    assert len(done) <= 13
    if workers == 1:
        assert epochs == 12  # none was trained twice
    assert numbers(folder) == numbers(finished)


def test_a_stop_while_scoring_does_not_cost_the_last_epoch(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pure_nas.runner.work._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    folder = tmp_path / "run"
    interrupted(settings_of(text), folder, monkeypatch, after=3)  # it has started, and done its two epochs
    heard = Heard()
    go(settings_of(text), folder, heard)
    assert heard.started[0] == ("adds-seed1", 2)
    assert heard.epochs == 10
    assert numbers(folder) == numbers(finished)


def test_what_fails_at_once_is_not_all_that_a_short_session_does(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Step.__call__

    def out_of_memory(self: Step, *arguments: Any) -> object:
        if "conv" in self._network.architecture.unit_set:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, *arguments)

    monkeypatch.setattr(Step, "__call__", out_of_memory)
    stops = [go(settings_of(text), tmp_path / "run", seconds=0.0) for _ in range(9)]
    assert stops[0][1] == TIME_IS_UP
    assert stops[-1][0].done == 4
    assert stops[-1][1] == "4 of 6 trainings are done"


@pytest.mark.parametrize(
    ("change", "fields", "expected"),
    [
        (("resnet8", "resnet14"), {}, ["networks.adds.base: 'resnet8' in the run, 'resnet14' now"]),
        (("0.0, -2.0", "0.0"), {}, ["networks.multiplies -2.base: 'pure8' in the run, nothing now"]),
        (("epochs = 2", "epochs = 3"), {}, ["epochs: 2 in the run, 3 now"]),
        (("", ""), {"scale_name": "tinier"}, ["scale: 'tiny' in the run, 'tinier' now", "epochs: 2 in the run, 1 now"]),
        (("", ""), {"dataset": "digits"}, ["in the run, 'digits' now"]),
        (
            ("[scales.tiny]", "[recipes.usual]\nmomentum = 0.5\n[scales.tiny]"),
            {},
            ["recipes.usual.momentum: nothing in the run, 0.5 now"],
        ),
        (("schema = 1", 'schema = 1\nsplit = "validation"'), {}, ["split: 'test' in the run, 'validation' now"]),
        (
            ("schema = 1", 'schema = 1\nevaluations = ["noise"]'),
            {},
            ["evaluations: [] in the run, ['noise'] now"],
        ),
    ],
)
def test_a_changed_experiment_is_refused_with_what_differs(
    text: str, finished: Path, change: tuple[str, str], fields: dict[str, Any], expected: list[str]
) -> None:
    before = contents(finished)
    with pytest.raises(RunError, match="was started with other settings") as raised:
        go(settings_of(text.replace(*change, 1) if change[0] else text, **fields), finished)
    lines = raised.value.message.splitlines()[1:]
    for words in expected:
        assert any(words in line for line in lines), lines
    # What only follows from something else is left out.
    assert not any(line.startswith(("  trained.", "  data.")) for line in lines)
    assert "--out" in raised.value.hint
    assert contents(finished) == before


def test_what_needs_no_training_may_change_and_replaces_the_runs_copy(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    changed = text.replace("Which of two", "Which one of two").replace("0.4, 0.6, 0.95", "0.3")
    changed = changed.replace('reference = "adds"', 'reference = "multiplies 0"')
    monkeypatch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
    experiment, stopped = go(settings_of(changed), folder)
    assert (stopped, experiment.file_replaced) == ("all 6 trainings are done", True)
    assert (folder / "experiment.toml").read_text(encoding="utf-8") == changed
    events = [record["event"] for record in read_json_lines(folder / "log.jsonl")]
    assert events.count("experiment file replaced") == 1
    results = results_of(folder)
    assert results.targets == [0.3]
    assert {comparison.reference for comparison in findings_of(results).comparisons} == {"multiplies 0"}
    # The same file again changes nothing.
    assert not go(settings_of(changed), folder)[0].file_replaced
    assert [record["event"] for record in read_json_lines(folder / "log.jsonl")].count("experiment file replaced") == 1


def test_changed_images_are_refused(text: str, image_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    settings = settings_of(text, dataset=str(images), scale_name="tinier")
    go(settings, tmp_path / "run")
    (images / "train" / "crosses" / "003.png").unlink()
    with pytest.raises(RunError, match=r"data\.fingerprint"):
        go(settings, tmp_path / "run")


def test_folders_that_hold_something_else_are_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "experiment.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="holds files, but no experiment"):
        go(settings_of(text), tmp_path / "mine")
    assert (tmp_path / "mine" / "experiment.toml").read_text(encoding="utf-8") == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        go(settings_of(text), tmp_path / "file")
    search = RunDirectory(tmp_path / "search")
    search.write_settings({"schema": 1, "study": "a"})
    with pytest.raises(RunError, match="holds a search, not an experiment"):
        go(settings_of(text), search.path)


def test_a_start_that_was_cut_short_is_taken_up(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in (("experiment.toml", text), ("environment.json", "{}"), ("run.lock", "")):
        (folder / name).write_text(content, encoding="utf-8")
    assert go(settings_of(text, scale_name="tinier"), folder)[1] == "the training is done"


def test_two_processes_do_not_share_a_run(text: str, tmp_path: Path) -> None:
    settings = settings_of(text)
    with opened(prepare(settings), tmp_path / "run", Heard()), pytest.raises(RunError, match="is in use"):
        go(settings, tmp_path / "run")


def test_a_question_of_choosing_is_asked_on_the_validation_images(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    go(settings_of(text.replace("schema = 1", 'schema = 1\nsplit = "validation"'), seeds=1), folder)
    results = results_of(folder)
    dataset = load_dataset(results.settings["dataset"])
    assert results.settings["data"]["train"] == len(dataset.train)
    assert results.settings["data"]["scored"] == len(dataset.validation)
    for measurements in results.measurements.values():
        last = measurements[0].curve[-1]
        assert measurements[0].accuracy == 1 - last["validation_error"]
    assert numbers(folder)["curves"] == "validation"


def test_curves_on_validation_images_beside_a_score_on_the_test_images(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    changed = text.replace("schema = 1", "schema = 1\nvalidation_curve = true")
    go(settings_of(changed, seeds=1), folder)
    results = results_of(folder)
    dataset = load_dataset(results.settings["dataset"])
    assert results.settings["data"]["train"] == len(dataset.train)
    cell = results.grid.cells[0]
    (measured,) = results.measurements[cell.label]
    network = build(cell.candidate.architecture)
    network.load_state_dict(read_weights(folder / "trials" / "adds-seed1" / "weights.safetensors"))
    assert evaluate(network, dataset.test(), torch.device("cpu")).accuracy == measured.accuracy
    assert evaluate(network, dataset.validation, torch.device("cpu")).error == measured.curve[-1]["validation_error"]


def test_networks_are_judged_beside_the_error(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    head = 'schema = 1\nevaluations = ["quality", "noise", "invariance", "views"]\nviews = { crops = "flip" }\n'
    noise = "[noise]\npoisson = [30, 10]\ngaussian = [0.2]\n[scales.tiny]\nevaluated = 15\n"
    changed = text.replace("schema = 1", head).replace("[scales.tiny]", noise)
    settings = settings_of(changed, seeds=1)
    judging = settings.judging(8)
    assert judging is not None
    assert judging.noises == (Noise("poisson", 30.0), Noise("poisson", 10.0), Noise("gaussian", 0.2))
    assert (judging.views, judging.images) == (Views("flip"), 15)
    assert judging.passes == 1 + 3 + len(judging.factors) + 2
    go(settings, folder)
    results = results_of(folder)
    found = results.measurements["adds"][0].evaluation
    assert found["images"] == 15
    assert list(found["noise"]) == ["poisson", "gaussian"]
    judged = findings_of(results).rows[0].judged
    assert judged is not None
    assert [point.level for point in judged.noise["poisson"]] == [0.0, 30.0, 10.0]
    under = [point["accuracy"] for point in found["noise"]["poisson"][1:]]
    assert judged.noise_accuracy["poisson"].mean == pytest.approx(sum(under) / 2)
    assert judged.views["flip"].mean == found["views"]["accuracy"]
    assert judged.top5 is None  # of three classes
    assert [point.factor for point in judged.intensity] == sorted([*judging.factors, 1.0])


def test_evaluations_are_those_asked_for_and_no_others(text: str) -> None:
    assert settings_of(text).judging(8) is None
    noisy = settings_of(text.replace("schema = 1", 'schema = 1\nevaluations = ["noise"]')).judging(8)
    assert noisy is not None
    assert {noise.kind for noise in noisy.noises} == set(NOISE_KINDS)
    assert (noisy.factors, noisy.views) == ((), None)
    sizes = 'schema = 1\nevaluations = ["views"]\nviews = { crops = "ten-crop", scales = [1.0, 1.25, 1.26] }'
    viewed = settings_of(text.replace("schema = 1", sizes)).judging(8)
    assert viewed is not None
    assert viewed.views == Views("ten-crop", (8, 10))
    off = text.replace("schema = 1", 'schema = 1\nevaluations = ["noise"]').replace(
        'cost = "seconds"', 'cost = "seconds"\nevaluations = []'
    )
    assert settings_of(off).judging(8) is None
    wrong = 'schema = 1\nevaluations = ["noise"]\nnoise = { salt-and-pepper = [2.0] }'
    with pytest.raises(UsageError, match="salt-and-pepper noise is 2, but must be from 0 to 1"):
        settings_of(text.replace("schema = 1", wrong)).judging(8)


def test_mirror_images_are_left_out_where_they_change_the_label(text: str) -> None:
    head = 'schema = 1\nevaluations = ["views"]\nviews = { crops = "ten-crop", scales = [1.25] }'
    judged = text.replace("schema = 1", head)
    kept, dropped = prepare(settings_of(judged)), prepare(settings_of(judged, dataset="digits"))
    assert kept.judging is not None
    assert (kept.judging.views, kept.notes) == (Views("ten-crop", (10,)), ())
    assert dropped.judging is not None
    assert dropped.judging.views == Views("five-crop", (10,))
    assert dropped.notes == (
        "labels of digits do not survive a mirror image: five-crop at 10 in place of ten-crop at 10",
    )


def test_a_folder_that_a_file_names_is_relative_to_it(
    text: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = image_folder.parent
    for written in (image_folder.name, f"./{image_folder.name}", f"../{beside.name}/{image_folder.name}"):
        changed = text.replace(str(image_folder), written)
        assert Path(settings_of(changed, beside=beside).dataset_name).resolve() == image_folder.resolve()
    absolute = settings_of(text, beside=tmp_path)
    assert absolute.dataset_name == str(image_folder)
    # Names stay names, and what the command says is relative to where it is given.
    assert settings_of(text.replace(str(image_folder), "digits"), beside=beside).dataset_name == "digits"
    assert settings_of(text, beside=beside, dataset="./mine").dataset_name == "./mine"
    with pytest.raises(UsageError, match='did you mean "digits"'):
        prepare(settings_of(text.replace(str(image_folder), "digts"), beside=beside))


def test_corrupt_images_are_left_out_if_asked_and_from_then_on(text: str, image_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    (images / "train" / "crosses" / "003.png").write_bytes(b"no image")
    settings = settings_of(text, dataset=str(images), scale_name="tinier")
    with pytest.raises(DataError, match="--skip-corrupt"):
        prepare(settings)
    folder = tmp_path / "run"
    asked = replace(settings, skip_corrupt=True)
    assert asked.going_on_in(folder).skip_corrupt
    assert not settings.going_on_in(folder).skip_corrupt
    assert prepare(asked).dataset.skipped == 1
    go(asked, folder)
    assert RunDirectory(folder).settings()["skip_corrupt"] is True
    assert go(settings.going_on_in(folder), folder)[1] == "the training is done"


def test_a_diverged_training_is_a_result(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training._train_epoch

    def sick(self: Training) -> object:
        if self.seed == 1 and "product" in self.network.architecture.unit_set:
            with torch.no_grad():
                self.network.classifier.linear.bias.fill_(math.nan)
        return original(self)

    monkeypatch.setattr(Training, "_train_epoch", sick)
    experiment, stopped = go(settings_of(text), tmp_path / "run")
    assert stopped == "all 6 trainings are done"
    results = results_of(tmp_path / "run")
    assert (results.complete, results.diverged) == (4, 2)
    findings = findings_of(results)
    assert [row.diverged for row in findings.rows] == [0, 1, 1]
    assert "training loss became nan" in findings.rows[1].reasons[0]
    assert [comparison.verdict for comparison in findings.compared_by("accuracy")] == ["seeds diverged"] * 2
    monkeypatch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
    assert experiment.missing
    assert go(settings_of(text), tmp_path / "run")[0].missing == []


def test_a_training_that_runs_out_of_memory_is_said_and_tried_again(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Step.__call__

    def out_of_memory(self: Step, *arguments: Any) -> object:
        if "product" in self._network.architecture.unit_set:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", out_of_memory)
        experiment, stopped = go(settings_of(text), tmp_path / "run")
    assert stopped == "2 of 6 trainings are done"
    assert {training.cell.label for training, _ in experiment.failed} == {"multiplies 0", "multiplies -2"}
    assert all("out of memory on cpu" in reason for _, reason in experiment.failed)
    assert go(settings_of(text), tmp_path / "run")[1] == "all 6 trainings are done"


def test_missing_test_images_are_noticed_before_training(text: str, image_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no test images"):
        prepare(settings_of(text, dataset=str(_without_test(image_folder, tmp_path))))


def _without_test(image_folder: Path, folder: Path) -> Path:
    shutil.copytree(image_folder / "train", folder / "only" / "train")
    return folder / "only"


def test_the_estimate_grows_with_the_work(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        InlineExecutor, "seconds_per_image", lambda self, candidate, seconds: candidate.architecture.depth * 1e-3
    )

    def seconds(changed: str) -> dict[str, float]:
        prepared = prepare(settings_of(changed))
        with opened(prepared, tmp_path / sha256(changed.encode()).hexdigest(), Heard()) as experiment:
            found = prepared.expected(experiment.missing, experiment.workers()[0])
            return {name: each.seconds for name, each in found.items()}

    once = seconds(text)
    # 72 images for 2 epochs and 24 scored at about a third of their price, 8 ms each.
    assert once["adds-seed1"] == pytest.approx(8e-3 * (2 * 72 + 0.35 * 24))
    assert len(once) == 6
    longer = seconds(text.replace("epochs = 2", "epochs = 20"))
    assert longer["adds-seed1"] == pytest.approx(8e-3 * (20 * 72 + 0.35 * 24))
    judged = seconds(text.replace("schema = 1", 'schema = 1\nevaluations = ["invariance"]'))
    assert judged["adds-seed1"] == pytest.approx(8e-3 * (2 * 72 + 0.35 * 24 * 8))
    deeper = seconds(
        text.replace('base = "resnet8"', 'base = { each = ["resnet8", "resnet14", "resnet20"] }').replace(
            'reference = "adds"', ""
        )
    )
    shares = [deeper[f"resnet{depth}-seed1"] / once["adds-seed1"] for depth in (8, 14, 20)]
    assert shares[0] == pytest.approx(1.0)
    assert shares[2] == pytest.approx(20 / 8)
    assert shares[0] < shares[1] < shares[2]


def test_an_epoch_of_the_estimate_is_what_a_short_session_must_do(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlineExecutor, "seconds_per_image", lambda self, candidate, seconds: 1e-3)
    found = {}
    for split in ("test", "validation"):
        prepared = prepare(settings_of(text.replace("schema = 1", f'schema = 1\nsplit = "{split}"')))
        with opened(prepared, tmp_path / split, Heard()) as experiment:
            found[split] = prepared.expected(experiment.missing, experiment.workers()[0])["adds-seed1"]
    # Test images are scored once at the end, validation images (beside as many that set the norms) in every epoch.
    train, held_out = (len(images) for images in (prepared.dataset.train, prepared.dataset.validation))
    assert (found["test"].epoch, found["test"].after) == (pytest.approx(0.072), pytest.approx(0.35 * 0.024))
    assert found["validation"].epoch == pytest.approx(1e-3 * (train + 0.35 * (held_out + train)))
    assert found["validation"].after == 0
    for each in found.values():
        assert each.seconds == pytest.approx(2 * each.epoch + each.after)


def test_other_settings_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds is 0"):
        settings_of(text, seeds=0)
    with pytest.raises(UsageError, match=r'no scale "tin" in this experiment; did you mean "tiny"\?'):
        settings_of(text, scale_name="tin")


def test_a_damaged_result_is_named(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    go(settings_of(text, scale_name="tinier"), folder)
    result = folder / "trials" / "adds-seed1" / "result.json"
    result.write_text('{"state": "complete"}', encoding="utf-8")
    with pytest.raises(RunError, match=r"adds-seed1/result\.json is damaged: it has no valid 'metrics'"):
        results_of(folder)
    search = RunDirectory(folder)
    search.write_settings({"schema": 1})
    with pytest.raises(RunError, match="holds no experiment"):
        load_experiment_results(search)
