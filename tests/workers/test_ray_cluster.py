"""Jobs on a Ray cluster of two nodes: equal results, files that come home, lost workers and nodes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import ray
import torch
from faulty_images import FaultyImages
from jobs import job, outcome_in, outcome_of
from ray_nodes import RayNodes, ray_nodes

from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import HeldPixels
from pure_nas.errors import DataError, RunError, UsageError
from pure_nas.workers import Ended, EpochDone, Event, Execution, Job, Started, WorkerLost, ray_cluster
from pure_nas.workers.ray_cluster import RayExecutor, room


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes(2) as found:
        yield found


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fault") / "fault.txt"


@pytest.fixture(scope="module")
def executor(nodes: RayNodes, dataset: Dataset, image_folder: Path, fault: Path) -> Iterator[RayExecutor]:
    faulty = replace(dataset, train=FaultyImages(dataset.train, fault))
    load = partial(load_dataset, image_folder)
    with closing(RayExecutor(execution=half(nodes), dataset=faulty, load=load, tests=True, size=2)) as found:
        yield found


def half(nodes: RayNodes) -> Execution:
    """Two trials a node: those of several executors fit."""
    return replace(nodes.execution, cpus_per_trial=0.5)


def events_in(executor: RayExecutor, *jobs: Job) -> list[Event]:
    for each in jobs:
        executor.submit(each)
    events: list[Event] = []
    while sum(isinstance(event, Ended) for event in events) < len(jobs):
        events.append(executor.next_event())
    return events


def test_a_job_gives_the_same_on_a_cluster_and_all_that_it_writes_comes_home(
    executor: RayExecutor, dataset: Dataset, tmp_path: Path
) -> None:
    here = job(dataset, tmp_path / "here", final=True)
    expected = outcome_of(here, dataset)
    there = [replace(here, number=number, directory=tmp_path / str(number)) for number in (1, 2)]
    for each in there:
        each.directory.mkdir()
    events = events_in(executor, *there)
    for each in there:
        own = [event for event in events if event.number == each.number]
        assert [type(event) for event in own] == [Started, EpochDone, EpochDone, EpochDone, Ended]
        assert replace(outcome_in(own), seconds=0) == replace(expected, seconds=0)
        assert {path.name for path in each.directory.iterdir()} == {path.name for path in here.directory.iterdir()}
        for name in ("weights.safetensors", "hits.json"):
            assert (each.directory / name).read_bytes() == (here.directory / name).read_bytes()


def test_a_job_whose_worker_is_killed_goes_on_from_its_checkpoint(
    executor: RayExecutor,
    dataset: Dataset,
    tmp_path: Path,
    fault: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = outcome_of(job(dataset, tmp_path / "whole"), dataset)
    capsys.readouterr()
    parts = job(dataset, tmp_path / "parts", every_epoch=True)
    parts.directory.mkdir()
    fault.write_text("die 5")
    events = events_in(executor, parts)
    first, second = (event for event in events if isinstance(event, Started))
    assert first == Started(7, 0)
    assert second.epoch in (1, 2)  # what a worker sent last may die with it
    (lost,) = [event for event in events if isinstance(event, WorkerLost)]
    assert lost.reason == "was killed or crashed (usually memory ran out)"
    assert replace(outcome_in(events), seconds=0) == replace(expected, seconds=0)
    assert "another one takes its place" in caplog.text
    assert capsys.readouterr().out == ""  # Ray would say it there, between a document's lines


def test_a_job_whose_node_is_lost_goes_on_elsewhere(
    executor: RayExecutor, nodes: RayNodes, dataset: Dataset, tmp_path: Path, fault: Path
) -> None:
    expected = outcome_of(job(dataset, tmp_path / "whole"), dataset)
    jobs = [replace(job(dataset, tmp_path / str(number), every_epoch=True), number=number) for number in (1, 2)]
    for each in jobs:
        each.directory.mkdir()
        executor.submit(each)
    events: list[Event] = []
    lost = False
    while sum(isinstance(event, Ended) for event in events) < 2:
        events.append(executor.next_event())
        if not lost and {event.number for event in events if isinstance(event, EpochDone)}:
            nodes.lose_node()
            lost = True
    try:
        for event in events:
            if isinstance(event, Ended):
                assert replace(event.outcome, seconds=0) == replace(expected, seconds=0)
            if isinstance(event, WorkerLost):
                assert event.reason == "was lost with its node"
    finally:
        nodes.add_node()


def test_what_a_worker_raises_and_logs_comes_home(
    executor: RayExecutor, dataset: Dataset, tmp_path: Path, fault: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "odd"):
        (tmp_path / name).mkdir()
    fault.write_text("explain")
    with pytest.raises(DataError, match=r"a\.png is gone"):
        events_in(executor, job(dataset, tmp_path / "bad"))
    fault.write_text("warn")
    assert outcome_in(events_in(executor, job(dataset, tmp_path / "odd"))).state == "complete"
    assert ("pure_nas.somewhere", logging.WARNING, "something is odd") in caplog.record_tuples


def test_speed_is_measured_where_the_workers_are(executor: RayExecutor, dataset: Dataset, tmp_path: Path) -> None:
    from jobs import candidate

    assert (executor.seconds_per_image(candidate(dataset), 0.1) or 0) > 0


def test_nodes_have_the_same_versions(
    nodes: RayNodes, dataset: Dataset, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "_versions", lambda: {"torch": "1.0"})
    load = partial(load_dataset, image_folder)
    with closing(RayExecutor(execution=half(nodes), dataset=dataset, load=load, tests=False, size=1)) as executor:
        executor.submit(job(dataset, tmp_path))
        with pytest.raises(
            RunError, match=r"There is pure-nas .* on the node .* of the Ray cluster, and torch 1\.0 on this"
        ):
            executor.next_event()


def test_room_is_counted_by_node(nodes: RayNodes) -> None:
    assert room(nodes.execution) == 2
    assert room(replace(nodes.execution, cpus_per_trial=0.5)) == 4
    for more in ({"cpus_per_trial": 2.0}, {"gpus_per_trial": 0.25}):
        with pytest.raises(UsageError, match="No node of the Ray cluster has room for a trial of"):
            room(replace(nodes.execution, **more))


def test_images_in_the_store_are_shared_and_equal(nodes: RayNodes, dataset: Dataset) -> None:
    room(nodes.execution)
    back: Dataset = ray.get(ray.put(replace(dataset, _load_test=None)))
    assert isinstance(back.train.pixels, HeldPixels)
    assert back.train.pixels is back.validation.pixels
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    for ours, theirs in zip(
        dataset.train.batches(16, generator=generators[0]), back.train.batches(16, generator=generators[1]), strict=True
    ):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_that_there_is_no_cluster_is_said(nodes: RayNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(UsageError, match=r'There is no Ray cluster at "auto": Could not find any running Ray instance'):
        room(Execution(kind="ray"))
