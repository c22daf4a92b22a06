"""An experiment trains its grid, and resumes where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from experiment_files import go, numbers, results_of, settings_of
from heard import Heard
from interleaved import train_interleaved

from benchmarks.images import load_dataset
from pure_nas.files import read_json
from pure_nas.findings.findings import findings_of
from pure_nas.nn.network import build
from pure_nas.plans.driver import TIME_IS_UP
from pure_nas.run.weights import read_weights
from pure_nas.training.scoring import evaluate

NAMES = ["adds", "multiplies-0", "multiplies--2"]


def test_a_grid_is_trained_on_all_but_the_test_images_and_scored_on_those(text: str, tmp_path: Path) -> None:
    heard, folder = Heard(), tmp_path / "run"
    experiment, stopped = go(settings_of(text), folder, heard)
    assert stopped == "all 6 trainings are done"
    assert (experiment.plan.done, experiment.plan.failed) == (6, [])
    # All networks from the first seed before the second.
    order = [f"{name}-seed{seed}" for seed in (1, 2) for name in NAMES]
    assert heard.begun == [(name, 0) for name in order]
    assert [(each.training.name, each.outcome.state) for each in heard.trained] == [
        (name, "complete") for name in order
    ]
    assert len(heard.epochs) == 12
    results = results_of(folder)
    dataset = load_dataset(results.settings["dataset"])
    assert results.settings["data"]["train"] == len(dataset.train_and_validation)
    for cell in results.grid.cells:
        for measured in results.measurements[cell.label]:
            trained = folder / "trials" / f"{cell.folder}-seed{measured.seed}"
            network = build(cell.candidate.architecture)
            network.load_state_dict(read_weights(trained / "weights.safetensors")[0])
            assert evaluate(network, dataset.test(), torch.device("cpu")).accuracy == measured.accuracy
            assert len(measured.curve) == 2
            assert measured.curve[-1]["validation_error"] is None
    assert (folder / "experiment.toml").read_text(encoding="utf-8") == text
    assert read_json(folder / "environment.json")["device"] == "cpu"
    assert numbers(folder)["curves"] == "training"


@pytest.mark.parametrize(
    ("events", "first", "epochs"),
    [
        (6, ("multiplies-0-seed1", 1), 9),  # one training of four events, and an epoch of the next
        (3, ("adds-seed1", 2), 10),  # one training before it was scored
    ],
)
def test_an_interrupted_experiment_finds_what_it_would_have_found_and_trains_no_epoch_twice(
    events: int,
    first: tuple[str, int],
    epochs: int,
    text: str,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A checkpoint after every epoch, so that a training is taken up in its middle.
    monkeypatch.setattr("pure_nas.workers.work._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    folder, settings, heard = tmp_path / "run", settings_of(text), Heard()
    train_interleaved(monkeypatch, 1, stop_after=events)
    with pytest.raises(KeyboardInterrupt):
        go(settings, folder)
    assert [results.state for results in results_of(folder).measurements["multiplies 0"]] == ["missing", "missing"]
    train_interleaved(monkeypatch, 1)
    go(settings, folder, heard)
    assert (heard.begun[0], len(heard.epochs)) == (first, epochs)
    assert numbers(folder) == numbers(finished)


def test_what_is_done_is_not_trained_again_and_more_seeds_are_added(text: str, tmp_path: Path) -> None:
    folder, heard = tmp_path / "run", Heard()
    go(settings_of(text, seeds=1), folder)
    before = numbers(folder)
    assert go(settings_of(text, seeds=1), folder, heard)[1] == "all 3 trainings are done"
    go(settings_of(text, seeds=2), folder, heard)
    assert [name for name, _ in heard.begun] == [f"{name}-seed2" for name in NAMES]
    for old, new in zip(before["networks"], numbers(folder)["networks"], strict=True):
        assert new["accuracies"][:1] == old["accuracies"]
        assert len(new["accuracies"]) == 2


def test_several_at_once_find_the_same(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executors = train_interleaved(monkeypatch, 3)
    go(settings_of(text, workers=3), tmp_path / "run")
    assert executors[0].most == 3
    assert numbers(tmp_path / "run") == numbers(finished)


@pytest.mark.parametrize("workers", [1, 3])
def test_sessions_get_further_however_short_they_are(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    if workers > 1:
        train_interleaved(monkeypatch, workers)
    folder, epochs, done = tmp_path / "run", 0, [0]
    while done[-1] < 6:
        heard = Heard()
        experiment, stopped = go(settings_of(text, workers=workers, time_seconds=0.0), folder, heard)
        # Every training that was begun has done an epoch more, or has ended.
        assert len(heard.epochs) >= 1
        assert set(heard.begun) <= {(name, epochs) for name, _ in heard.begun for epochs in (0, 1)}
        epochs += len(heard.epochs)
        done.append(experiment.plan.done)
        assert stopped == (TIME_IS_UP if experiment.plan.done < 6 else "all 6 trainings are done")
    assert len(done) <= 13
    if workers == 1:
        assert epochs == 12  # none was trained twice
    assert numbers(folder) == numbers(finished)


def test_what_fails_at_once_is_not_all_that_a_short_session_does(
    text: str, tmp_path: Path, out_of_memory: Callable[[str], None]
) -> None:
    out_of_memory("conv")
    stops = [go(settings_of(text, time_seconds=0.0), tmp_path / "run") for _ in range(9)]
    assert stops[0][1] == TIME_IS_UP
    assert stops[-1][0].plan.done == 4
    assert stops[-1][1] == "4 of 6 trainings are done"


def test_a_diverged_training_is_a_result(text: str, tmp_path: Path, diverging: Callable[..., None]) -> None:
    diverging(lambda training: training.seed == 1 and "product" in training.network.architecture.unit_set)
    experiment, stopped = go(settings_of(text), tmp_path / "run")
    assert stopped == "all 6 trainings are done"
    results = results_of(tmp_path / "run")
    assert (results.complete, results.diverged) == (4, 2)
    findings = findings_of(results)
    assert [row.diverged for row in findings.rows] == [0, 1, 1]
    assert "training loss became nan" in findings.rows[1].reasons[0]
    assert [comparison.verdict for comparison in findings.compared_by("accuracy")] == ["seeds diverged"] * 2
    heard = Heard()
    again, _ = go(settings_of(text), tmp_path / "run", heard)
    assert experiment.plan.missing == again.plan.missing == heard.begun == []


def test_a_training_that_runs_out_of_memory_is_said_and_tried_again(
    text: str, tmp_path: Path, out_of_memory: Callable[[str], None]
) -> None:
    out_of_memory("product")
    experiment, stopped = go(settings_of(text), tmp_path / "run")
    assert stopped == "2 of 6 trainings are done"
    assert {training.label for training, _ in experiment.plan.failed} == {"multiplies 0", "multiplies -2"}
    assert all("out of memory on cpu" in reason for _, reason in experiment.plan.failed)
    out_of_memory("no unit any more")
    assert go(settings_of(text), tmp_path / "run")[1] == "all 6 trainings are done"
