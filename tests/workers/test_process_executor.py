"""Jobs in worker processes: equal results, and what happens when a process dies, hangs or raises."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from faulty_images import load_after_faults, load_faulty, load_not_at_all, load_with_slow_test
from jobs import CPU, candidate, job, outcome_in, outcome_of

from benchmarks.images import load_dataset
from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import DataError, RunError
from pure_nas.run.directory import TrialDirectory
from pure_nas.workers import Ended, EpochDone, Event, Job, ProcessExecutor, Started, WorkerLost

FORKED = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says what goes wrong next."""
    return tmp_path_factory.mktemp("fault") / "fault.txt"


@pytest.fixture(scope="module")
def pool(dataset: Dataset, image_folder: Path, fault: Path) -> Iterator[ProcessExecutor]:
    """Two workers, for every test that leaves them in order."""
    load = partial(load_faulty, image_folder, fault)
    with closing(
        ProcessExecutor(load=load, fingerprint=dataset.fingerprint, devices=[CPU], size=2, threads=2)
    ) as executor:
        yield executor


def events_in(executor: ProcessExecutor, *jobs: Job) -> list[Event]:
    """Every event of jobs that are begun together."""
    for each in jobs:
        executor.submit(each)
    events: list[Event] = []
    while sum(isinstance(event, Ended) for event in events) < len(jobs):
        events.append(executor.next_event())
    return events


def numbered(dataset: Dataset, folder: Path, number: int, **recipe: object) -> Job:
    return replace(job(dataset, folder / str(number), candidate(dataset, **recipe)), number=number)  # type: ignore[arg-type]


def test_a_job_gives_the_same_in_a_process_whatever_ran_there_before(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path
) -> None:
    inline = job(dataset, tmp_path / "inline")
    expected = outcome_of(inline, dataset)
    expected_weights = TrialDirectory(inline.directory, 7).weights.read_bytes()
    others = [numbered(dataset, tmp_path, number, momentum=0.5, epochs=number) for number in (1, 2)]
    events_in(pool, *others)
    for name in ("first", "second"):
        work = replace(inline, directory=tmp_path / name)
        assert replace(outcome_in(events_in(pool, work)), seconds=0) == replace(expected, seconds=0)
        assert TrialDirectory(work.directory, 7).weights.read_bytes() == expected_weights


def test_jobs_run_side_by_side_and_write_into_their_own_folders(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path
) -> None:
    jobs = [numbered(dataset, tmp_path, number) for number in (1, 2)]
    assert pool.free == 2
    pool.submit(jobs[0])
    assert pool.free == 1
    pool.submit(jobs[1])
    assert pool.free == 0
    events: list[Event] = []
    while sum(isinstance(event, Ended) for event in events) < 2:
        events.append(pool.next_event())
        assert pool.free == sum(isinstance(event, Ended) for event in events)
    for number in (1, 2):
        own = [event for event in events if event.number == number]
        assert [type(event) for event in own] == [Started, EpochDone, EpochDone, EpochDone, Ended]
        # The checkpoint goes once the outcome is on disk.
        written = {entry.name for entry in (tmp_path / str(number)).iterdir()}
        assert written == {"metrics.jsonl", "weights.safetensors", "hits.json", "checkpoint.pt"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"1", "2"}


