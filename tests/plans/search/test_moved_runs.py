"""A run whose folder, or whose images, are elsewhere than they were."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from heard import Heard
from searches import Settings, results_of, run_search, settings_for

from pure_nas.errors import RunError


def outcomes(out: Path, study: str) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.candidate.digest, trial.objectives) for trial in results_of(out, study).trials]


class Meddling(Heard):
    """Does something to the run, once, when trial 1 has come that far."""

    def __init__(self, when: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._when = when
        self._act = act

    def _meddle(self, what: str, number: int) -> None:
        if (what, number) == (self._when, 1):
            self._act()

    def started(self, job: Any, epochs_done: int) -> None:
        self._meddle("started", job.number)

    def epoch_done(self, job: Any, metrics: Any) -> None:
        self._meddle("epoch done", job.number)

    def ended(self, record: Any) -> None:
        self._meddle("ended", record.number)


@pytest.mark.parametrize("when", ["started", "epoch done", "ended"])
def test_a_run_that_is_moved_stops_and_goes_on_in_its_new_place(tiny: Settings, when: str, tmp_path: Path) -> None:
    settings = tiny(trials=4)
    run_search(settings, tmp_path / "whole")
    old, new = tmp_path / "study", tmp_path / "renamed"
    with pytest.raises(RunError, match="was moved or removed while this command wrote into it"):
        run_search(settings, tmp_path, Meddling(when, lambda: old.rename(new)))
    assert not old.exists()
    again = tiny(trials=4, study="renamed")
    assert run_search(again, tmp_path) == "all 4 trials are done"
    assert outcomes(tmp_path, "renamed") == outcomes(tmp_path / "whole", "study")
    assert [path.name for path in new.glob("owner.json")] == []


def test_a_run_that_is_removed_stops_and_is_not_made_again(tiny: Settings, tmp_path: Path) -> None:
    settings = tiny(trials=4)
    with pytest.raises(RunError, match="was moved or removed"):
        run_search(settings, tmp_path, Meddling("epoch done", lambda: shutil.rmtree(tmp_path / "study")))
    assert not (tmp_path / "study").exists()


def test_nothing_is_written_into_another_folder_in_the_place_of_the_run(tiny: Settings, tmp_path: Path) -> None:
    def replace_run() -> None:
        (tmp_path / "study").rename(tmp_path / "away")
        (tmp_path / "study").mkdir()

    with pytest.raises(RunError, match="was moved or removed"):
        run_search(tiny(), tmp_path, Meddling("started", replace_run))
    assert list((tmp_path / "study").iterdir()) == []


def test_a_renamed_run_goes_on_with_its_own_study(tiny: Settings, tmp_path: Path) -> None:
    run_search(tiny(trials=5), tmp_path / "whole")
    run_search(tiny(trials=2), tmp_path)
    (tmp_path / "study").rename(tmp_path / "renamed")
    for trials in (4, 5):
        run_search(tiny(trials=trials, study="renamed"), tmp_path)
    assert outcomes(tmp_path, "renamed") == outcomes(tmp_path / "whole", "study")
    storage = f"sqlite:///{tmp_path / 'renamed' / 'study.db'}"
    assert [study.study_name for study in optuna.get_all_study_summaries(storage)] == ["study"]


def test_a_search_goes_on_with_equal_images_elsewhere_and_refuses_others(
    tiny: Settings, image_folder: Path, tiny_space_file: Path, tmp_path: Path
) -> None:
    run_search(tiny(trials=1), tmp_path)
    moved = tmp_path / "called-otherwise"
    shutil.copytree(image_folder, moved, copy_function=shutil.copyfile)
    run_search(settings_for(moved, tiny_space_file, trials=2), tmp_path)
    assert len(results_of(tmp_path).trials) == 2
    next((moved / "train").rglob("*.png")).unlink()
    with pytest.raises(RunError, match="have changed since"):
        run_search(settings_for(moved, tiny_space_file, trials=3), tmp_path)
