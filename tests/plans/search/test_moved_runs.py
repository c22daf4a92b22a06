"""A run whose folder, or whose images, are elsewhere than they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest
from heard import Acting
from searches import Settings, outcomes, results_of, run_search, settings_for

from pure_nas.errors import RunError


@pytest.mark.parametrize("when", ["started", "epoch done", "ended"])
def test_a_run_that_is_moved_stops_and_goes_on_in_its_new_place_with_its_own_study(
    tiny: Settings, when: str, tmp_path: Path
) -> None:
    settings = tiny(trials=5)
    run_search(settings, tmp_path / "whole")
    old, new = tmp_path / "study", tmp_path / "renamed"
    with pytest.raises(RunError, match="was moved or removed while this command wrote into it"):
        run_search(settings, tmp_path, Acting({(when, 1): lambda: old.rename(new)}))
    assert not old.exists()
    for trials in (4, 5):
        run_search(tiny(trials=trials, study="renamed"), tmp_path)
    assert outcomes(tmp_path, "renamed") == outcomes(tmp_path / "whole")
    assert list(new.glob("owner.json")) == []
    studies = optuna.get_all_study_summaries(f"sqlite:///{new / 'study.db'}")
    assert [study.study_name for study in studies] == ["study"]


@pytest.mark.parametrize(("when", "replaced"), [("epoch done", False), ("started", True)])
def test_a_run_that_is_removed_stops_and_is_neither_made_again_nor_written_into_what_replaced_it(
    when: str, replaced: bool, tiny: Settings, tmp_path: Path
) -> None:
    def remove() -> None:
        shutil.rmtree(tmp_path / "study")
        if replaced:
            (tmp_path / "study").mkdir()

    with pytest.raises(RunError, match="was moved or removed"):
        run_search(tiny(trials=4), tmp_path, Acting({(when, 1): remove}))
    assert list(tmp_path.rglob("*")) == ([tmp_path / "study"] if replaced else [])


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