@FORKED
def test_a_worker_that_is_killed_is_replaced_and_its_job_goes_on_from_the_checkpoint(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = outcome_of(job(dataset, tmp_path / "whole"), dataset)
    before = pool.process_ids
    # Each epoch takes the training images twice: to learn from, and to estimate the norms.
    fault.write_text("die 5")
    events = events_in(pool, job(dataset, tmp_path / "parts"))
    assert [event for event in events if isinstance(event, Started)] == [Started(7, 0), Started(7, 2)]
    assert [event.reason for event in events if isinstance(event, WorkerLost)] == [
        "was killed by SIGKILL (usually memory ran out)"
    ]
    assert [event.metrics.epoch for event in events if isinstance(event, EpochDone)] == [1, 2, 3]
    assert replace(outcome_in(events), seconds=0) == replace(expected, seconds=0)
    assert len(set(before) & set(pool.process_ids)) == 1
    assert "another one takes its place" in caplog.text


@FORKED
def test_a_job_whose_worker_hangs_and_then_dies_has_failed_and_other_jobs_go_on(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "patience", 1.0)
    fault.write_text("hang\nleave")
    bad = numbered(dataset, tmp_path, 1)
    events = events_in(pool, bad)
    assert [type(event) for event in events] == [Started, WorkerLost, Started, Ended]
    outcome = outcome_in(events)
    assert outcome.state == "failed"
    words = r"its worker died twice: it made no progress for \d+ s, then ended with exit code 3"
    assert re.fullmatch(words, outcome.reason)
    assert outcome.cost["params"] == cost_of(bad.candidate.architecture).params
    assert outcome_in(events_in(pool, numbered(dataset, tmp_path, 2))).state == "complete"


@FORKED
@pytest.mark.parametrize(("retries", "words"), [(0, "its worker died: it"), (2, "its worker died 3 times: it")])
def test_a_job_is_taken_up_as_often_as_was_asked_for(
    pool: ProcessExecutor,
    dataset: Dataset,
    tmp_path: Path,
    fault: Path,
    monkeypatch: pytest.MonkeyPatch,
    retries: int,
    words: str,
) -> None:
    monkeypatch.setattr(pool, "retries", retries)
    fault.write_text("leave\nleave\nleave")
    events = events_in(pool, job(dataset, tmp_path / "job"))
    assert sum(isinstance(event, WorkerLost) for event in events) == retries
    assert outcome_in(events).reason == f"{words} ended with exit code 3"
    fault.unlink(missing_ok=True)


@FORKED
def test_a_job_that_takes_too_long_loses_its_worker(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "job_seconds", 2.0)
    fault.write_text("hang\nhang")
    outcome = outcome_in(events_in(pool, job(dataset, tmp_path / "job")))
    assert (outcome.state, outcome.reason) == ("failed", "its worker died twice: it took longer than 2.0 s")
    monkeypatch.setattr(pool, "job_seconds", 60.0)
    assert outcome_in(events_in(pool, numbered(dataset, tmp_path, 2))).state == "complete"


@FORKED
def test_a_job_whose_workers_the_kernel_killed_ran_out_of_memory(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pure_nas.workers.processes.kernel_kills", lambda: pool._kills + 1)
    fault.write_text("die\ndie")
    outcome = outcome_in(events_in(pool, job(dataset, tmp_path / "job")))
    reason = "out of memory: its worker died twice: it was killed because memory ran out"
    assert (outcome.state, outcome.reason) == ("failed", reason)


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="only Linux chooses so")
def test_where_memory_runs_out_workers_are_killed_before_their_controller(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path
) -> None:
    events_in(pool, *(numbered(dataset, tmp_path, number) for number in (1, 2)))
    own, *workers = (int(Path(f"/proc/{process}/oom_score_adj").read_text()) for process in ("self", *pool.process_ids))
    assert all(score >= 500 > own for score in workers)


@FORKED
def test_a_worker_that_reads_test_images_does_not_hang(dataset: Dataset, image_folder: Path, tmp_path: Path) -> None:
    load = partial(load_with_slow_test, image_folder)
    with closing(
        ProcessExecutor(load=load, fingerprint=dataset.fingerprint, devices=[CPU], size=1, threads=1, patience=0.5)
    ) as executor:
        events = events_in(executor, job(dataset, tmp_path, final=True))
    assert [type(event) for event in events] == [Started, EpochDone, EpochDone, EpochDone, Ended]


def test_what_a_worker_logs_is_logged_here(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault.write_text("warn")
    events_in(pool, job(dataset, tmp_path))
    assert ("pure_nas.somewhere", logging.WARNING, "something is odd") in caplog.record_tuples


def test_workers_measure_their_speed_together(pool: ProcessExecutor, dataset: Dataset, tmp_path: Path) -> None:
    found = pool.speed(candidate(dataset), 0.2)
    assert found.images_per_second > 0
    assert found.peak_bytes == 0
    assert pool.seconds_per_image(candidate(dataset), 0.2) == pytest.approx(2 / found.images_per_second, rel=10)
    assert outcome_in(events_in(pool, job(dataset, tmp_path))).state == "complete"


@FORKED
@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("explain", DataError("The image a.png is gone.", hint="Put it back.")),
        ("break", ZeroDivisionError("a fault of the program")),
        ("mumble", RuntimeError("Unspeakable: 1 and 2")),
    ],
)
def test_what_a_worker_raises_is_raised_here_with_its_traceback(
    pool: ProcessExecutor, dataset: Dataset, tmp_path: Path, fault: Path, word: str, error: Exception
) -> None:
    fault.write_text(word)
    with pytest.raises(type(error)) as raised:
        events_in(pool, job(dataset, tmp_path / "bad"))
    assert (type(raised.value), str(raised.value)) == (type(error), str(error))
    assert "go_wrong" in raised.value.__notes__[-1]
    assert outcome_in(events_in(pool, job(dataset, tmp_path / "good"))).state == "complete"


