"""A search on a Ray cluster that loses one of its two nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from heard import Heard
from ray_nodes import ray_nodes
from studies import Study, invoke

from pure_nas.plans.search.session import opened, prepare
from pure_nas.plans.search.settings import settings_for
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results
from pure_nas.workers import Job
from pure_nas.workers import work as work_module


class Losing(Heard):
    """Loses a node once so many epochs were trained."""

    def __init__(self, lose: Any, after: int) -> None:
        super().__init__()
        self._lose, self._after = lose, after

    def epoch_done(self, job: Job, metrics: Any) -> None:
        super().epoch_done(job, metrics)
        if len(self.epochs) == self._after:
            self._lose()


def found_in(run: Path) -> dict[int, Any]:
    results = load_results(RunDirectory(run))
    front = {each.number for group in results.groups for each in group}
    return {
        each.number: (
            each.state,
            each.objectives,
            each.candidate.digest,
            each.number in front,
            [
                (epoch["validation_error"], epoch["train_loss"])
                for epoch in RunDirectory(run).trial(each.number).curve()
            ],
        )
        for each in results.trials
    }


@pytest.mark.parametrize("trials", [6, pytest.param(40, marks=pytest.mark.faults)])
def test_a_search_that_loses_a_node_finds_what_an_undisturbed_one_finds(
    new_study: Study, tmp_path: Path, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    settings = settings_for(
        str(new_study.dataset),
        new_study.space,
        study="new",
        objectives="error,flops",
        trials=trials,
        epochs=30,
        limits=None,
        workers=2,
        device="cpu",
    )
    with opened(prepare(replace(settings, workers=1)), tmp_path / "peace") as search:
        search.driver.go(search.plan, Heard())
    with ray_nodes(2) as nodes:
        losing = Losing(nodes.lose_node, 45)
        with opened(prepare(replace(settings, execution=nodes.execution)), tmp_path / "runs") as search:
            search.driver.go(search.plan, losing)
    assert len(losing.epochs) >= 45
    assert found_in(tmp_path / "runs" / "new") == found_in(tmp_path / "peace" / "new")
    lost = [
        line
        for line in RunDirectory(tmp_path / "runs" / "new").log_path.read_text().splitlines()
        if "worker lost" in line
    ]
    assert len(lost) == 1
    assert "was lost with its node" in lost[0]
    invoke("doctor", tmp_path / "runs" / "new").done()


def test_the_command_says_where_it_trains(new_study: Study) -> None:
    with ray_nodes(1) as nodes:
        address = nodes.execution.ray_address
        answer = new_study.go("--trials", 3, "--executor", "ray", "--ray-address", address).done()
        assert "on a Ray cluster" in answer.message
        assert "the cluster has room for as many, or more" in answer.message
        more = new_study.go("--trials", 4, "--executor", "ray", "--ray-address", address, "--cpus-per-trial", 3)
        assert "No node of the Ray cluster has room for a trial of 3 CPUs and 0 GPUs" in more.refusal()
    # On this machine alone, the same command goes on.
    new_study.go("--trials", 4).done()


def test_latency_is_not_measured_on_a_cluster(new_study: Study) -> None:
    answer = new_study.go("--executor", "ray", "--objectives", "error,latency")
    assert "Latency cannot be measured on a Ray cluster" in answer.refusal()


def test_an_execution_is_part_of_no_search(new_study: Study) -> None:
    """What ran on a cluster resumes elsewhere: it decides nothing."""
    new_study.go("--trials", 2, "--executor", "inline").done()
    assert 'kind = "inline"' in (new_study.run / "run.toml").read_text()
    new_study.go("--trials", 3, "--executor", "pool", "--workers", 1).done()
