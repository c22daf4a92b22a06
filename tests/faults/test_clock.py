"""A clock that is set back, or far ahead, while a search runs."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from studies import Study, invoke

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results


@pytest.mark.parametrize("step", [-3600.0, 86_400.0])
def test_results_and_totals_do_not_depend_on_the_clock(
    finished: Study, new_study: Study, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, calls = time.time(), itertools.count()
    monkeypatch.setattr(time, "time", lambda: now + step * next(calls))
    new_study.go("--time", "1h").done()
    ours, theirs = (load_results(RunDirectory(each.run)).trials for each in (new_study, finished))
    assert [each.objectives for each in ours] == [each.objectives for each in theirs]
    assert all(0 <= each.seconds < 600 for each in ours)
    monkeypatch.undo()
    invoke("doctor", new_study.run).done()


def test_a_run_from_the_future_resumes(finished: Study, tmp_path: Path) -> None:
    """Its files are newer than now, as after a clock that was wrong."""
    import os

    study = finished.copied(tmp_path)
    for path in study.run.rglob("*"):
        os.utime(path, (time.time() + 10**7,) * 2)
    study.go("--trials", 7).done()
    assert len(load_results(RunDirectory(study.run)).trials) == 7