@FORKED
@pytest.mark.parametrize(
    ("load", "kind", "words"),
    [
        (partial(load_not_at_all, "leave"), RunError, "ended with exit code 3 while it loaded .*, as did the 1 before"),
        (partial(time.sleep, 1000), RunError, r"could not start: it did not respond for \d+ s while it loaded"),
        (partial(load_dataset, "digits"), DataError, "changed while they were in use"),
    ],
    ids=["dies", "hangs", "other images"],
)
def test_workers_that_cannot_start_are_one_clear_error(
    load: partial[Dataset],
    kind: type[Exception],
    words: str,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pure_nas.workers.pool._MAX_FAILED_STARTS", 2)
    if load.args == (1000,):
        monkeypatch.setattr("pure_nas.workers.worker.SECONDS_TO_LOAD", 1.0)
    with closing(
        ProcessExecutor(load=load, fingerprint=dataset.fingerprint, devices=[CPU], size=1, threads=1)
    ) as executor:
        executor.submit(job(dataset, tmp_path))
        with pytest.raises(kind, match=words):
            executor.next_event()


@FORKED
def test_a_worker_that_dies_before_it_has_its_images_is_replaced(
    dataset: Dataset, image_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when it takes the place of another; and its job, which had no part in it, is not blamed."""
    fault = tmp_path / "fault.txt"
    fault.write_text("die")
    load = partial(load_after_faults, image_folder, fault)
    with closing(
        ProcessExecutor(load=load, fingerprint=dataset.fingerprint, devices=[CPU], size=1, threads=1)
    ) as executor:
        events = events_in(executor, numbered(dataset, tmp_path, 1, epochs=1))
        assert [type(event) for event in events] == [Started, EpochDone, Ended]
        assert caplog.text.count("another one takes its place") == 1
        fault.write_text("leave")
        os.kill(executor.process_ids[0], signal.SIGKILL)
        events = events_in(executor, numbered(dataset, tmp_path, 2, epochs=1))
        assert [type(event) for event in events] == [WorkerLost, Started, EpochDone, Ended]
        assert caplog.text.count("another one takes its place") == 3


@FORKED
def test_workers_end_with_the_executor_that_nobody_closed(dataset: Dataset, image_folder: Path, tmp_path: Path) -> None:
    executor = ProcessExecutor(
        load=partial(load_dataset, image_folder), fingerprint=dataset.fingerprint, devices=[CPU], size=1, threads=1
    )
    executor.submit(job(dataset, tmp_path))
    (worker,) = executor.process_ids
    assert alive(worker)
    del executor
    gc.collect()
    assert not alive(worker)


TRAINING = """
import sys, time
from functools import partial
from pathlib import Path
import torch
from jobs import candidate
from benchmarks.images import load_dataset
from pure_nas.workers import Job, ProcessExecutor, Started

if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    dataset = load_dataset(folder)
    images = {"load": partial(load_dataset, folder), "fingerprint": dataset.fingerprint}
    executor = ProcessExecutor(**images, devices=[torch.device("cpu")], size=1, threads=1)
    executor.submit(Job(number=1, candidate=candidate(dataset, epochs=10_000), directory=out, seed=0))
    assert executor.next_event() == Started(1, 0)
    print(*executor.process_ids, flush=True)
    time.sleep(1000)
"""
IMPORTING = """
import time
import torch
from pure_nas.workers import ProcessExecutor

if __name__ == "__main__":
    import endless
    executor = ProcessExecutor(load=endless.load, fingerprint="", devices=[torch.device("cpu")], size=1, threads=1)
    executor.start()
    print(*executor.process_ids, flush=True)
    time.sleep(1000)
"""
ENDLESS = """
import sys, time
from pathlib import Path

if "--multiprocessing-fork" in sys.orig_argv:
    Path(sys.argv[2]).touch()
    time.sleep(1000)

def load():
    pass
"""


@pytest.mark.parametrize("script", [TRAINING, IMPORTING], ids=["training", "importing"])
def test_no_worker_survives_a_controller_that_is_killed(script: str, image_folder: Path, tmp_path: Path) -> None:
    controller, out = tmp_path / "controller.py", tmp_path / "out"
    controller.write_text(script, encoding="utf-8")
    (tmp_path / "endless.py").write_text(ENDLESS, encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, controller, image_folder, out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        wait_while(lambda: not out.exists())
        was_alive = alive(worker)
        process.kill()
    assert was_alive
    wait_while(lambda: alive(worker))
    assert not alive(worker)


def wait_while(condition: Callable[[], bool]) -> None:
    """Wait while it is true, but not for ever."""
    deadline = time.monotonic() + 60
    while condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waits for does not."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
