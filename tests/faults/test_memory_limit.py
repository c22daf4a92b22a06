"""Memory that processes may not have: an address space with a limit, as some clusters set it."""

from __future__ import annotations

import pkgutil
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_commands import ended
from studies import Study, invoke

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results
from pure_nas.workers import Job, work

SPACE = """
schema = 1
summary = "networks that need little memory, and some that need more than there is"
[run]
trials = 8
epochs = 1
batch_size = 16
[architecture]
stages = 2
blocks_per_stage = 1
base_width = { choices = [2, 3, 900] }
units = { choices = ["conv", "product"], per = "layer" }
"""
ROOM = 400_000_000  # bytes; one convolution of the wide networks has 130 MB of weights


def limited() -> None:
    """From here on, this process and those that it starts get little more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_what_does_not_fit_fails_and_the_search_goes_on(new_study: Study, tmp_path: Path, workers: int) -> None:
    space = tmp_path / "space.toml"
    space.write_text(SPACE)
    study = replace(new_study, space=space)
    code, stderr = ended([*study.arguments, "--workers", workers], limited)
    assert code == 0, stderr
    trials = load_results(RunDirectory(study.run)).trials
    wide = [each for each in trials if each.candidate.architecture.base_width == 900]
    assert wide
    assert all(each.state in ("failed", "rejected") for each in wide)
    assert "memory" in wide[0].reason
    narrow = [each for each in trials if each not in wide]
    assert len(narrow) >= 3
    assert all(each.state == "complete" for each in narrow)
    invoke("doctor", study.run).done()


PHASES = {
    "the network is built": "pure_nas.workers.work.build",
    "its FLOPs are counted": "pure_nas.workers.work.count_architecture",
    "the optimizer is made": "pure_nas.training.training.make_optimizer",
    "an epoch is trained": "pure_nas.training.training.Training._train_epoch",
    "norms are estimated": "pure_nas.training.training.reestimate_norms",
    "it is scored": "pure_nas.training.training.evaluate",
    "its weights are written": "pure_nas.workers.work.weights_bytes",
}


@pytest.mark.parametrize("where", PHASES.values(), ids=PHASES.keys())
def test_memory_may_run_out_in_every_phase(
    finished: Study, new_study: Study, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """In the third trial: it is tried once more, with batches in two parts, and all others are as they would be."""
    real, real_done, trained, failed = pkgutil.resolve_name(where), work._done, list[int](), list[int]()

    def done(job: Job, *arguments: Any, **options: Any) -> Any:
        trained.append(job.number)
        return (yield from real_done(job, *arguments, **options))

    def failing(*arguments: Any, **options: Any) -> Any:
        if trained[-1:] == [2] and not failed:
            failed.append(2)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(*arguments, **options)

    monkeypatch.setattr(work, "_done", done)
    monkeypatch.setattr(where, failing)
    new_study.go("--executor", "inline").done()
    assert failed
    assert trained == [0, 1, 2, 2, 3, 4, 5]
    undisturbed, found = (load_results(RunDirectory(study.run)).trials for study in (finished, new_study))
    assert [each.state for each in found] == [each.state for each in undisturbed]
    changed = [a.number for a, b in zip(found, undisturbed, strict=True) if a.objectives != b.objectives]
    assert set(changed) <= {2}
    result = RunDirectory(new_study.run).trial(2).result()
    assert result is not None
    assert "in 2 parts" in result["execution"]
    invoke("doctor", new_study.run).done()
