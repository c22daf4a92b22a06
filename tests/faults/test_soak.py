"""Many short trials with two workers: memory, files, threads and time of a trial stay flat. Only with `-m faults`."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import psutil
import pytest
from heard import Heard
from studies import Study

from pure_nas.plans.search.session import opened, prepare
from pure_nas.plans.search.settings import settings_for
from pure_nas.run.search_results import TrialRecord

TRIALS = 500


class Watching(Heard):
    """Measures this process and its workers whenever a trial ends."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[tuple[float, float, float, float]] = []

    def ended(self, record: object) -> None:
        super().ended(record)  # type: ignore[arg-type]
        if isinstance(record, TrialRecord):
            processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
            with_files = [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
            self.samples.append(
                (
                    time.monotonic(),
                    sum(each.memory_info().rss for each in with_files) / 2**20,
                    sum(each.num_fds() for each in with_files),
                    sum(each.num_threads() for each in with_files),
                )
            )


@pytest.mark.faults
def test_nothing_grows(new_study: Study, tmp_path: Path) -> None:
    settings = settings_for(
        str(new_study.dataset),
        new_study.space,
        study="soak",
        objectives="error,flops",
        trials=TRIALS,
        epochs=1,
        limits=None,
        sampler="random",
        workers=2,
        device="cpu",
    )
    watching = Watching()
    with opened(prepare(settings), tmp_path) as search:
        search.driver.go(search.plan, watching)
    assert len(watching.samples) >= TRIALS
    early, late = watching.samples[50:150], watching.samples[-100:]
    for what, least in ((1, 64.0), (2, 4.0), (3, 2.0)):
        before, after = (statistics.median(sample[what] for sample in part) for part in (early, late))
        assert after <= before * 1.1 + least, (what, before, after)
    paces = [(part[-1][0] - part[0][0]) / len(part) for part in (early, late)]
    print(f"seconds a trial: {paces[0]:.3f} early, {paces[1]:.3f} late")
