"""A job tells what it does, leaves complete files, and resumes where it was stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jobs import CPU, candidate, events_of, job, outcome_in, outcome_of

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet
from pure_nas.errors import RunError
from pure_nas.nn.network import Network, build
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.hits import read_hits
from pure_nas.run.weights import read_weights
from pure_nas.space.recipe import PerKind
from pure_nas.training.scoring import evaluate
from pure_nas.training.step import Step
from pure_nas.training.training import Training
from pure_nas.workers import Ended, EpochDone, InlineExecutor, Job, Started
from pure_nas.workers import work as work_module


def without_time(curve: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in curve]


def trained_network(work: Job) -> Network:
    network = build(work.candidate.architecture)
    weights = TrialDirectory(work.directory, work.number).weights
    network.load_state_dict(read_weights(weights)[0], strict=True)
    return network


def test_events_come_in_order_and_the_files_of_a_job_are_complete_when_it_ends(
    untested: Dataset, tmp_path: Path
) -> None:
    work, executor = job(untested, tmp_path), InlineExecutor(untested, CPU)
    assert executor.free == 1
    executor.submit(work)
    assert executor.free == 0
    events = [executor.next_event() for _ in range(5)]
    assert executor.free == 1
    assert [type(event) for event in events] == [Started, EpochDone, EpochDone, EpochDone, Ended]
    assert [event.number for event in events] == [7] * 5
    assert events[0] == Started(7, 0)
    assert [event.metrics.epoch for event in events if isinstance(event, EpochDone)] == [1, 2, 3]

    outcome, folder = outcome_in(events), TrialDirectory(tmp_path, 7)
    lines = folder.metrics.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    assert not folder.checkpoint.exists()
    assert {entry.name for entry in tmp_path.iterdir()} == {"metrics.jsonl", "hits.json", "weights.safetensors"}

    last = folder.curve()[-1]
    assert outcome.state == "complete"
    assert outcome.reason == ""
    assert outcome.metrics == {
        "error": last["validation_error"],
        "accuracy": 1 - last["validation_error"],
        "loss": last["validation_loss"],
    }
    assert outcome.seconds == pytest.approx(sum(record["seconds"] for record in folder.curve()))
    cost = cost_of(work.candidate.architecture)
    assert (outcome.cost["params"], outcome.cost["flops"], outcome.cost["macs"]) == (cost.params, cost.flops, cost.macs)
    score = evaluate(trained_network(work), untested.validation, CPU)
    assert (score.error, score.loss) == (outcome.metrics["error"], outcome.metrics["loss"])
    hits = read_hits(folder)
    assert hits is not None
    assert (hits.split, hits.fingerprint) == ("validation", untested.fingerprint)
    assert score.hits is not None
    assert np.array_equal(hits.right, score.hits)
    assert (~hits.right).mean() == score.error


def test_what_layers_draw_follows_from_seed_and_epoch_and_the_global_random_state_is_left_alone(
    untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []
    original = Training._train_epoch

    def drawing(self: Training) -> object:
        drawn.append(float(torch.rand(())))
        return original(self)

    monkeypatch.setattr(Training, "_train_epoch", drawing)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        before = torch.get_rng_state()
        outcome_of(job(untested, tmp_path / name, seed=seed), untested)
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(5)
    assert drawn[:3] == drawn[3:6]
    assert len(set(drawn)) == 6
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("events_before_the_kill", [1, 2, 3])
def test_a_job_that_was_killed_equals_one_that_was_not(
    events_before_the_kill: int, untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = job(untested, tmp_path / "whole"), job(untested, tmp_path / "parts")
    expected = outcome_of(whole, untested)
    monkeypatch.setattr(work_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    events_of(parts, untested, stop_after=events_before_the_kill)
    epochs_done = events_before_the_kill - 1
    assert (tmp_path / "parts" / "checkpoint.pt").exists() == (epochs_done > 0)
    # An epoch that ran after the checkpoint, and was lost.
    with (tmp_path / "parts" / "metrics.jsonl").open("a", encoding="utf-8") as curve:
        curve.write(json.dumps({"epoch": epochs_done + 1, "seconds": 1000.0}) + "\n")
        curve.write('{"epoch": ')

    after = events_of(parts, untested)

    assert after[0] == Started(7, epochs_done)
    assert replace(outcome_in(after), seconds=0) == replace(expected, seconds=0)
    assert outcome_in(after).seconds < 1000
    curves = [TrialDirectory(each.directory, 7).curve() for each in (whole, parts)]
    assert without_time(curves[0]) == without_time(curves[1])
    files = [(each.directory / "weights.safetensors").read_bytes() for each in (whole, parts)]
    assert files[0] == files[1]
    # Until the outcome is on disk the checkpoint may be needed.
    TrialDirectory(parts.directory, 7).write_result({"schema": 1})
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()


@pytest.mark.parametrize("changed", ["seed", "candidate"])
def test_the_checkpoint_of_another_job_is_not_taken_up(
    changed: str, untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    events_of(job(untested, tmp_path), untested, stop_after=3)
    other = (
        job(untested, tmp_path, seed=4)
        if changed == "seed"
        else job(untested, tmp_path, candidate(untested, momentum=0.5))
    )
    assert events_of(other, untested, stop_after=1) == [Started(7, 0)]


def test_checkpoints_are_spaced_in_time_and_none_follows_the_last_epoch(
    untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr(Training, "save_checkpoint", lambda training, path, digest: saved.append(training.epoch))
    events_of(job(untested, tmp_path / "quick"), untested)
    assert saved == []
    monkeypatch.setattr(work_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    events_of(job(untested, tmp_path / "slow"), untested)
    assert saved == [1, 2]


def test_a_job_that_diverges_says_so_and_keeps_no_weights(untested: Dataset, tmp_path: Path) -> None:
    chosen = candidate(untested, cap=None, learning_rate=PerKind.same(100.0))
    outcome = outcome_of(job(untested, tmp_path, chosen), untested)
    assert outcome.state == "diverged"
    assert "loss" in outcome.reason
    assert outcome.metrics == {}
    assert outcome.cost["params"] == cost_of(chosen.architecture).params
    assert not (tmp_path / "weights.safetensors").exists()
    assert not (tmp_path / "checkpoint.pt").exists()


OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20 GiB."


@pytest.mark.parametrize(
    "where",
    [
        "pure_nas.workers.work.build",
        "pure_nas.workers.work.count_architecture",
        "pure_nas.nn.network.Network.to",
        "pure_nas.training.step.Step.__call__",
        "pure_nas.training.training.evaluate",
        "pure_nas.workers.work.latency_ms",
    ],
)
def test_running_out_of_memory_is_an_outcome_wherever_it_strikes(
    where: str, untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, raising(torch.OutOfMemoryError(f"{OUT_OF_MEMORY}\nDetails follow.")))
    outcome = outcome_of(job(untested, tmp_path, measures=("latency",)), untested)
    reason = f"out of memory on cpu at batch 16 in 2 parts: {OUT_OF_MEMORY}"
    assert (outcome.state, outcome.reason) == ("failed", reason)
    assert outcome.cost["params"] > 0
    assert not (tmp_path / "weights.safetensors").exists()
    monkeypatch.undo()
    assert outcome_of(job(untested, tmp_path), untested).state == "complete"


def test_what_does_not_fit_is_tried_with_half_the_batch_at_a_time(
    untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forward = Network.forward

    def scarce(self: Network, x: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled() and len(x) > 9:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        return forward(self, x)

    monkeypatch.setattr(Network, "forward", scarce)
    outcome = outcome_of(job(untested, tmp_path), untested)
    assert (outcome.state, outcome.execution) == ("complete", "eager, batches in 2 parts")
    assert "Trying once more with each batch in two parts" in caplog.text


def raising(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_a_network_that_does_not_fit_is_not_timed(untested: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "__call__", raising(RuntimeError("could not create a primitive")))  # oneDNN
    assert InlineExecutor(untested, CPU).seconds_per_image(candidate(untested), 0.1) is None


def test_one_that_is_taken_up_after_its_last_epoch_keeps_the_same_hits(untested: Dataset, tmp_path: Path) -> None:
    whole, cut = (job(untested, tmp_path / name, every_epoch=True) for name in ("whole", "cut"))
    outcome_of(whole, untested)
    assert len(events_of(cut, untested, stop_after=4)) == 4  # it has started, and finished its three epochs
    assert not TrialDirectory(cut.directory, 7).hits.exists()
    outcome_of(cut, untested)
    first, second = (read_hits(TrialDirectory(each.directory, 7)) for each in (whole, cut))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.right, second.right)


@pytest.mark.parametrize("every_epoch", [False, True])
def test_a_job_whose_folder_is_moved_stops_and_does_not_make_it_again(
    every_epoch: bool, untested: Dataset, tmp_path: Path
) -> None:
    executor = InlineExecutor(untested, CPU)
    executor.submit(job(untested, tmp_path / "run" / "trial", every_epoch=every_epoch))
    while not isinstance(executor.next_event(), EpochDone):
        pass
    (tmp_path / "run").rename(tmp_path / "renamed")
    with pytest.raises(RunError, match="trial was moved or removed while this command wrote into it"):
        executor.next_event()
    assert not (tmp_path / "run").exists()


def test_other_errors_are_not_outcomes(untested: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "__call__", raising(RuntimeError("a fault of the program")))
    with pytest.raises(RuntimeError, match="a fault of the program"):
        outcome_of(job(untested, tmp_path), untested)


def test_latency_and_memory_are_measured_and_weights_kept_when_asked_for(untested: Dataset, tmp_path: Path) -> None:
    plain = outcome_of(job(untested, tmp_path / "plain", measures=("params",), keep_weights=False), untested)
    measured = outcome_of(job(untested, tmp_path / "measured", measures=("latency", "memory")), untested)
    assert not {"latency_ms", "memory_bytes"} & plain.cost.keys()
    assert measured.cost["latency_ms"] > 0
    assert measured.cost["memory_bytes"] > 1000
    assert measured.metrics == plain.metrics
    assert [(tmp_path / name / "weights.safetensors").exists() for name in ("plain", "measured")] == [False, True]


def test_a_final_job_trains_on_everything_but_the_test_images_and_reads_those_once(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[ImageSet] = []
    trained_on: list[tuple[int, object]] = []
    original = Training.__init__

    def spy(self: Training, *arguments: object, **named: object) -> None:
        trained_on.append((len(named["train"]), named["validation"]))  # type: ignore[arg-type]
        original(self, *arguments, **named)  # type: ignore[arg-type]

    def read_test(_: Dataset) -> ImageSet:
        reads.append(dataset.test())
        return reads[-1]

    monkeypatch.setattr(Training, "__init__", spy)
    work = job(dataset, tmp_path, final=True)
    outcome = outcome_of(work, replace(dataset, _load_test=read_test))
    assert len(reads) == 1
    assert trained_on == [(len(dataset.train) + len(dataset.validation), None)]
    assert [record["validation_error"] for record in TrialDirectory(tmp_path, 7).curve()] == [None] * 3
    score = evaluate(trained_network(work), reads[0], CPU)
    assert outcome.metrics == {"error": score.error, "accuracy": score.accuracy, "loss": score.loss}


def test_a_final_job_whose_test_loss_is_not_finite_diverged(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No validation loss gives a broken network away there."""
    original = Training.prepare_scoring

    def break_first(self: Training) -> None:
        original(self)
        with torch.no_grad():
            self.network.classifier.linear.bias.fill_(math.nan)

    monkeypatch.setattr(Training, "prepare_scoring", break_first)
    outcome = outcome_of(job(dataset, tmp_path, final=True), dataset)
    assert (outcome.state, outcome.reason) == ("diverged", "test loss is nan after the last epoch")
